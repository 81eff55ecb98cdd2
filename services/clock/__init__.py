"""Owns the exchange calendar and the market's time: which phase the session is in, and when the next thing is due."""
