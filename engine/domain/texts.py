"""Values as messages show them: short, on one line, and without characters that a terminal would act on."""

from __future__ import annotations

import re
import unicodedata

SHOWN = 100  # letters of a value that a message shows whole
BEGINNING = 40  # letters of a longer one
_LONG_WORD = re.compile(rf"\S{{{2 * SHOWN},}}")
_KINDS = {"Cc": "a control character", "Cs": "half of a surrogate pair", "Zl": "a line separator", "Zp": "a paragraph separator"}


def find_control_character(text: str) -> str | None:
    """What in a text is no plain text, in words; None where all is."""
    for place, letter in enumerate(text, 1):
        kind = _KINDS.get(unicodedata.category(letter))
        if kind is not None:
            return f"{kind} (U+{ord(letter):04X}) at place {place}"
    return None


def shorten(value: object) -> str:
    """A value in quotes as repr writes it; of a long one its beginning and its length."""
    if isinstance(value, str):
        return repr(value) if len(value) <= SHOWN else f"{value[:BEGINNING]!r}... ({len(value):,} letters)"
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of so many digits
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN else f"{text[:BEGINNING]}... ({len(text):,} letters)"


def on_one_line(text: str) -> str:
    """A message on one line, with every long word shortened and whatever a terminal would act on escaped."""
    plain = "".join(letter if _KINDS.get(unicodedata.category(letter)) is None else repr(letter)[1:-1] for letter in " ".join(text.split()))
    return _LONG_WORD.sub(lambda found: f"{found[0][:BEGINNING]}...({len(found[0]):,} letters)", plain)
