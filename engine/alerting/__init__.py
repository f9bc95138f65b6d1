"""Alerts as pure functions: which rules are broken, for how long, who is told what."""
