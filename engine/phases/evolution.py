"""Phase 10, evolution: asks for retraining when it is due, and notes that it asked."""

from __future__ import annotations

from dataclasses import replace

from engine.domain.decision import EvolutionPlan, Instruction
from engine.domain.market import Inputs
from engine.domain.state import State


def propose_evolution(learned: State, inputs: Inputs) -> EvolutionPlan:
    """Asks for a training at the first bar with enough history, on schedule, and when a person asked."""
    trigger = _trigger(learned, inputs)
    if trigger is None:
        return EvolutionPlan(learned, ())
    noted = replace(learned, last_training=inputs.tick, training_requests=learned.training_requests + 1)
    return EvolutionPlan(noted, (Instruction("retrain", "all", trigger),))


def propose_nothing(learned: State, inputs: Inputs) -> EvolutionPlan:
    """Asks for nothing."""
    del inputs
    return EvolutionPlan(learned, ())


def _trigger(learned: State, inputs: Inputs) -> str | None:
    knobs = inputs.config
    if any(event.kind == "command" and event.subject == "retrain" for event in inputs.events):
        return "by hand"
    if learned.last_training < 0:
        return "first training" if learned.decided >= knobs.first_training else None
    return "schedule" if inputs.tick - learned.last_training >= knobs.retrain_every else None
