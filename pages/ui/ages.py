"""Ages that tick in the browser: a text carries the moment, its HTML shows the age, and live_clock.js counts on from there."""

from __future__ import annotations

import re

from engine import units

# A text is escaped on its way to HTML, so the moment travels in letters of the private use area, which no escaping touches.
_MARK = re.compile("\ue000(since|until) ([0-9]{1,16})\ue001([^\ue000-\ue002<>]*)\ue002")


def ticking_age(at: int, now: int) -> str:
    """The age of a moment, ns UTC, such as "4 min"."""
    return _marked("since", at, units.format_age((now - at) / units.SECOND))


def ticking_countdown(at: int, now: int) -> str:
    """The time left until a moment, ns UTC."""
    return _marked("until", at, units.format_age((at - now) / units.SECOND))


def render_ages(markup: str) -> str:
    """The same with an element for each age, for the script to count."""
    return _MARK.sub(r'<span class="pd-ticking" data-\1="\2">\3</span>', markup)


def strip_marks(text: str) -> str:
    """The same as it is read, for where nothing counts."""
    return _MARK.sub(r"\3", text)


def _marked(kind: str, at: int, words: str) -> str:
    return f"\ue000{kind} {max(0, at) // units.MS}\ue001{words}\ue002"
