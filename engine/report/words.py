"""Figures in words: units, intervals and times; what is not known says so."""

from __future__ import annotations

import math

import numpy as np

NOT_ENOUGH = "not enough data"
_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def format_moment(at: int) -> str:
    """ns UTC as 2026-11-22 23:51:07."""
    return str(np.datetime64(at, "ns").astype("datetime64[s]")).replace("T", " ")


def format_clock(at: int) -> str:
    """ns UTC as 23:51:07."""
    return format_moment(at)[11:]


def format_money(value: float, *, sign: bool = False) -> str:
    return f"{value:{'+' if sign else ''},.2f}"


def format_share(value: float | None, digits: int = 2) -> str:
    return NOT_ENOUGH if value is None or not math.isfinite(value) else f"{value:.{digits}%}"


def format_change(now: float, before: float) -> str:
    """In percent, with its sign."""
    return f"{now / before - 1.0:+.2%}" if before > 0 else NOT_ENOUGH


def format_count(n: int, one: str, many: str = "") -> str:
    """'1 alert', '2 alerts'."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def format_figure(value: float | None, unit: str, *, sign: bool = True) -> str:
    """A reading or an effect with its unit, in steps that a person reads."""
    if value is None or not math.isfinite(value):
        return NOT_ENOUGH
    mark = "+" if sign else ""
    if unit.startswith("bytes"):
        scale, name = next(((scale, name) for scale, name in _SIZES if abs(value) >= scale), (1.0, "bytes"))
        return f"{value / scale:{mark},.{0 if scale == 1.0 else 1}f} {name}{unit.removeprefix('bytes')}"
    digits = 0 if abs(value) >= 1e4 or value == round(value) else max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:{mark},.{min(digits, 8)}f} {unit}".rstrip()


def format_interval(low: float | None, high: float | None, unit: str) -> str:
    """An interval."""
    return NOT_ENOUGH if low is None or high is None else f"{format_figure(low, unit)} to {format_figure(high, unit)}"


def format_seconds(value: float | None) -> str:
    """'3.2 s', '4 min', '2 h'."""
    if value is None or not math.isfinite(value):
        return "not over"
    if value < 90:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 5_400 else f"{value / 3600:.1f} h"
