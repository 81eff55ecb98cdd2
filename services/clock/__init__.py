"""Owns the exchange calendar and market time: the phase of the session, and when it changes next."""
