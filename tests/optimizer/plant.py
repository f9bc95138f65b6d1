"""A machine with a known truth under the real loop: a metric with trend, daily cycle and autocorrelated noise, ticks, and actions with fixed effects.

Time passes only while somebody waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from engine.domain.optimization import Action, ActionContext, ActionResult, Firing, Judgement, Reading, Trial
from engine.domain.record import Floats, Ints
from engine.domain.rules import Rule
from engine.optimizer.default_rules import DEFAULT_RULES
from engine.optimizer.planner import EngineActivity
from engine.optimizer.runtime.loop import OptimizerLoop
from engine.optimizer.runtime.ports import ExperimentParts, OptimizerSettings
from engine.optimizer.runtime.readings_buffer import ReadingsBuffer
from engine.optimizer.runtime.rule_engine import RuleEngine
from engine.optimizer.windows import SECOND, MeasurementPlan
from engine.store.read.optimizer_history import ActionStatus, FinishedTrial
from tests.actions.null_actuators import NullActuators
from tests.optimizer.outcomes import tried_as_kept

START = 1_700_000_000 * SECOND
METRIC = "plant.load"
DAY = 86_400.0
MEMORY = 0.9  # of the noise, from second to second
NOISE = 5.0  # its standard deviation
RULE = Rule("high", "threshold", METRIC, level=108.0, recovery=104.0, hold=2.0, missing=30.0, cooldown=30.0, longest=30.0)
PLAN = MeasurementPlan(before=10.0, after=10.0, lookback=1_800.0, rest=30.0)


@dataclass(frozen=True, slots=True)
class Truth:
    """What an action really does for as long as it lasts."""

    load: float = 0.0  # to the metric
    tick_ms: float = 0.0  # to the time a tick takes
    lasts: float = 60.0  # s
    raises: type[Exception] | None = None
    takes: float = 0.0  # s


@dataclass
class Plant:
    """The clock, the machine, the store and the stop, as the loop sees them."""

    seed: int
    truths: dict[str, Truth]
    seconds: int = 40_000
    memory: float = MEMORY
    noise: float = NOISE
    at: int = START
    set_by: int = 0  # ns by which the wall clock was set on
    trials: dict[int, Trial] = field(default_factory=dict)
    firings: dict[int, Firing] = field(default_factory=dict)
    answers: dict[int, str] = field(default_factory=dict)
    licences: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    judged: dict[str, Judgement] = field(default_factory=dict)
    verdicts: dict[str, set[str]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # what fails on the board
    undone: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    slot: EngineActivity = field(default_factory=lambda: EngineActivity(False, False, 0, 0.0, None, 0.0))
    mode: str = "auto"
    later: list[Callable[[], None]] | None = None  # where trials wait to be begun; None begins them at once

    def __post_init__(self) -> None:
        chance = np.random.default_rng([self.seed, 11])
        shocks = chance.standard_normal(self.seconds) * self.noise * np.sqrt(1.0 - self.memory**2)
        noise = np.empty(self.seconds)
        last = 0.0
        for second, shock in enumerate(shocks.tolist()):
            last = self.memory * last + shock
            noise[second] = last
        time = np.arange(self.seconds)
        phase = chance.uniform(0.0, 2.0 * np.pi)
        self.load = 100.0 + time / 36_000.0 + 3.0 * np.sin(2.0 * np.pi * time / DAY + phase) + noise
        self.tick_ms = 20.0 + chance.gamma(4.0, 0.5, self.seconds)
        self.recent = ReadingsBuffer()
        self._heard = 0

    # the clock, and the stop, whose waiting is what makes time go on
    def now(self) -> int:
        return self.at + self.set_by

    def tick(self) -> float:
        return (self.at - START) / SECOND

    def wait(self, timeout: float | None = None) -> bool:
        self.at += round((timeout or 0.0) * SECOND)
        self.hear()
        return self.is_set()

    def is_set(self) -> bool:
        return self.tick() >= self.seconds - 1 or "stopped" in self.broken

    def hear(self) -> None:
        """The probe's samples, one a second."""
        second = min(int(self.tick()), self.seconds - 1)
        for moment in range(max(self._heard + 1, second - 15), second + 1):
            at = START + moment * SECOND
            if "probes" not in self.broken:
                self.recent.append({METRIC: Reading(at, "plant", "load", float(self.load[moment]), "%")})
        self._heard = max(self._heard, second)

    # the probes, and the reading side of the store
    def read(self) -> tuple[Reading, ...]:
        return ()

    def readings(self, source: str, name: str, since: int) -> tuple[Ints, Floats]:
        first, last = max(0, (since - START) // SECOND), min(int(self.tick()), self.seconds)
        return START + np.arange(first, last, dtype=np.int64) * SECOND, self.load[first:last]

    def runs(self, since: int) -> tuple[tuple[int, float], ...]:
        return tuple((trial.at, trial.seconds) for trial in self.trials.values() if trial.at >= since and not trial.placebo)

    def ticks(self, since: int) -> tuple[Ints, Floats, Floats]:
        first, last = max(0, (since - START) // SECOND), int(self.tick()) + 1
        seconds = np.arange(first + first % 2, last, 2, dtype=np.int64)
        return START + seconds * SECOND, self.tick_ms[seconds], np.full(len(seconds), 100.0)

    def finished_trials(self, metric: str) -> dict[str, tuple[FinishedTrial, ...]]:
        trials: dict[str, list[FinishedTrial]] = {}
        for trial in self.trials.values():
            licensed = self.licences.get(trial.action, ("", "", 0))[2]
            finished = tried_as_kept(trial)
            if finished is not None and trial.at > licensed:
                trials.setdefault(trial.action, []).append(finished)
        return {action: tuple(finished) for action, finished in trials.items()}

    def action_statuses(self) -> dict[str, ActionStatus]:
        return {name: ActionStatus(self.mode, self.licences.get(name, ("auto", "", 0))[0]) for name in self.truths}

    def modes(self) -> dict[str, str]:
        return {}

    def rules(self) -> dict[str, dict[str, str]]:
        return {}

    def last_rule_states(self) -> dict[str, str]:
        return {}

    # the writing side
    def tune(self) -> ActionResult:
        return ActionResult(0.0, "bytes", "tuned")

    def open_session(self, modes: object) -> int:
        return 0

    def flush(self) -> None:
        self._demand_store()

    def save_firing(self, firing: Firing) -> int:
        self._demand_store()
        self.firings[len(self.firings) + 1] = firing
        return len(self.firings)

    def save_trial(self, trial: Trial) -> int:
        self._demand_store()
        self.trials[len(self.trials) + 1] = trial
        return len(self.trials)

    def finish_trial(self, number: int, trial: Trial) -> None:
        self.trials[number] = trial

    def save_answer(self, number: int, text: str) -> None:
        self._demand_store()
        self.answers[number] = text

    def save_judgement(self, action: str, metric: str, unit: str, at: int, judgement: Judgement) -> None:
        self.judged[action] = judgement
        self.verdicts.setdefault(action, set()).add(judgement.verdict)

    def set_licence(self, action: str, licence: str, why: str, at: int) -> None:
        self.licences[action] = (licence, why, at)

    def _demand_store(self) -> None:
        from engine.store.errors import StoreError

        if "store" in self.broken:
            raise StoreError("the store cannot grow, the disk is full")

    # the board
    def on_failure(self, component: str, job: str, error: str) -> None:
        self.failures[f"{component}: {job}"] = error

    def on_success(self, component: str, job: str) -> None:
        self.failures.pop(f"{component}: {job}", None)

    # the actions
    def actions(self) -> dict[str, Action]:
        return {name: self._action(name, truth) for name, truth in self.truths.items()}

    def _action(self, name: str, truth: Truth) -> Action:
        def do(room: ActionContext) -> ActionResult:
            if room.dry_run:
                return ActionResult(0.0, "", "dry run: would do it", done=False)
            if truth.raises is not None:
                raise truth.raises("no")
            self._turn(truth, +1.0)
            if truth.takes:
                self.wait(truth.takes)
            return ActionResult(0.0, "", "done")

        def back(room: ActionContext) -> ActionResult:
            self._turn(truth, -1.0)
            self.undone.append(name)
            return ActionResult(0.0, "", "taken back")

        return Action(name, "cpu", METRIC, -1, "none", "Does what its truth says.", do, undo=back)

    def _turn(self, truth: Truth, sign: float) -> None:
        first = int(self.tick()) + 1
        last = first + int(truth.lasts)
        self.load[first:last] += sign * truth.load
        self.tick_ms[first:last] += sign * truth.tick_ms


def experiment_parts(plant: Plant, recent: ReadingsBuffer | None) -> ExperimentParts:
    """What an experiment on the plant works with."""
    return ExperimentParts(plant, plant, plant, Path("/nowhere"), plant, plant, NullActuators(), PLAN, recent, lambda: plant.slot)


def tuner_of(plant: Plant, rule: Rule = RULE, *, bounds: bool = False) -> OptimizerLoop:
    """The real loop on the plant."""
    rule = replace(rule, candidates=rule.candidates or tuple(plant.truths))
    parts = experiment_parts(plant, plant.recent)

    def begin(work: Callable[[], None]) -> None:
        if plant.later is None:
            work()
        else:
            plant.later.append(work)

    others = tuple(replace(default, enabled=False) for default in DEFAULT_RULES)
    tuner = OptimizerLoop(
        parts, plant, plant, plant.actions(), OptimizerSettings((rule, *others), (), plant.seed), plant, begin,
        RuleEngine(plant.recent, plant.save_firing), rest=5.0, bounds=bounds,
    )  # fmt: skip
    plant.at = START + round(PLAN.lookback * SECOND)
    return tuner


def live(plant: Plant, tuner: OptimizerLoop, until: Callable[[], bool], *, every: float = 4.0) -> None:
    """Rounds of the loop until something is so, or the plant's time is over; one that fails is told, as by its job."""
    from engine.store.errors import StoreError

    while not plant.is_set() and not until():
        plant.wait(every)
        try:
            tuner.run_once()
        except StoreError as error:
            plant.on_failure("optimizer", "rules", str(error))
        else:
            plant.on_success("optimizer", "rules")
