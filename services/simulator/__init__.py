"""A simulated IB Gateway: a pure exchange model behind the real TWS wire protocol."""
