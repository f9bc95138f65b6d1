"""Runs an action by hand: one at a time, measured before and after, and judged at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np

from engine.domain.optimization import MANUAL, Action, ActionContext, ActionResult, Actuators, Effect, Reading, Trial, describe_comparison
from engine.domain.ports import Clock
from engine.domain.record import Floats, Ints
from engine.files.owned_folders import TEMPORARY
from engine.optimizer.ancova import estimate_adjusted_effect
from engine.optimizer.runtime.controls import RunHistory, find_controls, settling_seconds
from engine.optimizer.runtime.no_engine import NullActuators
from engine.optimizer.runtime.readings_buffer import ReadingsBuffer
from engine.optimizer.windows import SECOND, MeasurementPlan, WindowTiming, encode_windows, split_window
from engine.plugins import discover_plugins
from engine.service.clock import was_set
from engine.store.errors import StoreError

ReportProgress = Callable[[float, str], None]  # progress 0..1 and a word
ACTION_SHARE = 0.3  # share of the progress that is the action's own; the rest is measuring
EXPERIMENT_LOCK = Lock()  # one action at a time in this process, whoever asks


class ActionError(RuntimeError):
    """An action did not do its work: one line with what and why."""


class TrialLog(Protocol):
    """The writing side of the store, as far as a run needs it."""

    def tune(self) -> ActionResult: ...

    def save_trial(self, trial: Trial) -> int: ...


class ReadingSource(Protocol):
    def read(self) -> tuple[Reading, ...]: ...


class StopSignal(Protocol):
    def wait(self, timeout: float | None = None) -> bool: ...

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class ActionRun:
    """One run under way: all it may use."""

    action: Action
    writer: TrialLog
    past: RunHistory
    probes: ReadingSource
    home: Path
    clock: Clock
    stop: StopSignal
    tell: ReportProgress
    plan: MeasurementPlan
    levers: Actuators
    recent: ReadingsBuffer | None = None  # the readings in memory, where an engine runs


def load_actions() -> dict[str, Action]:
    """Every action there is, by name."""
    return {action.name: action for action in discover_plugins("engine.actions", "ACTION")}


def run_action(
    name: str,
    *,
    dry_run: bool,
    writer: TrialLog,
    past: RunHistory,
    probes: ReadingSource,
    home: Path,
    clock: Clock,
    stop: StopSignal,
    tell: ReportProgress,
    by: str = "",
    reason: str = "",
    plan: MeasurementPlan | None = None,
    levers: Actuators | None = None,
    known: Mapping[str, Action] | None = None,
    recent: ReadingsBuffer | None = None,
) -> dict[str, object]:
    """Runs an action and gives what it did, as JSON: its direct effect and, apart from it, how its metric went against comparable windows.

    Takes the action's own time, what the metric needs to show it, and then plan.after seconds, so it belongs in a thread of its own; another run
    waits for its turn. Raises ActionError in one line where the action is unknown, fails, or `stop` is set before its turn. A dry run, and a run
    that found nothing to do, are no trials.
    """
    action = _named(name, load_actions() if known is None else known)
    run = ActionRun(action, writer, past, probes, home, clock, stop, tell, plan or MeasurementPlan(), levers or NullActuators(), recent)
    tell(0.0, "waiting for its turn")
    while not EXPERIMENT_LOCK.acquire(timeout=0.2):
        if stop.is_set():
            raise ActionError(f"{name} was not run: the engine is stopping")
    try:
        return _run(run, dry_run=dry_run, by=by, reason=reason)
    finally:
        EXPERIMENT_LOCK.release()


def _run(run: ActionRun, *, dry_run: bool, by: str, reason: str) -> dict[str, object]:
    if dry_run:
        measured, _ = execute_action(run, dry_run=True)
        return _told(run.action, measured, "dry run")
    kept = _kept(run)
    fresh, unit = _sample(run)
    begun, clock = run.clock.now(), run.clock.tick()
    measured, seconds = execute_action(run, dry_run=False)
    if not measured.done:
        return _told(run.action, measured, "declined")
    timing = WindowTiming(run.plan.before, max(settling_seconds(run.action.metric, run.plan), seconds), run.plan.after)
    at, values = _joined(kept, fresh, _watched(run, clock + timing.pause, clock + timing.pause + timing.after))
    if was_set(run.clock, begun, clock):
        at, values = at[:0], values[:0]
    first, last = split_window(at, begun, timing)
    before, after = values[first], values[last]
    windows = find_controls(run.past, run.action.metric, timing, run.plan, begun, level=float(before[-1]) if len(before) else math.nan)
    effect = estimate_adjusted_effect(before, after, windows, run.action.better)
    trial = Trial(
        begun, run.action.name, "by hand", MANUAL, False, run.action.metric, unit, effect,
        False, measured.amount, measured.unit, measured.detail, by, reason, seconds, comparison=encode_windows(timing, timing.pause, windows.starts),
    )  # fmt: skip
    try:
        number = run.writer.save_trial(trial)
    except StoreError as error:
        raise ActionError(f"{run.action.name}: {measured.detail}; but the run could not be recorded: {error}") from error
    run.tell(1.0, describe_comparison(effect.verdict))
    return _verdict(effect) | _told(run.action, measured, "measured") | {"trial": number, "seconds": seconds, "metric_unit": unit} | _figures(effect)


def _named(name: str, known: Mapping[str, Action]) -> Action:
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}" if near else f"there are {', '.join(sorted(known))}"
    raise ActionError(f"no action is called {name!r}: {meant}")


def execute_action(run: ActionRun, *, dry_run: bool) -> tuple[ActionResult, float]:
    """What the action measured, and the seconds it took."""

    def tell(progress: float, word: str) -> None:
        run.tell(ACTION_SHARE * progress, word)

    room = ActionContext(run.home, run.home / TEMPORARY.name, run.writer.tune, tell, dry_run, run.clock.now(), run.levers)
    begun = run.clock.tick()
    try:
        measured = run.action.run(room)
    except (OSError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError, TypeError, MemoryError, StoreError) as error:
        raise ActionError(f"{run.action.name} failed: {' '.join(str(error).split()) or type(error).__name__}") from error
    return measured, run.clock.tick() - begun


def _sample(run: ActionRun) -> tuple[Reading | None, str]:
    """The metric now and its unit; None where it is not told."""
    for reading in run.probes.read():
        if f"{reading.source}.{reading.name}" == run.action.metric:
            return reading, reading.unit
    return None, ""


def _kept(run: ActionRun) -> tuple[Ints, Floats]:
    """The metric's samples before the run: those in memory where the engine has them, for the store lags a few seconds, else those stored."""
    now, span = run.clock.now(), round(run.plan.before * SECOND)
    if run.recent is not None:
        return run.recent.series(run.action.metric, now - span, now + 1)
    source, _, name = run.action.metric.partition(".")
    try:
        return run.past.readings(source, name, now - span)
    except StoreError:  # the fresh one stands alone
        return np.empty(0, dtype=np.int64), np.empty(0)


def _watched(run: ActionRun, resumed: float, over: float) -> list[Reading | None]:
    """Samples of the metric from the end of the pause to the end of the span after it (s of the clock's tick); none where the engine stops meanwhile,
    for a shorter span would not compare."""
    samples: list[Reading | None] = []
    begun = run.clock.tick()
    while (left := over - run.clock.tick()) > 0.0:
        run.tell(ACTION_SHARE + (1 - ACTION_SHARE) * (1.0 - left / (over - begun)), f"measuring what came of it, {left:.0f} s left")
        waits = resumed - run.clock.tick()
        if run.stop.wait(min(run.plan.step, waits if waits > 0.0 else left)):
            return []
        samples.append(_sample(run)[0])
    return samples


def _joined(kept: tuple[Ints, Floats], fresh: Reading | None, watched: Sequence[Reading | None]) -> tuple[Ints, Floats]:
    """All samples round the run, each moment once."""
    told = [reading for reading in (fresh, *watched) if reading is not None]
    at = np.append(kept[0], np.array([reading.at for reading in told], dtype=np.int64))
    at, place = np.unique(at, return_index=True)
    return at, np.append(kept[1], [reading.value for reading in told])[place]


def _told(action: Action, measured: ActionResult, status: str) -> dict[str, object]:
    return {
        "action": action.name,
        "status": status,
        "detail": measured.detail,
        "amount": measured.amount,
        "unit": measured.unit,
        "metric": action.metric,
    }


def _figures(effect: Effect) -> dict[str, object]:
    """As JSON: what was not measured is null."""
    figures = {"before": effect.before, "after": effect.after, "effect": effect.effect, "low": effect.low, "high": effect.high}
    known: dict[str, object] = {name: figure if figure is not None and math.isfinite(figure) else None for name, figure in figures.items()}
    return known | {"windows": effect.windows}


def _verdict(effect: Effect) -> dict[str, object]:
    """What it came to, told before anything else."""
    return {"verdict": effect.verdict, "comparison": describe_comparison(effect.verdict)}
