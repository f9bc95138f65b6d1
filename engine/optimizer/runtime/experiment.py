"""One experiment: an action is run, or withheld, and its metric is measured before and after, judged, and recorded.

Automatic runs, manual runs and control windows are the same experiment with another design.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from threading import Lock

import numpy as np

from engine import units
from engine.domain.optimization import MANUAL, Action, ActionContext, ActionResult, Effect, Trial, describe_comparison
from engine.domain.record import Floats
from engine.domain.rules import BY_HAND
from engine.files.owned_folders import TEMPORARY
from engine.optimizer import harm
from engine.optimizer.ancova import estimate_adjusted_effect
from engine.optimizer.randomisation_test import HARMED, NOT_ENOUGH_DATA, estimate_effect
from engine.optimizer.runtime.controls import GuardMetric, find_controls, measure_guards, settling_seconds, withheld
from engine.optimizer.runtime.ports import ExperimentParts
from engine.optimizer.runtime.samples import BufferedSamples, ProbedSamples, Samples
from engine.optimizer.states import EXPERIMENT_TRANSITIONS, ExperimentState, advance_state
from engine.optimizer.windows import SECOND, WindowTiming, encode_windows, split_window
from engine.plugins import discover_plugins
from engine.service.clock import was_set
from engine.service.logging import LOG
from engine.store.errors import StoreError
from engine.store.read.optimizer_history import FinishedTrial
from engine.store.write.optimizer import TRIAL_RUNNING

ReportProgress = Callable[[float, str], None]  # progress 0..1 and a word
ACTION_SHARE = 0.3  # of the progress; the rest is measuring
EXPERIMENT_LOCK = Lock()  # one experiment at a time in this process


class ActionError(RuntimeError):
    """An action did not do its work: one line with what and why."""


@dataclass(frozen=True, slots=True)
class ExperimentDesign:
    """All that is fixed before an experiment begins."""

    action: Action
    metric: str  # "source.name"
    better: int  # -1 where a fall of the metric is a cure
    treated: bool  # False: a control window, in which the action is withheld
    mode: str  # AUTO or MANUAL
    trigger: str
    by: str
    reason: str
    pause: float  # s between the span before and the span after; longer only where the action takes longer
    min_samples: int = 0  # in either span, with fewer it is not measured
    probability: float | None = None  # with which it is treated; None for a manual run
    earlier: tuple[FinishedTrial, ...] = ()  # finished trials of the action on the metric


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """The outcome of an experiment. `trial` is None where the action had nothing to do."""

    action: Action
    direct: ActionResult  # the action's own report
    seconds: float  # it took
    trial: Trial | None = None
    number: int | None = None  # of the trial in the store
    harm: str | None = None  # the proof of it
    failed: str | None = None  # the error that the action raised


class Experiment:
    """A state machine that is run once, in a thread of its own: it takes as long as its window."""

    def __init__(self, design: ExperimentDesign, parts: ExperimentParts, samples: Samples, report_progress: ReportProgress) -> None:
        self._design, self._parts, self._samples, self._report_progress = design, parts, samples, report_progress
        self.state = ExperimentState.PLANNED
        self._at, self._tick = parts.clock.now(), parts.clock.tick()
        self._timing = WindowTiming(parts.plan.before, design.pause, parts.plan.after)
        self._direct = ActionResult(0.0, "", "control window", done=False)
        self._seconds = 0.0
        self._failed: str | None = None
        self._harm: str | None = None
        self._before = self._after = np.empty(0)
        self._trial = self._blank()
        self._number: int | None = None

    def run(self) -> ExperimentResult:
        """Raises StoreError where it cannot be recorded, and ActionError where the action of a manual run fails; nothing is judged then."""
        with self._row():
            self._act()
            if self.state is not ExperimentState.DECLINED:
                self._measure(whole=self._observe())
                self._trial = self._judge()
                self._advance(ExperimentState.RECORDED)
        trial = self._trial if self.state is ExperimentState.RECORDED else None
        return ExperimentResult(self._design.action, self._direct, self._seconds, trial, self._number, self._harm, self._failed)

    def _advance(self, state: ExperimentState) -> None:
        self.state = advance_state(EXPERIMENT_TRANSITIONS, self.state, state)

    @contextmanager
    def _row(self) -> Iterator[None]:
        """Store the trial: an automatic one from its first moment, so that a kill in the middle leaves a row that says so."""
        writer = self._parts.writer
        if self._design.mode == MANUAL:
            yield
            if self.state is ExperimentState.RECORDED:
                self._number = self._save_manual()
            return
        self._number = writer.save_trial(self._trial)
        self._trial = replace(self._trial, detail="cut short: the log has the reason")
        try:
            yield
        finally:
            writer.finish_trial(self._number, self._trial)

    def _save_manual(self) -> int:
        try:
            return self._parts.writer.save_trial(self._trial)
        except StoreError as error:
            raise ActionError(f"{self._design.action.name}: {self._direct.detail}; but the run could not be recorded: {error}") from error

    def _blank(self) -> Trial:
        design = self._design
        nothing = Effect(math.nan, math.nan, math.nan, None, None, 0, NOT_ENOUGH_DATA)
        return Trial(
            self._at, design.action.name, design.trigger, design.mode, not design.treated, design.metric, self._samples.unit, nothing, False, 0.0, "",
            TRIAL_RUNNING, design.by, design.reason, 0.0, probability=design.probability,
        )  # fmt: skip

    def _act(self) -> None:
        design, clock = self._design, self._parts.clock
        if not design.treated:
            return
        self._advance(ExperimentState.ACTING)
        begun = clock.tick()
        try:
            self._direct = execute_action(self._parts, design.action, self._report_progress)
        except ActionError as error:
            if design.mode == MANUAL:
                self._advance(ExperimentState.FAILED)
                raise
            self._failed = str(error)  # the window is measured all the same: the coin has fallen
            self._direct = ActionResult(0.0, "", self._failed, done=False)
            LOG.warning("%s", error)
        self._seconds = clock.tick() - begun
        if design.mode == MANUAL and not self._direct.done:
            self._advance(ExperimentState.DECLINED)

    def _observe(self) -> bool:
        """Wait for the pause and for the span after it; False where the engine stops meanwhile, for a shorter span would not compare."""
        clock, plan = self._parts.clock, self._parts.plan
        begun = clock.tick()
        self._timing = WindowTiming(plan.before, max(self._design.pause, begun - self._tick), plan.after)
        resumed = self._tick + self._timing.pause
        over = resumed + plan.after
        self._advance(ExperimentState.SETTLING)
        while (left := over - clock.tick()) > 0.0:
            share = ACTION_SHARE + (1 - ACTION_SHARE) * (1.0 - left / (over - begun))
            self._report_progress(share, f"measuring the effect, {units.format_age(left)} left")
            settles = resumed - clock.tick()
            if settles <= 0.0 and self.state is ExperimentState.SETTLING:
                self._advance(ExperimentState.OBSERVING)
            if self._parts.stop.wait(min(plan.step, settles if settles > 0.0 else left)):
                return False
            self._samples.take()
        return True

    def _measure(self, *, whole: bool) -> None:
        """The samples before and after; none across a clock that was set."""
        if was_set(self._parts.clock, self._at, self._tick):
            return
        begin = self._at - round(self._timing.before * SECOND)
        at, values = self._samples.series(begin, begin + self._timing.length + 1)
        first, last = split_window(at, self._at, self._timing)
        before, after = values[first], values[last] if whole else np.empty(0)
        if min(len(before), len(after)) >= self._design.min_samples:
            self._before, self._after = before, after

    @property
    def _change(self) -> float:
        return float(self._after.mean() - self._before.mean()) if len(self._before) and len(self._after) else math.nan

    def _judge(self) -> Trial:
        self._advance(ExperimentState.JUDGING)
        return self._judge_manual() if self._design.mode == MANUAL else self._judge_automatic()

    def _judge_manual(self) -> Trial:
        """Against idle windows that began at a comparable level."""
        design, timing, direct = self._design, self._timing, self._direct
        level = float(self._before[-1]) if len(self._before) else math.nan
        windows = find_controls(self._parts.history, design.metric, timing, self._parts.plan, self._at, level=level)
        effect = estimate_adjusted_effect(self._before, self._after, windows, design.better)
        return replace(
            self._trial, effect=effect, amount=direct.amount, amount_unit=direct.unit, detail=direct.detail, seconds=self._seconds,
            comparison=encode_windows(timing, timing.pause, windows.starts),
        )  # fmt: skip

    def _judge_automatic(self) -> Trial:
        """Against windows of this action and metric in which a coin withheld it; for harm against idle windows too."""
        design, timing, direct = self._design, self._timing, self._direct
        alike = withheld(design.earlier, timing)
        others = np.array([trial.outcome.change for trial in alike])
        measured = design.treated and len(self._after) > 0
        idle = find_controls(self._parts.history, design.metric, timing, self._parts.plan, self._at).change if measured else np.empty(0)
        guards = measure_guards(self._parts.history, timing, self._parts.plan, self._at) if len(self._after) else ()
        undone = False
        effect = estimate_effect(self._before, self._after, others, design.better)
        if not design.treated:
            effect, alike = replace(effect, effect=math.nan, low=None, high=None, windows=0, verdict=NOT_ENOUGH_DATA), ()
        elif (proof := self._find_harm(np.append(idle, others), guards)) is not None:
            self._advance(ExperimentState.UNDOING)
            self._harm, undone = proof, undo_action(self._parts, design.action)
            effect = replace(estimate_effect(self._before, self._after, idle, design.better), verdict=HARMED)
        starts = np.array([trial.at - round(timing.before * SECOND) for trial in alike], dtype=np.int64)
        suffered = {guard.name: [guard.before, guard.after] for guard in guards if math.isfinite(guard.change)}
        return replace(
            self._trial, effect=effect, undone=undone, amount=direct.amount, amount_unit=direct.unit, detail=self._describe(),
            seconds=self._seconds, guards=json.dumps(suffered), comparison=encode_windows(timing, design.pause, starts),
        )  # fmt: skip

    def _find_harm(self, usual: Floats, guards: Sequence[GuardMetric]) -> str | None:
        """The metric that got far worse than in any window without the action; None where none did."""
        design = self._design
        before = float(np.abs(self._before.mean())) if len(self._before) else 0.0
        if harm.is_far_worse(self._change, usual, -design.better, harm.MIN_SCALE * before):
            moved = units.format_reading(self._change, self._samples.unit, signed=True)
            return f"{design.metric} moved by {moved}, far outside {len(usual)} windows without it"
        for guard in guards:
            if harm.is_far_worse(guard.change, guard.controls, guard.worse, guard.smallest):
                return f"{guard.name} moved by {guard.change:+.4g}, far outside {len(guard.controls)} idle windows"
        return None

    def _describe(self) -> str:
        pause = self._design.pause
        notes = [self._direct.detail]
        if not math.isfinite(self._change):
            notes.append("not measured: the engine stopped, the clock was set or the metric had no samples")
        elif self._seconds > pause:
            took, limit = units.format_duration(self._seconds), units.format_duration(pause)
            notes.append(f"it took {took}, longer than the pause of {limit}, so it is not pooled with the others")
        if self._harm is not None:
            notes.append(f"harmed: {self._harm}")
        return "; ".join(notes)


def execute_action(parts: ExperimentParts, action: Action, report_progress: ReportProgress, *, dry_run: bool = False) -> ActionResult:
    """Run an action; its own report. Raises ActionError in one line where it fails."""

    def report_share(progress: float, word: str) -> None:
        report_progress(ACTION_SHARE * progress, word)

    context = ActionContext(parts.home, parts.home / TEMPORARY.name, parts.writer.tune, report_share, dry_run, parts.clock.now(), parts.actuators)
    try:
        return action.run(context)
    except (OSError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError, TypeError, MemoryError, StoreError) as error:
        raise ActionError(f"{action.name} failed: {' '.join(str(error).split()) or type(error).__name__}") from error


def undo_action(parts: ExperimentParts, action: Action) -> bool:
    """Take an action's last run back where it knows how; whether it was."""
    if action.undo is None:
        return False
    try:
        return execute_action(parts, replace(action, run=action.undo), lambda _share, _word: None).done
    except ActionError as error:
        LOG.warning("%s was not undone: %s", action.name, error)
        return False


def load_actions() -> dict[str, Action]:
    """Every action there is, by name."""
    return {action.name: action for action in discover_plugins("engine.actions", "ACTION")}


def run_experiment(
    design: ExperimentDesign, parts: ExperimentParts, report_progress: ReportProgress = lambda _share, _word: None
) -> ExperimentResult:
    """Run an experiment from its design; the caller holds EXPERIMENT_LOCK."""
    samples: Samples
    if design.mode == MANUAL or parts.buffer is None:
        samples = ProbedSamples(parts, design.metric)
    else:
        samples = BufferedSamples(parts.buffer, design.metric, parts.clock.now() - round(parts.plan.before * SECOND))
    return Experiment(design, parts, samples, report_progress).run()


def run_action(
    name: str,
    parts: ExperimentParts,
    *,
    dry_run: bool,
    report_progress: ReportProgress,
    by: str = "",
    reason: str = "",
    known: Mapping[str, Action] | None = None,
) -> dict[str, object]:
    """Run an action on a person's request; the result as JSON: its direct effect and, separately, its metric's change against controls.

    Takes the action's own time, what the metric needs to show it, and then plan.after seconds, so it belongs in a thread of its own; another
    experiment waits for its turn. Raises ActionError in one line where the action is unknown, fails, or the engine stops before its turn. A dry run,
    and a run that had nothing to do, are no trials.
    """
    action = _find_action(name, load_actions() if known is None else known)
    report_progress(0.0, "waiting for its turn")
    while not EXPERIMENT_LOCK.acquire(timeout=0.2):
        if parts.stop.is_set():
            raise ActionError(f"{name} was not run: the engine is stopping")
    try:
        if dry_run:
            return _report_direct(action, execute_action(parts, action, report_progress, dry_run=True), "dry run")
        return _run_manual(action, parts, report_progress, by, reason)
    finally:
        EXPERIMENT_LOCK.release()


def _run_manual(action: Action, parts: ExperimentParts, report_progress: ReportProgress, by: str, reason: str) -> dict[str, object]:
    pause = settling_seconds(action.metric, parts.plan)
    design = ExperimentDesign(action, action.metric, action.better, True, MANUAL, BY_HAND, by, reason, pause)
    result = run_experiment(design, parts, report_progress)
    if result.trial is None:
        return _report_direct(action, result.direct, "declined")
    effect = result.trial.effect
    report_progress(1.0, describe_comparison(effect.verdict))
    verdict = {"verdict": effect.verdict, "comparison": describe_comparison(effect.verdict)}
    rest = {"trial": result.number, "seconds": result.seconds, "metric_unit": result.trial.unit}
    return verdict | _report_direct(action, result.direct, "measured") | rest | _report_figures(effect)


def _find_action(name: str, known: Mapping[str, Action]) -> Action:
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    remedy = f"did you mean {near[0]}" if near else f"there are {', '.join(sorted(known))}"
    raise ActionError(f"no action is called {name!r}: {remedy}")


def _report_direct(action: Action, direct: ActionResult, status: str) -> dict[str, object]:
    return {
        "action": action.name, "status": status, "detail": direct.detail, "amount": direct.amount, "unit": direct.unit, "metric": action.metric
    }  # fmt: skip


def _report_figures(effect: Effect) -> dict[str, object]:
    """As JSON: what was not measured is null."""
    figures = {"before": effect.before, "after": effect.after, "effect": effect.effect, "low": effect.low, "high": effect.high}
    known: dict[str, object] = {name: figure if figure is not None and math.isfinite(figure) else None for name, figure in figures.items()}
    return known | {"windows": effect.windows}
