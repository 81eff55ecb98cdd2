"""What every process runs on: core, actor, ledger, links, bus, log, and the drivers that run an actor."""
