"""Market data feeds, one a file; each module gives FEED."""
