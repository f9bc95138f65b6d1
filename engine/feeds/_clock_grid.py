"""One regular clock for all symbols of a recording: its interval, its bars, and long silences cut short."""

from __future__ import annotations

import numpy as np

from engine.domain.record import Ints
from engine.feeds._recording_files import BadRecording

LONGEST_SILENCE = 13  # empty bars in a row before time jumps: one more than the longest horizon
MINUTE = 60 * 10**9  # ns, the interval where there are no bars to take it from


def interval_of(spacings: dict[str, int], wanted: int | None) -> int:
    """The interval of the clock: the one wanted where every symbol's bars fit into it, else the one they all have."""
    if wanted is None:
        kinds = sorted(set(spacings.values()))
        if len(kinds) > 1:
            examples = ", ".join(f"{next(s for s, spacing in spacings.items() if spacing == kind)} {_span(kind)}" for kind in kinds[:3])
            raise BadRecording(f"the symbols' bars differ in length ({examples}): set PODIUM_INTERVAL to a multiple of each")
        return kinds[0] if kinds else MINUTE
    for symbol, spacing in spacings.items():
        if wanted % spacing:
            raise BadRecording(f"an interval of {_span(wanted)} cannot be made of {symbol}'s bars of {_span(spacing)}: set it to a multiple")
    return wanted


def bar_numbers(times: Ints, interval: int, offset: int) -> Ints:
    """Which bar of the clock each time falls into: bar k opens at offset + k * interval and ends before the next opens."""
    return np.asarray((times - offset) // interval, dtype=np.int64)


def kept_bars(numbers: Ints, silence: int = LONGEST_SILENCE) -> Ints:
    """Every bar from the first of `numbers` to the last, a stretch without any cut to its first `silence`; sorted and unique."""
    runs = np.minimum(np.diff(numbers), silence + 1)
    steps = np.repeat(numbers[:-1] - np.concatenate([[0], np.cumsum(runs)[:-1]]), runs) + np.arange(int(runs.sum()))
    return np.concatenate([steps, numbers[-1:]])


def _span(ns: int) -> str:
    for unit, size in (("d", 86_400 * 10**9), ("h", 3_600 * 10**9), ("m", MINUTE), ("s", 10**9)):
        if ns % size == 0:
            return f"{ns // size}{unit}"
    return f"{ns / 1e9:g}s"
