"""Prices and their grid, shares, reasons, ids: for every process. Imports nothing else of the fleet."""
