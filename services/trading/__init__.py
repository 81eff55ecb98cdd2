"""Prices and their grid, shares, sessions, reasons, ids: for every process. Imports nothing else of the fleet."""
