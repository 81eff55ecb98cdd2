"""What the gateway does with each request of its clients."""
