"""Owns the one IBKR socket, the order book as the broker sees it, and all protective orders; knows no strategy."""
