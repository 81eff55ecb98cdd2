"""Stops: which ones own shares need, when it is safe to act, and how. Pure."""
