"""The error of every part of the code that reads a recording."""

from __future__ import annotations


class BadRecording(ValueError):
    """A recording that cannot be read honestly: one line with what, where and the remedy."""
