"""Searches for a better recipe: strategies, and their evaluation on rows that no contest sees."""
