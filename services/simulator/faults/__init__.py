"""What can go wrong on demand, each by its name."""
