"""Feature families, one a file; each module gives FAMILY."""
