"""Records only: what the parts of the engine hand to one another."""
