"""Prices and their grid, shares, sessions, reasons, ids: for all processes. Imports nothing else of the fleet."""
