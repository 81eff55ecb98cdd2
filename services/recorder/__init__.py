"""The recorder: every fact of the fleet in one DuckDB file, and read-only SQL on it. It decides nothing."""
