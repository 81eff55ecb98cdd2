"""Orders from approval to end: placing, cancelling, and what the broker reports of them. Pure."""
