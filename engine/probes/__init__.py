"""Readings of the host, the graphics card and the engine's own work."""
