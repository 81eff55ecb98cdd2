"""Hears every process's heartbeat, kills what hangs so that supervisord starts it anew, and knows who is there."""
