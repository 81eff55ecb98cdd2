"""Stops: what own shares need, when it is safe to act, and how it is done. Pure."""
