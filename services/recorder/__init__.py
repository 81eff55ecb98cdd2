"""The recorder: writes every fact of the fleet into one DuckDB file, and answers read-only SQL. It decides nothing."""
