"""Approves entries, or denies them with a reason: exposure, cash, guards, pauses.

Cancels and protection never pass through here.
"""
