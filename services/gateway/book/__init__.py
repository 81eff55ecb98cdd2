"""What the gateway remembers: its records, which order a broker's report means, and questions to the records. Pure."""
