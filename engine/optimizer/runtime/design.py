"""The design of an automatic experiment: the first action that has something to do, its pause, and the coin that decides on its arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine import units
from engine.domain.optimization import Action
from engine.domain.rules import AUTO, Rule
from engine.optimizer import harm
from engine.optimizer.planner import make_generator, treatment_probability, why_not_quiet
from engine.optimizer.runtime.controls import find_controls, settling_seconds
from engine.optimizer.runtime.experiment import ActionError, ExperimentDesign, execute_action
from engine.optimizer.runtime.ports import ExperimentParts
from engine.optimizer.windows import WindowTiming, choose_pause
from engine.schema import join_names
from engine.store.read.optimizer_history import FinishedTrial

QUIET_SECONDS = 30.0  # that a costly action waits for a quiet moment


def target_metric(rule: Rule, action: Action) -> tuple[str, int]:
    """The metric an experiment is judged on and the side that is a cure: the rule's own; the action's where the rule has none."""
    return (rule.metric, -1 if rule.above else 1) if rule.metric else (action.metric, action.better)


def design_experiment(
    parts: ExperimentParts,
    rule: Rule,
    fired_at: int,
    seed: int,
    ready: Sequence[Action],
    finished_trials: Callable[[str], dict[str, tuple[FinishedTrial, ...]]],
) -> ExperimentDesign | str:
    """The design for a rule that fired, or why nothing is run. `ready`: the actions that may respond, best draw first;
    `finished_trials`: those on a metric, by action."""
    obstacles: list[str] = []
    lacking: dict[str, list[str]] = {}  # actions by what they lack
    for action in ready:
        metric, better = target_metric(rule, action)
        earlier = finished_trials(metric).get(action.name, ())
        pause = choose_pause(settling_seconds(metric, parts.plan), action.cost, [trial.seconds for trial in earlier if trial.outcome.treated])
        timing = WindowTiming(parts.plan.before, pause, parts.plan.after)
        idle = len(find_controls(parts.history, metric, timing, parts.plan, parts.clock.now()))
        if idle < harm.MIN_WINDOWS:
            lacking.setdefault(f"{harm.MIN_WINDOWS} idle windows of {metric} for comparison, there are {idle}", []).append(action.name)
            continue
        why = _why_unwilling(parts, action) or _why_not_quiet(parts, action)
        if why is not None:
            obstacles.append(f"{action.name}: {why}")
            continue
        probability = treatment_probability([trial.outcome for trial in earlier])
        treated = bool(make_generator(seed, rule.name, fired_at, 1).random() < probability)
        return ExperimentDesign(
            action, metric, better, treated, AUTO, rule.name, "the optimizer", f"{rule.name} fired", pause, parts.plan.fewest, probability, earlier
        )
    shortages = [f"{join_names(names)} {'needs' if len(names) == 1 else 'need'} {what}" for what, names in lacking.items()]
    return f"nothing was run: {'; '.join(shortages + obstacles)}"


def _why_unwilling(parts: ExperimentParts, action: Action) -> str | None:
    """Why it has nothing to do, by a dry run; None where it has."""
    try:
        detail = execute_action(parts, action, lambda _share, _word: None, dry_run=True).detail
    except ActionError as error:
        return str(error)
    return None if detail.startswith("dry run") else detail


def _why_not_quiet(parts: ExperimentParts, action: Action) -> str | None:
    """Wait for a quiet moment where the action is costly; why there was none."""
    if action.cost != "high":
        return None
    begun = parts.clock.tick()
    while (why := why_not_quiet(parts.activity())) is not None:
        if parts.clock.tick() - begun > QUIET_SECONDS or parts.stop.wait(0.1):
            return f"no quiet moment within {units.format_setting(QUIET_SECONDS, 's')}: {why}"
    return None
