"""The ten phases of a decision, one per file: the work and its fallback."""
