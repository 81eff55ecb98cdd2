"""The TWS protocol: frames, fields, requests read, replies written. Knows no socket."""
