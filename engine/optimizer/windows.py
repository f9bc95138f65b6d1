"""The windows of experiments: a span before, a pause and a span after, cut alike for treated, withheld and idle windows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.domain.record import Bools, Floats, Ints, Record

SECOND = 1_000_000_000  # ns
MATCHED_WINDOWS = 30  # idle windows of a comparable level that a manual run is compared with, at most
PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 240.0)  # s; few values, so that the windows of an action have the same pause for a long time
PAUSE_MARGIN = 1.5  # the pause covers the longest run so far times this


@dataclass(frozen=True, slots=True)
class MeasurementPlan(Record):
    """How a run is measured, in seconds."""

    before: float = 10.0
    after: float = 10.0
    step: float = 1.0  # between two samples after the run
    rest: float = 60.0  # after a run, while its effect may still show: no idle window lies there
    lookback: float = 86_400.0
    widest_gap: float = 8.0  # between two samples of a window; a wider one means that the engine was down
    fewest: int = 3  # samples on either side of a window
    most: int = 200  # windows drawn
    longest_settling: float = 65.0  # at most, until a metric can show an effect


@dataclass(frozen=True, slots=True)
class WindowTiming(Record):
    """The spans of one window in seconds; the action begins where `before` ends."""

    before: float
    pause: float
    after: float

    @property
    def length(self) -> int:
        """In ns."""
        return round((self.before + self.pause + self.after) * SECOND)


@dataclass(frozen=True, slots=True)
class ControlWindows(Record):
    """W idle windows of one timing."""

    starts: Ints  # (W,) ns UTC at which each begins
    before: Floats  # (W,) mean
    level: Floats  # (W,) the last value before the pause
    after: Floats  # (W,) mean

    @property
    def change(self) -> Floats:
        return self.after - self.before

    def __len__(self) -> int:
        return len(self.starts)


def split_window(at: Ints, begin: int, timing: WindowTiming) -> tuple[slice, slice]:
    """The samples of the span before `begin` (ns UTC) and of the span after the pause; a span includes its end and not its beginning.

    Every window is cut here: treated, withheld, and idle. at (N,) ns UTC ascending.
    """
    resumed = begin + round(timing.pause * SECOND)
    edges = (begin - round(timing.before * SECOND), begin, resumed, resumed + round(timing.after * SECOND))
    first, middle, again, end = np.searchsorted(at, edges, side="right").tolist()
    return slice(first, middle), slice(again, end)


def choose_pause(settling: float, cost: str, took: Sequence[float]) -> float:
    """The pause in s, fixed before the coin falls, so that windows with and without the action have the same one.

    settling: s until the metric can show an effect; took: s of each earlier run of the action; before the first, its cost decides.
    """
    expected = PAUSE_MARGIN * max(took) if took else {"none": 1.0, "low": 5.0}.get(cost, 20.0)
    return max(settling, next((pause for pause in PAUSES if pause >= expected), expected))


def encode_windows(timing: WindowTiming, planned: float, starts: Ints) -> str:
    """A trial's timing and the beginnings of the windows it was compared with (ns UTC), as the store holds it."""
    return json.dumps({
        "before": timing.before, "pause": timing.pause, "after": timing.after, "planned": planned, "starts": np.sort(starts).tolist()
    })  # fmt: skip


def recorded_pause(text: str | None, seconds: float) -> float | None:
    """The pause of a stored trial; None where its action took longer than the planned pause, so that it cannot be compared with withheld windows."""
    timing = json.loads(text) if text else {}
    planned = timing.get("planned")
    return None if planned is not None and seconds > planned else float(timing.get("pause", seconds))


def draw_windows(
    at: Ints, values: Floats, busy: tuple[tuple[int, int], ...], timing: WindowTiming, plan: MeasurementPlan, chance: np.random.Generator
) -> ControlWindows:
    """Idle windows drawn at random, plan.most at most.

    at (N,) ns UTC ascending, values (N,); busy: spans in ns UTC, both ends included, that no window may touch. The windows lie end to end from a
    random beginning, so none overlaps another and each sample counts once; where there are more than plan.most, they are drawn with equal chances.
    """
    length = timing.length
    if len(at) == 0 or int(at[-1]) - int(at[0]) < length:
        return _measured(at, values, [], timing)
    first = int(at[0]) + int(chance.integers(min(length, int(at[-1]) - int(at[0]) - length + 1)))
    starts = np.arange(first, int(at[-1]) - length + 1, length, dtype=np.int64)
    starts = chance.permutation(starts[_usable(at, starts, busy, timing, plan)])
    return _measured(at, values, starts[: plan.most].tolist(), timing)


def match_windows(
    at: Ints, values: Floats, busy: tuple[tuple[int, int], ...], timing: WindowTiming, plan: MeasurementPlan, level: float
) -> ControlWindows:
    """The idle windows whose level before the pause is nearest to `level`, MATCHED_WINDOWS at most; none overlaps another.

    Arguments as for `draw_windows`.
    """
    length = timing.length
    starts = at - round(timing.before * SECOND)
    inside = (starts >= at[0]) & (starts + length <= at[-1]) if len(at) else np.zeros(0, dtype=np.bool_)
    places = np.flatnonzero(inside)
    places = places[_usable(at, starts[places], busy, timing, plan)]
    chosen: list[int] = []
    free = np.ones(len(places), dtype=np.bool_)
    for place in np.argsort(np.abs(values[places] - level), kind="stable").tolist():
        if free[place]:
            start = int(starts[places[place]])
            chosen.append(start)
            free &= np.abs(starts[places] - start) >= length
        if len(chosen) == MATCHED_WINDOWS:
            break
    return _measured(at, values, chosen, timing)


def _measured(at: Ints, values: Floats, starts: list[int], timing: WindowTiming) -> ControlWindows:
    parts = [split_window(at, start + round(timing.before * SECOND), timing) for start in starts]
    before = np.array([values[first].mean() for first, _ in parts], dtype=np.float64)
    level = np.array([values[first][-1] for first, _ in parts], dtype=np.float64)
    after = np.array([values[last].mean() for _, last in parts], dtype=np.float64)
    return ControlWindows(np.array(starts, dtype=np.int64), before, level, after)


def _usable(at: Ints, starts: Ints, busy: tuple[tuple[int, int], ...], timing: WindowTiming, plan: MeasurementPlan) -> Bools:
    """(W,) whether a window touches no busy span and has enough samples without a wide gap."""
    usable = np.ones(len(starts), dtype=np.bool_)
    for begun, done in busy:
        usable &= (starts + timing.length < begun) | (starts > done)
    steps = np.cumsum(np.array((timing.before, timing.pause, timing.after)) * SECOND).round().astype(np.int64)
    first, middle, again, end = (np.searchsorted(at, starts + step, side="right") for step in (0, *steps.tolist()))
    usable &= np.minimum(middle - first, end - again) >= plan.fewest
    gaps = np.concatenate(([0], np.cumsum(np.diff(at) > plan.widest_gap * SECOND))) if len(at) else np.zeros(0, dtype=np.int64)
    usable[usable] = gaps[end[usable] - 1] == gaps[first[usable]]
    return usable
