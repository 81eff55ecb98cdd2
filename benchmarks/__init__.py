"""What the fleet costs in time and memory: `python -m benchmarks.tick_to_order` and `python -m benchmarks.footprint`."""
