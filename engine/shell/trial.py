"""One answer to a rule that fired: the action or, by a coin of known chance, nothing; measured alike, and kept whatever happens."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from engine.domain.judging import Outcome
from engine.domain.rules import AUTO, Rule
from engine.domain.tuning import Action, Effect, Measured, Trial
from engine.optimizer import harm
from engine.optimizer.judge import HARMED, UNKNOWN, judge
from engine.optimizer.planner import chance_of, dice, unquiet
from engine.optimizer.windows import SECOND
from engine.shell.beside import SETTLES, guards_of, harm_of, idle
from engine.shell.logs import LOG
from engine.shell.trial_tools import Case, Ended, Tools, Window
from engine.shell.tune import TURN, ActionError, Run, act
from engine.store.optimizer_past import HONEST, LATENCY, Tried
from engine.store.optimizer_rows import UNDER_WAY

QUIET_SECONDS = 30.0  # a costly action waits for a quiet slot


def target(rule: Rule, action: Action) -> tuple[str, int]:
    """The metric a trial is judged on and the side that is a cure: the one that fired; the action's own where there is none."""
    return (rule.metric, -1 if rule.above else 1) if rule.metric else (action.cures, action.better)


def try_out(tools: Tools, case: Case, ready: tuple[Action, ...], tried: Callable[[str], dict[str, tuple[Tried, ...]]]) -> Ended | None:
    """Answers with the first action that has something to do, or with nothing; None where another run is under way.

    Takes the windows' own time, so it belongs in a thread of its own. Raises StoreFailed where the trial cannot be kept: then nothing is done.
    """
    if not TURN.acquire(blocking=False):
        return None
    try:
        return _try_out(tools, case, ready, tried)
    finally:
        TURN.release()


def _try_out(tools: Tools, case: Case, ready: tuple[Action, ...], tried: Callable[[str], dict[str, tuple[Tried, ...]]]) -> Ended:
    left: list[str] = []
    for action in ready:
        metric, better = target(case.rule, action)
        before = tried(metric).get(action.name, ())
        usual = idle(tools, metric)
        if len(usual) < harm.FEWEST:
            left.append(f"{action.name} waits for {harm.FEWEST} idle windows of {metric} to be judged by, there are {len(usual)}")
            continue
        why = _unwilling(tools, action) or _loud(tools, action)
        if why is not None:
            left.append(f"{action.name}: {why}")
            continue
        chance = chance_of([one.outcome for one in before])
        treated = bool(dice(case.seed, case.rule.name, case.at, 1).random() < chance)
        took = [one.seconds for one in before if one.outcome.treated]
        pause = max(SETTLES.get(metric, 0.0), float(np.median(took)) if took else 0.0)
        return _trial(tools, case, Window(action, metric, better, usual, before, treated, chance, pause))
    return Ended(f"nothing was run: {'; '.join(left)}")


def _unwilling(tools: Tools, action: Action) -> str | None:
    """Why it has nothing to do, by a dry run; None where it has."""
    try:
        said = act(_run(tools, action), dry_run=True)[0].detail
    except ActionError as error:
        return str(error)
    return None if said.startswith("dry run") else said


def _loud(tools: Tools, action: Action) -> str | None:
    """Waits for a quiet slot where the action is costly; why there was none."""
    if action.cost != "high":
        return None
    begun = tools.clock.tick()
    while (why := unquiet(tools.slot())) is not None:
        if tools.clock.tick() - begun > QUIET_SECONDS or tools.stop.wait(0.1):
            return f"no quiet slot in {QUIET_SECONDS:.0f} s: {why}"
    return None


def _run(tools: Tools, action: Action) -> Run:
    return Run(action, tools.pen, tools.past, tools.probes, tools.home, tools.clock, tools.stop, lambda _share, _word: None, tools.plan, tools.levers)


def _trial(tools: Tools, case: Case, window: Window) -> Ended:
    """Kept from its first moment, so that a kill in the middle leaves a trial that says so."""
    now = tools.clock.now()
    window.begun = now
    window.before = tools.recent.series(window.metric, now - round(tools.plan.before * SECOND), now + 1)[1]
    last = tools.recent.last(window.metric, now - round(tools.plan.before * SECOND))
    window.unit = last.unit if last is not None else ""
    trial = _blank(case, window)
    number = tools.pen.save_trial(trial)
    closing = replace(trial, detail="it was cut short: the log has the reason")
    try:
        if window.treated:
            _treat(tools, window)
        _wait(tools, window)
        ended = _judged(tools, window, trial)
        closing = ended.trial or closing
    finally:
        tools.pen.finish_trial(number, closing)
    return ended


def _blank(case: Case, window: Window) -> Trial:
    nothing = Effect(math.nan, math.nan, math.nan, None, None, 0, UNKNOWN)
    return Trial(
        window.begun, window.action.name, case.rule.name, AUTO, not window.treated, window.metric, window.unit, nothing, False, 0.0, "",
        UNDER_WAY, "the optimizer", f"{case.rule.name} fired", 0.0, chance=window.chance,
    )  # fmt: skip


def _treat(tools: Tools, window: Window) -> None:
    begun = tools.clock.tick()
    try:
        window.measured, window.seconds = act(_run(tools, window.action), dry_run=False)
    except ActionError as error:  # the window is measured all the same: the coin has fallen
        window.failed, window.seconds = str(error), tools.clock.tick() - begun
        LOG.warning("%s", error)


def _wait(tools: Tools, window: Window) -> None:
    """The pause that windows with and without the action have alike, then the window after it; nothing where the engine stops meanwhile."""
    begun, plan = tools.clock.tick(), tools.plan
    if tools.stop.wait(max(0.0, window.pause - window.seconds)):
        return
    opened, since = tools.clock.now(), tools.clock.tick()
    while (gone := tools.clock.tick() - since) < plan.after:
        if tools.stop.wait(min(plan.step, plan.after - gone)):
            return
    window.pause = since - begun + (window.seconds if window.treated else 0.0)
    window.after = tools.recent.series(window.metric, opened, tools.clock.now() + 1)[1]


def _judged(tools: Tools, window: Window, trial: Trial) -> Ended:
    """The trial with its effect: against placebo windows of this action and metric, and for harm against idle windows too."""
    placebos = tuple(one for one in window.tried if not one.outcome.treated)
    others = np.array([one.outcome.change for one in placebos])
    guards = guards_of(tools, window)
    also = {name: [before, after] for name, (before, after, _, _) in guards.items() if math.isfinite(after - before)}
    latency, honest = (guards[name][1] - guards[name][0] if name in guards else math.nan for name in (LATENCY, HONEST))
    harmed = harm_of(window, np.append(window.usual, others), guards) if window.treated else None
    undone = undo(tools, window.action) if harmed is not None else False
    effect = judge(window.before, window.after, others, window.better)
    if not window.treated:
        effect = replace(effect, effect=math.nan, low=None, high=None, windows=0, verdict=UNKNOWN)
    elif harmed is not None:
        effect = replace(judge(window.before, window.after, window.usual, window.better), verdict=HARMED)
    starts = [one.at - round(tools.plan.before * SECOND) for one in placebos] if window.treated else []
    did = window.measured or Measured(0.0, "", window.failed or "nothing was done: a window to compare with", done=False)
    ended = replace(
        trial, effect=effect, undone=undone, amount=did.amount, amount_unit=did.unit, detail=_detail(did, harmed, window), seconds=window.seconds,
        also=json.dumps(also), compared=json.dumps({"before": tools.plan.before, "pause": window.pause, "after": tools.plan.after, "starts": starts}),
    )  # fmt: skip
    outcome = Outcome(window.treated, window.chance, window.change, latency, honest) if math.isfinite(window.change) else None
    word = "was run" if window.treated else "was left out, to compare with"
    said = f"{window.action.name} {word} (chance {window.chance:.0%}): {ended.detail}"
    return Ended(said, ended, window.action, outcome, harmed, window.failed)


def _detail(did: Measured, harmed: str | None, window: Window) -> str:
    told = [did.detail]
    if not math.isfinite(window.change):
        told.append("the engine stopped or the metric was not told, so it was not measured")
    if harmed is not None:
        told.append(f"harmed: {harmed}")
    return "; ".join(told)


def undo(tools: Tools, action: Action) -> bool:
    """Takes an action's last run back where it knows how; whether it was."""
    if action.undo is None:
        return False
    try:
        return act(replace(_run(tools, action), action=replace(action, do=action.undo)), dry_run=False)[0].done
    except ActionError as error:
        LOG.warning("it could not be undone: %s", error)
        return False
