"""Where prices come from, and what was: made-up and recorded markets, bars, history."""
