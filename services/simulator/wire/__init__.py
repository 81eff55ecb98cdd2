"""The TWS protocol: frames, fields, reading requests, writing replies. It has no socket."""
