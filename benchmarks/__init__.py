"""What the fleet takes in time and memory: `python -m benchmarks.tick_to_order`, `… benchmarks.footprint`."""
