"""Receives the heartbeats of all processes, kills a hung process so that supervisord restarts it, and lists them."""
