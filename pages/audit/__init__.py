"""The page Audit: the trail, as a table of any length, and whether it is sound."""
