"""What an experiment is compared with: windows of its metric in which nothing was done, cut with its own timing."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from engine.domain.record import Floats, Ints
from engine.optimizer.windows import SECOND, ControlWindows, MeasurementPlan, WindowTiming, draw_windows, match_windows
from engine.service.logging import LOG
from engine.store.errors import StoreError

# s after a run until the metric can show it: it is taken over so long, or looked at so seldom
SETTLING_SECONDS = {
    "engine.temp_bytes": 65.0, "engine.log_bytes": 65.0, "engine.errors_last_minute": 60.0, "host.cpu_pressure_percent": 10.0,
    "host.memory_pressure_percent": 10.0, "host.io_pressure_percent": 10.0, "container.cpu_pressure_percent": 10.0,
    "container.memory_pressure_percent": 10.0, "container.io_pressure_percent": 10.0,
}  # fmt: skip


class RunHistory(Protocol):
    """The reading side of the store, as far as windows are drawn from it."""

    def readings(self, source: str, name: str, since: int) -> tuple[Ints, Floats]: ...

    def runs(self, since: int) -> tuple[tuple[int, float], ...]: ...


def settling_seconds(metric: str, plan: MeasurementPlan) -> float:
    """Seconds until a metric can show an effect."""
    return min(SETTLING_SECONDS.get(metric, 0.0), plan.longest_settling)


def find_controls(
    past: RunHistory, metric: str, timing: WindowTiming, plan: MeasurementPlan, begin: int, *, level: float | None = None
) -> ControlWindows:
    """Windows of the last day before `begin` (ns), as far as samples are kept: drawn at random, or those nearest to a level where it is given."""
    source, _, name = metric.partition(".")
    since = begin - round(plan.lookback * SECOND)
    try:
        (at, values), spans = past.readings(source, name, since), busy_spans(past, plan, since)
    except StoreError as error:
        LOG.info("there is nothing to compare with: %s", error)
        at, values, spans = np.empty(0, dtype=np.int64), np.empty(0), ()
    earlier = at < begin - round(timing.before * SECOND)
    if level is not None:
        return match_windows(at[earlier], values[earlier], spans, timing, plan, level)
    return draw_windows(at[earlier], values[earlier], spans, timing, plan, np.random.default_rng([begin]))


def busy_spans(past: RunHistory, plan: MeasurementPlan, since: int) -> tuple[tuple[int, int], ...]:
    """Spans round the runs since then, in which their effect may be seen."""
    rest = round((plan.after + plan.rest) * SECOND)
    return tuple((start, start + round(took * SECOND) + rest) for start, took in past.runs(since - rest))
