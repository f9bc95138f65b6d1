"""What a trial is compared with: idle windows of its metric, and what must not suffer."""

from __future__ import annotations

import math

import numpy as np

from engine.domain.record import Floats
from engine.optimizer import harm
from engine.optimizer.windows import SECOND, drawn
from engine.shell.logs import LOG
from engine.shell.trial_tools import Tools, Window
from engine.store.errors import StoreFailed
from engine.store.optimizer_past import HONEST, LATENCY

# s after a run until the metric can show it: it is taken over so long, or looked at so seldom
SETTLES = {
    "engine.temp_bytes": 65.0, "engine.log_bytes": 65.0, "engine.errors_last_minute": 60.0, "host.cpu_pressure_percent": 10.0,
    "host.memory_pressure_percent": 10.0, "host.io_pressure_percent": 10.0, "container.cpu_pressure_percent": 10.0,
    "container.memory_pressure_percent": 10.0, "container.io_pressure_percent": 10.0,
}  # fmt: skip

Guards = dict[str, tuple[float, float, Floats, int]]


def idle(tools: Tools, metric: str) -> Floats:
    """(W,) differences of idle windows of the last day, as far back as samples are kept."""
    now = tools.clock.now()
    source, _, name = metric.partition(".")
    try:
        at, values = tools.past.readings(source, name, now - round(tools.plan.lookback * SECOND))
        taken = busy(tools, now - round(tools.plan.lookback * SECOND))
    except StoreFailed:
        return np.empty(0)
    return drawn(at, values, taken, SETTLES.get(metric, 0.0), tools.plan, np.random.default_rng([now]))[1]


def busy(tools: Tools, since: int) -> tuple[tuple[int, int], ...]:
    """Spans round the runs since then, in which their effect may be seen."""
    rest = round((tools.plan.after + tools.plan.rest) * SECOND)
    return tuple((start, start + round(took * SECOND) + rest) for start, took in tools.past.runs(since - rest))


def guards_of(tools: Tools, window: Window) -> Guards:
    """By what must not suffer: before, after, the same difference in idle windows (W,), and the side that is harm."""
    if not len(window.after):
        return {}
    begin = window.begun - round(tools.plan.before * SECOND)
    resumed = window.begun + round(window.pause * SECOND)
    try:
        at, ms, honest = tools.past.ticks(begin - round(tools.plan.lookback * SECOND))
        taken = busy(tools, begin)
    except StoreFailed as error:
        LOG.info("what must not suffer was not measured: %s", error)
        return {}
    found = {}
    for name, values, worse in ((LATENCY, ms, 1), (HONEST, honest, -1)):
        inside = values[(at >= begin) & (at < window.begun)], values[at >= resumed]
        before, after = (float(part.mean()) if len(part) else math.nan for part in inside)
        usual = drawn(at[at < begin], values[at < begin], taken, window.pause, tools.plan, np.random.default_rng([window.begun]))[1]
        found[name] = before, after, usual, worse
    return found


def harm_of(window: Window, usual: Floats, guards: Guards) -> str | None:
    before = float(np.abs(window.before.mean())) if len(window.before) else 0.0
    if harm.is_far_worse(window.change, usual, -window.better, harm.SMALLEST * before):
        return f"{window.metric} moved by {window.change:+.4g} {window.unit}, far outside {len(usual)} windows without it"
    for name, (first, last, idle, worse) in guards.items():
        smallest = harm.HONEST_SMALLEST if name == HONEST else harm.SMALLEST * abs(first)
        if harm.is_far_worse(last - first, idle, worse, smallest):
            return f"{name} moved by {last - first:+.4g}, far outside {len(idle)} idle windows"
    return None
