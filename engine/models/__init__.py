"""Models, one a file; each module gives MODEL."""
