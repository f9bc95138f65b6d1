"""Optimization actions, one a file; each module gives ACTION."""
