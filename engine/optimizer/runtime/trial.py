"""One answer to a rule that fired: the action or, by a coin of known chance, nothing; measured alike, and kept whatever happens."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from engine.domain.optimization import Action, ActionResult, Effect, Trial
from engine.domain.record import Floats
from engine.domain.rules import AUTO, Rule
from engine.optimizer import harm
from engine.optimizer.planner import make_generator, treatment_probability, why_not_quiet
from engine.optimizer.randomisation_test import HARMED, NOT_ENOUGH_DATA, estimate_effect
from engine.optimizer.runtime.controls import busy_spans, find_controls, settling_seconds
from engine.optimizer.runtime.experiment import EXPERIMENT_LOCK, ActionError, ActionRun, execute_action
from engine.optimizer.runtime.trial_tools import ExperimentParts, ExperimentResult, TrialWindow, TriggeredCase
from engine.optimizer.windows import SECOND, WindowTiming, choose_pause, draw_windows, encode_windows, split_window
from engine.service.clock import was_set
from engine.service.logging import LOG
from engine.store.errors import StoreError
from engine.store.read.optimizer_history import CLEAN_RATE_METRIC, LATENCY_METRIC, FinishedTrial
from engine.store.write.optimizer import TRIAL_RUNNING

PAUSE_TOLERANCE = 0.5  # s by which the pauses of windows that are compared may differ
GuardMetrics = dict[str, tuple[float, float, Floats, int]]
QUIET_SECONDS = 30.0  # a costly action waits for a quiet slot


def target_metric(rule: Rule, action: Action) -> tuple[str, int]:
    """The metric a trial is judged on and the side that is a cure: the one that fired; the action's own where there is none."""
    return (rule.metric, -1 if rule.above else 1) if rule.metric else (action.metric, action.better)


def run_trial(
    tools: ExperimentParts, case: TriggeredCase, ready: tuple[Action, ...], tried: Callable[[str], dict[str, tuple[FinishedTrial, ...]]]
) -> ExperimentResult | None:
    """Answers with the first action that has something to do, or with nothing; None where another run is under way.

    Takes the windows' own time, so it belongs in a thread of its own. Raises StoreFailed where the trial cannot be kept: then nothing is done.
    """
    if not EXPERIMENT_LOCK.acquire(blocking=False):
        return None
    try:
        return _try_out(tools, case, ready, tried)
    finally:
        EXPERIMENT_LOCK.release()


def _try_out(
    tools: ExperimentParts, case: TriggeredCase, ready: tuple[Action, ...], tried: Callable[[str], dict[str, tuple[FinishedTrial, ...]]]
) -> ExperimentResult:
    left: list[str] = []
    for action in ready:
        metric, better = target_metric(case.rule, action)
        before = tried(metric).get(action.name, ())
        planned = choose_pause(settling_seconds(metric, tools.plan), action.cost, [one.seconds for one in before if one.outcome.treated])
        timing = WindowTiming(tools.plan.before, planned, tools.plan.after)
        idle = len(find_controls(tools.past, metric, timing, tools.plan, tools.clock.now()))
        if idle < harm.MIN_WINDOWS:
            left.append(f"{action.name} waits for {harm.MIN_WINDOWS} idle windows of {metric} to be judged by, there are {idle}")
            continue
        why = _unwilling(tools, action) or _loud(tools, action)
        if why is not None:
            left.append(f"{action.name}: {why}")
            continue
        chance = treatment_probability([one.outcome for one in before])
        treated = bool(make_generator(case.seed, case.rule.name, case.at, 1).random() < chance)
        return _trial(tools, case, TrialWindow(action, metric, better, before, treated, chance, planned, timing))
    return ExperimentResult(f"nothing was run: {'; '.join(left)}")


def _unwilling(tools: ExperimentParts, action: Action) -> str | None:
    """Why it has nothing to do, by a dry run; None where it has."""
    try:
        said = execute_action(_run(tools, action), dry_run=True)[0].detail
    except ActionError as error:
        return str(error)
    return None if said.startswith("dry run") else said


def _loud(tools: ExperimentParts, action: Action) -> str | None:
    """Waits for a quiet slot where the action is costly; why there was none."""
    if action.cost != "high":
        return None
    begun = tools.clock.tick()
    while (why := why_not_quiet(tools.slot())) is not None:
        if tools.clock.tick() - begun > QUIET_SECONDS or tools.stop.wait(0.1):
            return f"no quiet slot in {QUIET_SECONDS:.0f} s: {why}"
    return None


def _run(tools: ExperimentParts, action: Action) -> ActionRun:
    return ActionRun(
        action, tools.pen, tools.past, tools.probes, tools.home, tools.clock, tools.stop, lambda _share, _word: None, tools.plan, tools.levers
    )


def _trial(tools: ExperimentParts, case: TriggeredCase, window: TrialWindow) -> ExperimentResult:
    """Kept from its first moment, so that a kill in the middle leaves a trial that says so."""
    window.begun, begun = tools.clock.now(), tools.clock.tick()
    last = tools.recent.latest(window.metric, window.begun - round(window.timing.before * SECOND))
    window.unit = last.unit if last is not None else ""
    trial = _blank(case, window)
    number = tools.pen.save_trial(trial)
    closing = replace(trial, detail="it was cut short: the log has the reason")
    try:
        if window.treated:
            _treat(tools, window)
        if _wait(tools, window, begun) and not was_set(tools.clock, window.begun, begun):
            _measure(tools, window)
        ended = _judged(tools, window, trial)
        closing = ended.trial or closing
    finally:
        tools.pen.finish_trial(number, closing)
    return ended


def _blank(case: TriggeredCase, window: TrialWindow) -> Trial:
    nothing = Effect(math.nan, math.nan, math.nan, None, None, 0, NOT_ENOUGH_DATA)
    return Trial(
        window.begun, window.action.name, case.rule.name, AUTO, not window.treated, window.metric, window.unit, nothing, False, 0.0, "",
        TRIAL_RUNNING, "the optimizer", f"{case.rule.name} fired", 0.0, probability=window.chance,
    )  # fmt: skip


def _treat(tools: ExperimentParts, window: TrialWindow) -> None:
    begun = tools.clock.tick()
    try:
        window.measured, window.seconds = execute_action(_run(tools, window.action), dry_run=False)
    except ActionError as error:  # the window is measured all the same: the coin has fallen
        window.failed, window.seconds = str(error), tools.clock.tick() - begun
        LOG.warning("%s", error)


def _wait(tools: ExperimentParts, window: TrialWindow, begun: float) -> bool:
    """The pause that windows with and without the action have alike, then the span after it; False where the engine stops meanwhile."""
    if tools.stop.wait(max(0.0, window.planned - (tools.clock.tick() - begun))):
        return False
    window.timing = replace(window.timing, pause=max(window.planned, tools.clock.tick() - begun))
    over = begun + window.timing.pause + window.timing.after
    while (left := over - tools.clock.tick()) > 0.0:
        if tools.stop.wait(min(tools.plan.step, left)):
            return False
    return True


def _measure(tools: ExperimentParts, window: TrialWindow) -> None:
    begin = window.begun - round(window.timing.before * SECOND)
    at, values = tools.recent.series(window.metric, begin, begin + window.timing.length + 1)
    before, after = split_window(at, window.begun, window.timing)
    if min(before.stop - before.start, after.stop - after.start) >= tools.plan.fewest:
        window.before, window.after = values[before], values[after]


def _judged(tools: ExperimentParts, window: TrialWindow, trial: Trial) -> ExperimentResult:
    """The trial with its effect: against windows of this action and metric that a coin left out, and for harm against idle windows too."""
    alike = tuple(one for one in window.tried if not one.outcome.treated and abs(one.pause - window.timing.pause) < PAUSE_TOLERANCE)
    others = np.array([one.outcome.change for one in alike])
    measured = window.treated and len(window.after) > 0
    usual = find_controls(tools.past, window.metric, window.timing, tools.plan, window.begun).change if measured else np.empty(0)
    guards = _guards_of(tools, window)
    also = {name: [before, after] for name, (before, after, _, _) in guards.items() if math.isfinite(after - before)}
    harmed = _harm_of(window, np.append(usual, others), guards) if window.treated else None
    undone = undo_action(tools, window.action) if harmed is not None else False
    effect = estimate_effect(window.before, window.after, others, window.better)
    if not window.treated:
        effect = replace(effect, effect=math.nan, low=None, high=None, windows=0, verdict=NOT_ENOUGH_DATA)
    elif harmed is not None:
        effect = replace(estimate_effect(window.before, window.after, usual, window.better), verdict=HARMED)
    starts = np.array([one.at - round(window.timing.before * SECOND) for one in alike] if window.treated else [], dtype=np.int64)
    did = window.measured or ActionResult(0.0, "", window.failed or "nothing was done: a window to compare with", done=False)
    ended = replace(
        trial, effect=effect, undone=undone, amount=did.amount, amount_unit=did.unit, detail=_detail(did, harmed, window), seconds=window.seconds,
        guards=json.dumps(also), comparison=encode_windows(window.timing, window.planned, starts),
    )  # fmt: skip
    word = "was run" if window.treated else "was left out, to compare with"
    said = f"{window.action.name} {word} (chance {window.chance:.0%}): {ended.detail}"
    return ExperimentResult(said, ended, window.action, harmed, window.failed)


def _guards_of(tools: ExperimentParts, window: TrialWindow) -> GuardMetrics:
    """By what must not suffer: before, after, the same difference in idle windows (W,), and the side that is harm."""
    if not len(window.after):
        return {}
    begin = window.begun - round(window.timing.before * SECOND)
    try:
        at, ms, honest = tools.past.ticks(begin - round(tools.plan.lookback * SECOND))
        spans = busy_spans(tools.past, tools.plan, begin - round(tools.plan.lookback * SECOND))
    except StoreError as error:
        LOG.info("what must not suffer was not measured: %s", error)
        return {}
    found = {}
    first, last = split_window(at, window.begun, window.timing)
    for name, values, worse in ((LATENCY_METRIC, ms, 1), (CLEAN_RATE_METRIC, honest, -1)):
        before, after = (float(values[part].mean()) if part.stop > part.start else math.nan for part in (first, last))
        idle = draw_windows(at[at < begin], values[at < begin], spans, window.timing, tools.plan, np.random.default_rng([window.begun]))
        found[name] = before, after, idle.change, worse
    return found


def _harm_of(window: TrialWindow, usual: Floats, guards: GuardMetrics) -> str | None:
    """What got far worse than in any window without the action; None where nothing did."""
    before = float(np.abs(window.before.mean())) if len(window.before) else 0.0
    if harm.is_far_worse(window.change, usual, -window.better, harm.MIN_SCALE * before):
        return f"{window.metric} moved by {window.change:+.4g} {window.unit}, far outside {len(usual)} windows without it"
    for name, (first, last, idle, worse) in guards.items():
        smallest = harm.MIN_SCALE_CLEAN if name == CLEAN_RATE_METRIC else harm.MIN_SCALE * abs(first)
        if harm.is_far_worse(last - first, idle, worse, smallest):
            return f"{name} moved by {last - first:+.4g}, far outside {len(idle)} idle windows"
    return None


def _detail(did: ActionResult, harmed: str | None, window: TrialWindow) -> str:
    told = [did.detail]
    if not math.isfinite(window.change):
        told.append("the engine stopped, the clock was set or the metric was not told, so it was not measured")
    elif window.seconds > window.planned:
        told.append(f"it took {window.seconds:.0f} s, longer than the pause of {window.planned:.0f} s, so it does not count with the others")
    if harmed is not None:
        told.append(f"harmed: {harmed}")
    return "; ".join(told)


def undo_action(tools: ExperimentParts, action: Action) -> bool:
    """Takes an action's last run back where it knows how; whether it was."""
    if action.undo is None:
        return False
    try:
        return execute_action(replace(_run(tools, action), action=replace(action, run=action.undo)), dry_run=False)[0].done
    except ActionError as error:
        LOG.warning("it could not be undone: %s", error)
        return False
