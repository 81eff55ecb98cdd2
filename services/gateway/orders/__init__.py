"""Orders from approval to end: placing, cancelling, and the broker's reports about them. Pure."""
