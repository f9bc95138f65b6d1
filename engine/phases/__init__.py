"""The ten phases of a decision, one a file: the work and its fallback."""
