"""The edge: the one IBKR connection. Only `library.py` knows the library."""
