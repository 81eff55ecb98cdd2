"""The same cores on the exchange model, in one process, with virtual time."""
