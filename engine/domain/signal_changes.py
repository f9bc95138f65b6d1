"""Scheduled changes of the simulated market's relation between past and next returns: their names, and how they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import Literal, cast, get_args

from engine.domain.record import Record
from engine.domain.texts import shorten

ChangeKind = Literal["flip", "none", "interaction", "other"]
CHANGE_KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)
MAX_CHANGES = 100
MAX_BAR = 2**31 - 1
EXAMPLE = "3000:flip,6000:none"


@dataclass(frozen=True, slots=True)
class SignalChange(Record):
    """A change of the relation from a bar on; bars are counted from 0, the first of the market."""

    bar: int
    kind: ChangeKind


def parse_changes(text: str) -> tuple[SignalChange, ...]:
    """Parse '3000:flip,6000:none'; an empty text has no changes. Raises ValueError in one line with the remedy."""
    if not text.strip():
        return ()
    parts = text.split(",")
    if len(parts) > MAX_CHANGES:
        raise ValueError(f"{len(parts):,} changes are too many: give at most {MAX_CHANGES}")
    changes = tuple(_parse_change(part) for part in parts)
    for before, after in pairwise(changes):
        if after.bar <= before.bar:
            raise ValueError(f"the change at bar {after.bar} follows the change at bar {before.bar}: give bars that rise")
    return changes


def format_changes(changes: tuple[SignalChange, ...]) -> str:
    """Format changes as `parse_changes` reads them."""
    return ",".join(f"{change.bar}:{change.kind}" for change in changes)


def _parse_change(part: str) -> SignalChange:
    match = re.fullmatch(r"\s*(-?[0-9]{1,20})\s*:\s*([^\s:]+)\s*", part, re.ASCII)
    if match is None:
        raise ValueError(f"{shorten(part.strip())} is not a change: write BAR:KIND, such as {EXAMPLE}")
    bar, kind = int(match[1]), match[2]
    if not 0 <= bar <= MAX_BAR:
        raise ValueError(f"the change {shorten(part.strip())} is at no bar: give a whole number from 0 to {MAX_BAR}")
    if kind not in CHANGE_KINDS:
        near = get_close_matches(kind.lower()[:40], CHANGE_KINDS, n=1, cutoff=0.5)
        remedy = f"did you mean {near[0]}?" if near else f"the changes are {', '.join(CHANGE_KINDS)}"
        raise ValueError(f"{shorten(kind)} is not a change of the simulated market: {remedy}")
    return SignalChange(bar, cast("ChangeKind", kind))
