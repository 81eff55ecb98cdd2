"""The runtime of every process: core, actor, ledger, links, bus, log, and the drivers that run an actor."""
