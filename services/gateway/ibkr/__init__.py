"""The edge: the one IBKR connection. Only `connection.py` knows the library."""
