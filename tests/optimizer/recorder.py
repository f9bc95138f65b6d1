"""A plant that logs every write to its store, every run of an action and every answer, in order."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field, is_dataclass, replace

from engine.domain.optimization import Action, ActionContext, ActionResult, Firing, Judgement, Reading, Trial
from engine.domain.record import Floats, Ints
from engine.domain.rules import BY_HAND, RULE_STATES, Rule
from engine.optimizer.randomisation_test import VERDICTS
from engine.optimizer.runtime.experiment import ActionError, run_action
from engine.optimizer.windows import SECOND
from engine.store.errors import StoreError
from tests.optimizer.plant import PLAN, START, Plant, Truth, experiment_parts, live, tuner_of

VOCABULARY = {*VERDICTS, BY_HAND, *RULE_STATES, "dry run"}
SENTENCES = bool(os.environ.get("RECORD_SENTENCES"))  # to compare wordings as well


def written(value: object) -> str:
    """A value as one word of a line: figures to ten digits, records by their values alone, long lists by count and sum, no sentences."""
    if isinstance(value, float):
        return f"{value:.10g}"
    if is_dataclass(value) and not isinstance(value, type):
        return f"({', '.join(written(part) for part in astuple(value))})"
    if isinstance(value, tuple):
        return f"({', '.join(written(part) for part in value)})"
    if isinstance(value, list):
        return f"[{len(value)} of sum {written(sum(value))}]" if len(value) > 3 else f"[{', '.join(written(part) for part in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, str) and value.startswith("{"):
        return written(json.loads(value))
    if isinstance(value, str):
        return repr(value) if SENTENCES or " " not in value or value in VOCABULARY else "..."
    return str(value)


@dataclass
class Recorder(Plant):
    """The plant with a log; it can stop, or set its clock, in the middle of a wait."""

    log: list[str] = field(default_factory=list)
    stops_at: float = math.inf  # s
    sets_clock_at: float = math.inf  # s
    ticks_broken: bool = False

    def note(self, what: str, *values: object) -> None:
        self.log.append(" ".join([f"{self.tick() - PLAN.lookback:.10g} {what}", *(written(value) for value in values)]))

    def wait(self, timeout: float | None = None) -> bool:
        super().wait(timeout)
        if self.tick() >= self.sets_clock_at:
            self.set_by = 3_600 * SECOND
        return self.is_set()

    def is_set(self) -> bool:
        return super().is_set() or self.tick() >= self.stops_at

    def read(self) -> tuple[Reading, ...]:
        if "probes" in self.broken:
            return ()
        return (Reading(self.now(), "plant", "load", float(self.load[min(int(self.tick()), self.seconds - 1)]), "%"),)

    def readings(self, source: str, name: str, since: int) -> tuple[Ints, Floats]:
        if "history" in self.broken:
            raise StoreError("the store is locked")
        return super().readings(source, name, since)

    def ticks(self, since: int) -> tuple[Ints, Floats, Floats]:
        if "ticks" in self.broken:
            raise StoreError("the store is locked")
        return super().ticks(since)

    def save_firing(self, firing: Firing) -> int:
        number = super().save_firing(firing)
        self.note("firing", number, firing)
        return number

    def save_trial(self, trial: Trial) -> int:
        number = super().save_trial(trial)
        self.note("trial", number, trial)
        return number

    def finish_trial(self, number: int, trial: Trial) -> None:
        super().finish_trial(number, trial)
        self.note("trial ends", number, trial)

    def save_answer(self, number: int, text: str) -> None:
        super().save_answer(number, text)
        self.note("answer", number, text)

    def save_judgement(self, action: str, metric: str, unit: str, at: int, judgement: Judgement) -> None:
        super().save_judgement(action, metric, unit, at, judgement)
        self.note("judgement", action, metric, unit, judgement)

    def set_licence(self, action: str, licence: str, why: str, at: int) -> None:
        super().set_licence(action, licence, why, at)
        self.note("licence", action, licence, why)

    def on_failure(self, component: str, job: str, error: str) -> None:
        super().on_failure(component, job, error)
        self.note("fails", component, job, error)

    def actions(self) -> dict[str, Action]:
        return {name: self._noted(action) for name, action in super().actions().items()}

    def _noted(self, action: Action) -> Action:
        def noted(what: str, run: Callable[[ActionContext], ActionResult]) -> Callable[[ActionContext], ActionResult]:
            def do(room: ActionContext) -> ActionResult:
                self.note(what, action.name, room.dry_run)
                return run(room)

            return do

        undo = None if action.undo is None else noted("undo", action.undo)
        return replace(action, run=noted("act", action.run), undo=undo)


def automatic(
    truths: dict[str, Truth],
    trials: int,
    *,
    rule: Rule,
    seed: int = 3,
    seconds: float = 3_000.0,
    change: Callable[[Recorder], None] = lambda plant: None,
    actions: Callable[[dict[str, Action]], dict[str, Action]] = lambda known: known,
) -> list[str]:
    """The log of the loop on a plant until it has made so many trials, or for so many seconds of its time."""
    plant = Recorder(seed, truths, seconds=7_000)
    known = actions(plant.actions())
    plant.actions = lambda: known  # type: ignore[method-assign]
    tuner = tuner_of(plant, replace(rule, candidates=rule.candidates or tuple(truths)), bounds=True)
    change(plant)
    over = plant.tick() + seconds
    try:
        live(plant, tuner, lambda: len(plant.trials) >= trials or plant.tick() > over)
    except ArithmeticError as error:
        plant.note("raised", repr(error))
    plant.note("ends", plant.undone)
    return plant.log


def manual(truth: Truth, *, seed: int = 3, dry_run: bool = False, buffered: bool = True, change: Callable[[Recorder], None] = lambda plant: None,
           action: Callable[[Action], Action] = lambda action: action) -> list[str]:  # fmt: skip
    """The log of one run by hand."""
    plant = Recorder(seed, {"act": truth}, seconds=7_000)
    plant.at = START + round(PLAN.lookback * SECOND)
    plant.hear()
    change(plant)
    known = {"act": action(plant.actions()["act"])}
    parts = experiment_parts(plant, plant.recent if buffered else None)
    try:
        result: object = run_action(
            "act",
            parts,
            dry_run=dry_run,
            report_progress=lambda share, word: plant.note("progress", share, word),
            by="ann",
            reason="it is slow",
            known=known,
        )
    except ActionError as error:
        result = ("raised", str(error))
    plant.note("result", result)
    return plant.log
