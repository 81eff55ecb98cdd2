"""Owns the only IBKR socket, the order book as the broker has it, and all protective orders. Knows no strategy."""
