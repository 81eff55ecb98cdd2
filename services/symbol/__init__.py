"""One process per ticker: when to enter, when to take the entry back.

Owns the state machine of its symbol, no orders.
"""
