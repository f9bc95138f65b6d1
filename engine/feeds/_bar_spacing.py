"""The spacing of a file's bars, and the alignment of days in a zone with summer time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine import units
from engine.domain.record import Ints
from engine.feeds._recording_folder import BadRecording

MAX_STRAY_SHARE = 0.01  # share of bars off the clock that counts as faulty rows and not as another clock
SECOND, HOUR, DAY = 10**9, 3_600 * 10**9, 86_400 * 10**9  # ns
_SUMMER_SHIFTS = (HOUR, HOUR // 2)  # by which a zone's clocks are set forward in summer
_ROUNDING = {SECOND: "seconds", 60 * SECOND: "minutes"}
_MAX_SPACING = 27 * DAY  # longer bars are months, quarters or years


def find_spacing(file: Path, opened: Ints) -> int | None:
    """The most common distance (ns) between rows of a file; None with fewer than two rows. Raises BadRecording where the distances vary.

    The median would be two bars for a symbol that is silent half of the time.
    """
    steps = np.asarray(np.diff(np.unique(opened)), dtype=np.int64)
    if not len(steps):
        return None
    spacing = _most_common(steps)
    if spacing > _MAX_SPACING and (steps > _MAX_SPACING).all() and np.ptp(steps) >= DAY:
        raise BadRecording(
            f"{file}: its bars are {steps.min() // DAY} to {steps.max() // DAY} days apart, and months differ in length: give daily bars"
        )
    if _share_off(opened, spacing) > MAX_STRAY_SHARE:
        _refuse_jitter(file, opened)
    return spacing


def align_days(opened: Ints, spacing: int | None) -> Ints:
    """The opens (n,) of bars of two hours or more that follow a zone's clock, such as days from its midnight, with summer aligned to winter.

    In UTC these bars open an hour (or half an hour) earlier in summer. They are moved later: a bar moved earlier would be known before its end.
    """
    if spacing is None or spacing < 2 * HOUR or _share_off(opened, spacing) <= MAX_STRAY_SHARE:
        return opened
    places, counts = np.unique(opened % spacing, return_counts=True)
    common = places[np.argsort(counts)[-2:]]
    years = (opened[-1] - opened[0]) / (365 * DAY)
    for summer, winter in (common, common[::-1]):
        moved = opened % spacing == summer
        shift = (winter - summer) % spacing
        later = opened + np.where(moved, shift, 0)
        changes = np.count_nonzero(np.diff(moved))
        if (
            shift in _SUMMER_SHIFTS
            and changes <= 2 * years + 3
            and (np.diff(later)[np.diff(opened) > 0] > 0).all()
            and _share_off(later, spacing) <= MAX_STRAY_SHARE
        ):
            return np.asarray(later, dtype=np.int64)
    return opened


def describe_off_clock(opened: Ints, spacing: int, offset: int) -> str:
    """The times of bars that open off the recording's clock, and the remedy."""
    clock, first = f"off the clock of {units.format_setting(spacing / SECOND, 's')}", _format_time(opened[0])
    if spacing % DAY:
        return f"{clock}, the first at {first}: give all symbols' bars the same seconds and one length"
    return (
        f"{clock}, the first at {first} and not at {_format_time(offset)[11:]}: days of another zone, so write each bar's date alone, as {first[:10]}"
    )


def _refuse_jitter(file: Path, opened: Ints) -> None:
    """Refuse bars that would be on one clock if their times were rounded."""
    for unit, name in _ROUNDING.items():
        rounded = (opened + unit // 2) // unit * unit
        steps = np.asarray(np.diff(np.unique(rounded)), dtype=np.int64)
        apart = np.all(np.diff(rounded)[np.diff(opened) > 0] > 0)
        if apart and _share_off(rounded, spacing := _most_common(steps)) <= MAX_STRAY_SHARE:
            off = np.abs(opened - rounded).max() / 1e6
            clock = units.format_setting(spacing / SECOND, "s")
            raise BadRecording(f"{file}: its bars open up to {units.format_setting(off, 'ms')} off a clock of {clock}: round ts to whole {name}")


def _format_time(at: int | np.int64) -> str:
    return f"{np.datetime_as_string(np.datetime64(int(at), 'ns'), unit='s')}Z"


def _share_off(opened: Ints, spacing: int) -> float:
    """The share of bars that do not open at the most common place of the clock."""
    _, counts = np.unique(opened % spacing, return_counts=True)
    return 1.0 - float(counts.max()) / len(opened)


def _most_common(steps: Ints) -> int:
    values, counts = np.unique(steps, return_counts=True)
    return int(values[np.argmax(counts)])
