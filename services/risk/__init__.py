"""Exposure, cash, pause: approves an entry or denies it with a reason.

Cancels and protection never pass through here.
"""
