"""Optimization actions, one per file; each module defines ACTION."""
