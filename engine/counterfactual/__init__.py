"""What the engine would have decided otherwise: stored ticks decided again under a change that lasts."""
