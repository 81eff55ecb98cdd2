"""One process per ticker: it decides when to enter, and when to cancel the entry.

It owns the state machine of its symbol, and no orders.
"""
