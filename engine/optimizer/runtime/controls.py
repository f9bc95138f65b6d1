"""Controls: windows without the action that an experiment is compared with, cut with the experiment's own timing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.domain.record import Floats, Record
from engine.optimizer import harm
from engine.optimizer.runtime.ports import RunHistory
from engine.optimizer.windows import SECOND, ControlWindows, MeasurementPlan, WindowTiming, draw_windows, match_windows, split_window
from engine.service.logging import LOG
from engine.store.errors import StoreError
from engine.store.read.optimizer_history import CLEAN_RATE_METRIC, LATENCY_METRIC, FinishedTrial

PAUSE_TOLERANCE = 0.5  # s by which the pauses of windows that are compared may differ
# s after a run until the metric can show it: it is an average over so long, or sampled so seldom
SETTLING_SECONDS = {
    "engine.temp_bytes": 65.0, "engine.log_bytes": 65.0, "engine.errors_last_minute": 60.0, "host.cpu_pressure_percent": 10.0,
    "host.memory_pressure_percent": 10.0, "host.io_pressure_percent": 10.0, "container.cpu_pressure_percent": 10.0,
    "container.memory_pressure_percent": 10.0, "container.io_pressure_percent": 10.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GuardMetric(Record):
    """A metric that must not suffer, before and after an experiment."""

    name: str
    before: float  # mean; NaN where it was not measured
    after: float
    controls: Floats  # (W,) the change in idle windows
    worse: int  # +1 where a rise is harm, -1 where a fall is
    smallest: float  # the smallest scale of its change that counts

    @property
    def change(self) -> float:
        return self.after - self.before


def settling_seconds(metric: str, plan: MeasurementPlan) -> float:
    """Seconds until a metric can show an effect."""
    return min(SETTLING_SECONDS.get(metric, 0.0), plan.longest_settling)


def find_controls(
    history: RunHistory, metric: str, timing: WindowTiming, plan: MeasurementPlan, begin: int, *, level: float | None = None
) -> ControlWindows:
    """Idle windows of the last day before `begin` (ns UTC), as far as samples are stored.

    They are drawn at random; where a level is given, they are those that begin nearest to it.
    """
    source, _, name = metric.partition(".")
    since = begin - round(plan.lookback * SECOND)
    try:
        (at, values), spans = history.readings(source, name, since), busy_spans(history, plan, since)
    except StoreError as error:
        LOG.info("no control windows: %s", error)
        at, values, spans = np.empty(0, dtype=np.int64), np.empty(0), ()
    earlier = at < begin - round(timing.before * SECOND)
    if level is not None:
        return match_windows(at[earlier], values[earlier], spans, timing, plan, level)
    return draw_windows(at[earlier], values[earlier], spans, timing, plan, np.random.default_rng([begin]))


def withheld(earlier: Sequence[FinishedTrial], timing: WindowTiming) -> tuple[FinishedTrial, ...]:
    """Of an action's earlier windows on a metric, the controls: a coin withheld the action, and their pause is that of `timing`."""
    return tuple(trial for trial in earlier if not trial.outcome.treated and abs(trial.pause - timing.pause) < PAUSE_TOLERANCE)


def measure_guards(history: RunHistory, timing: WindowTiming, plan: MeasurementPlan, begun: int) -> tuple[GuardMetric, ...]:
    """The time per tick and the share of clean ticks around an experiment that began at `begun` (ns UTC); () where the store cannot be read."""
    begin = begun - round(timing.before * SECOND)
    since = begin - round(plan.lookback * SECOND)
    try:
        at, ms, clean = history.ticks(since)
        spans = busy_spans(history, plan, since)
    except StoreError as error:
        LOG.info("the guard metrics were not measured: %s", error)
        return ()
    parts = split_window(at, begun, timing)
    guards = []
    for name, values, worse in ((LATENCY_METRIC, ms, 1), (CLEAN_RATE_METRIC, clean, -1)):
        before, after = (float(values[part].mean()) if part.stop > part.start else np.nan for part in parts)
        idle = draw_windows(at[at < begin], values[at < begin], spans, timing, plan, np.random.default_rng([begun]))
        smallest = harm.MIN_SCALE_CLEAN if name == CLEAN_RATE_METRIC else harm.MIN_SCALE * abs(before)
        guards.append(GuardMetric(name, before, after, idle.change, worse, smallest))
    return tuple(guards)


def busy_spans(history: RunHistory, plan: MeasurementPlan, since: int) -> tuple[tuple[int, int], ...]:
    """Spans (ns UTC) round the runs since then in which their effect may still show: no idle window may touch them."""
    rest = round((plan.after + plan.rest) * SECOND)
    return tuple((begin, begin + round(seconds * SECOND) + rest) for begin, seconds in history.runs(since - rest))
