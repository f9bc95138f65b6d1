"""Market data feeds, one per file; each public module defines FEED."""
