"""Podium's own files: private files, marked folders, and temporary files that do not outlive their process."""
