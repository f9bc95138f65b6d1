"""Runs an action by hand: one at a time, measured before and after, and judged at once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np

from engine.discover import discover
from engine.domain.ports import Clock
from engine.domain.record import Floats, Ints
from engine.domain.tuning import Action, Effect, Levers, Measured, Reading, Room, Trial
from engine.optimizer.judge import judge
from engine.optimizer.windows import SECOND, Plan, drawn
from engine.shell.no_engine import NoEngine
from engine.store.errors import StoreFailed

Tell = Callable[[float, str], None]  # progress 0..1 and a word
ACTING = 0.3  # share of the progress that is the action's own; the rest is measuring
TURN = Lock()  # one action at a time in this process, whoever asks


class ActionError(RuntimeError):
    """An action did not do its work: one line with what and why."""


class Ledger(Protocol):
    """The writing side of the store, as far as a run needs it."""

    def tune(self) -> Measured: ...

    def save_trial(self, trial: Trial) -> int: ...


class History(Protocol):
    """The reading side."""

    def readings(self, source: str, name: str, since: int) -> tuple[Ints, Floats]: ...

    def runs(self, since: int) -> tuple[tuple[int, float], ...]: ...


class Readings(Protocol):
    def read(self) -> tuple[Reading, ...]: ...


class Stop(Protocol):
    def wait(self, timeout: float | None = None) -> bool: ...

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Run:
    """One run under way: all it may use."""

    action: Action
    writer: Ledger
    past: History
    probes: Readings
    home: Path
    clock: Clock
    stop: Stop
    tell: Tell
    plan: Plan
    levers: Levers

    @property
    def metric(self) -> tuple[str, str]:
        source, _, name = self.action.cures.partition(".")
        return source, name


def actions() -> dict[str, Action]:
    """Every action there is, by name."""
    return {action.name: action for action in discover("engine.actions", "ACTION")}


def run_action(
    name: str,
    *,
    dry_run: bool,
    writer: Ledger,
    past: History,
    probes: Readings,
    home: Path,
    clock: Clock,
    stop: Stop,
    tell: Tell,
    by: str = "",
    reason: str = "",
    plan: Plan | None = None,
    levers: Levers | None = None,
    known: Mapping[str, Action] | None = None,
) -> dict[str, object]:
    """Runs an action and gives what it did, as JSON: its direct effect and, apart from it, the effect on the metric it should cure.

    Takes the action's own time and then plan.after seconds, so it belongs in a thread of its own; another run waits for its turn. Raises ActionError
    in one line where the action is unknown, fails, or `stop` is set before its turn. A dry run, and a run that found nothing to do, are no trials.
    """
    action = _named(name, actions() if known is None else known)
    run = Run(action, writer, past, probes, home, clock, stop, tell, plan or Plan(), levers or NoEngine())
    tell(0.0, "waiting for its turn")
    while not TURN.acquire(timeout=0.2):
        if stop.is_set():
            raise ActionError(f"{name} was not run: the engine is stopping")
    try:
        return _run(run, dry_run=dry_run, by=by, reason=reason)
    finally:
        TURN.release()


def _run(run: Run, *, dry_run: bool, by: str, reason: str) -> dict[str, object]:
    if dry_run:
        measured, _ = act(run, dry_run=True)
        return _told(run.action, measured, "dry run")
    begun, unit, before = _before(run)
    measured, seconds = act(run, dry_run=False)
    if not measured.done:
        return _told(run.action, measured, "declined")
    after = _after(run)
    starts, idle = _idle(run, begun, seconds)
    effect = judge(before, after, idle, run.action.better)
    trial = Trial(
        begun, run.action.name, "by hand", "manual", False, run.action.cures, unit, effect,
        False, measured.amount, measured.unit, measured.detail, by, reason, seconds, compared=_compared(run.plan, starts),
    )  # fmt: skip
    try:
        number = run.writer.save_trial(trial)
    except StoreFailed as error:
        raise ActionError(f"{run.action.name}: {measured.detail}; but the run could not be recorded: {error}") from error
    run.tell(1.0, effect.verdict)
    return _told(run.action, measured, "done") | {"trial": number, "seconds": seconds, "metric_unit": unit} | _figures(effect)


def _named(name: str, known: Mapping[str, Action]) -> Action:
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}" if near else f"there are {', '.join(sorted(known))}"
    raise ActionError(f"no action is called {name!r}: {meant}")


def act(run: Run, *, dry_run: bool) -> tuple[Measured, float]:
    """What the action measured, and the seconds it took."""

    def tell(progress: float, word: str) -> None:
        run.tell(ACTING * progress, word)

    room = Room(run.home, run.home / "tmp", run.writer.tune, tell, dry_run, run.clock.now(), run.levers)
    begun = run.clock.tick()
    try:
        measured = run.action.do(room)
    except (OSError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError, TypeError, MemoryError, StoreFailed) as error:
        raise ActionError(f"{run.action.name} failed: {' '.join(str(error).split()) or type(error).__name__}") from error
    return measured, run.clock.tick() - begun


def _sample(run: Run) -> tuple[float, str]:
    """The metric now and its unit; NaN where it is not told."""
    for reading in run.probes.read():
        if (reading.source, reading.name) == run.metric:
            return reading.value, reading.unit
    return math.nan, ""


def _before(run: Run) -> tuple[int, str, Floats]:
    """When the run begins (ns), the metric's unit, and its samples up to now: those kept and a fresh one."""
    now = run.clock.now()
    try:
        kept = run.past.readings(*run.metric, now - round(run.plan.before * SECOND))[1]
    except StoreFailed:  # the fresh one stands alone
        kept = np.empty(0)
    fresh, unit = _sample(run)
    return now, unit, np.append(kept, fresh)


def _after(run: Run) -> Floats:
    """Samples of the metric for plan.after seconds from now; none where the engine stops meanwhile, for a shorter window would not compare."""
    samples: list[float] = []
    begun = run.clock.tick()
    while (gone := run.clock.tick() - begun) < run.plan.after:
        run.tell(ACTING + (1 - ACTING) * gone / run.plan.after, f"measuring what came of it, {run.plan.after - gone:.0f} s left")
        if run.stop.wait(min(run.plan.step, run.plan.after - gone)):
            return np.empty(0)
        samples.append(_sample(run)[0])
    return np.array(samples)


def _idle(run: Run, begun: int, seconds: float) -> tuple[Ints, Floats]:
    """(W,) beginnings and (W,) differences of idle windows before the run, as far back as samples are kept; the run's own beginning is the seed."""
    since, rest = begun - round(run.plan.lookback * SECOND), round((run.plan.after + run.plan.rest) * SECOND)
    try:
        at, values = run.past.readings(*run.metric, since)
        busy = tuple((start, start + round(took * SECOND) + rest) for start, took in run.past.runs(since - rest))
    except StoreFailed:
        return np.empty(0, dtype=np.int64), np.empty(0)
    earlier = at < begun - round(run.plan.before * SECOND)
    return drawn(at[earlier], values[earlier], busy, seconds, run.plan, np.random.default_rng([begun]))


def _compared(plan: Plan, starts: Ints) -> str:
    """The run's windows and when those it was compared with began, as the store keeps it."""
    return json.dumps({"before": plan.before, "after": plan.after, "starts": np.sort(starts).tolist()})


def _told(action: Action, measured: Measured, status: str) -> dict[str, object]:
    return {
        "action": action.name,
        "status": status,
        "detail": measured.detail,
        "amount": measured.amount,
        "unit": measured.unit,
        "metric": action.cures,
    }


def _figures(effect: Effect) -> dict[str, object]:
    """As JSON: what was not measured is null."""
    figures = {"before": effect.before, "after": effect.after, "effect": effect.effect, "low": effect.low, "high": effect.high}
    known: dict[str, object] = {name: figure if figure is not None and math.isfinite(figure) else None for name, figure in figures.items()}
    return known | {"windows": effect.windows, "verdict": effect.verdict}
