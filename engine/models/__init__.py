"""Models, one per file; each public module defines MODEL."""
