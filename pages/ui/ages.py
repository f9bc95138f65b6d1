"""Ages that count on in the browser: a text carries a time, its HTML shows the age, and live_clock.js updates it."""

from __future__ import annotations

import re

from engine import units

# Text is escaped on its way to HTML, so the time travels between characters of the private use area, which escaping leaves alone.
_PATTERN = re.compile("\ue000(since|until) ([0-9]{1,16})\ue001([^\ue000-\ue002<>]*)\ue002")


def ticking_age(at: int, now: int) -> str:
    """Return the age of a time, ns UTC, such as "4 min"."""
    return _mark("since", at, units.format_age((now - at) / units.SECOND))


def ticking_countdown(at: int, now: int) -> str:
    """Return the time left until a time, ns UTC."""
    return _mark("until", at, units.format_age((at - now) / units.SECOND))


def render_ages(markup: str) -> str:
    """Return the markup with an element for each age, which the script updates."""
    return _PATTERN.sub(r'<span class="pd-ticking" data-\1="\2">\3</span>', markup)


def strip_marks(text: str) -> str:
    """Return the text without marks, for places where nothing is updated."""
    return _PATTERN.sub(r"\3", text)


def _mark(kind: str, at: int, text: str) -> str:
    return f"\ue000{kind} {max(0, at) // units.MS}\ue001{text}\ue002"
