"""The operator's configuration: its keys, its checks, and what is read from its file. Imports `trading` only."""
