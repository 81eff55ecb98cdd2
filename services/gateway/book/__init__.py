"""The gateway's records: their types, which order a report of the broker means, and queries. Pure."""
