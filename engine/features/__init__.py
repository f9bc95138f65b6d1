"""Feature families, one per file; each module defines FAMILY."""
