"""Podium's own files: private ones, marked folders, and temporary files that outlive no process."""
