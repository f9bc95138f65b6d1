"""Texts for messages: short, on one line, and without control characters that a terminal would interpret."""

from __future__ import annotations

import re
import unicodedata

SHOWN = 100  # characters of a value that a message shows whole
BEGINNING = 40  # characters shown of a longer value
_LONG_WORD = re.compile(rf"\S{{{2 * SHOWN},}}")
_KINDS = {"Cc": "a control character", "Cs": "half of a surrogate pair", "Zl": "a line separator", "Zp": "a paragraph separator"}


def find_control_character(text: str) -> str | None:
    """Describe the first character that is not plain text; None where all are."""
    for place, letter in enumerate(text, 1):
        kind = _KINDS.get(unicodedata.category(letter))
        if kind is not None:
            return f"{kind} (U+{ord(letter):04X}) at place {place}"
    return None


def shorten(value: object) -> str:
    """Return the repr of a value; of a long value its beginning and its length."""
    if isinstance(value, str):
        return repr(value) if len(value) <= SHOWN else f"{value[:BEGINNING]!r}... ({len(value):,} letters)"
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write an integer of so many digits
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN else f"{text[:BEGINNING]}... ({len(text):,} letters)"


def on_one_line(text: str) -> str:
    """Return a message on one line, with long words shortened and control characters escaped."""
    plain = "".join(letter if _KINDS.get(unicodedata.category(letter)) is None else repr(letter)[1:-1] for letter in " ".join(text.split()))
    return _LONG_WORD.sub(lambda match: f"{match[0][:BEGINNING]}...({len(match[0]):,} letters)", plain)
