"""The exchange model: orders, accounts, and how the market changes them. Pure, except `store.py`."""
