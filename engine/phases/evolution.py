"""Phase 10, evolution: requests a training when one is due, and records the request."""

from __future__ import annotations

from dataclasses import replace

from engine.domain.decision import EvolutionPlan, Instruction
from engine.domain.market import Inputs
from engine.domain.state import State


def propose_evolution(learned: State, inputs: Inputs) -> EvolutionPlan:
    """Request a training at the first bar with enough history, on schedule, and on command."""
    trigger = _trigger(learned, inputs)
    if trigger is None:
        return EvolutionPlan(learned, ())
    state = replace(learned, last_training=inputs.tick, training_requests=learned.training_requests + 1)
    return EvolutionPlan(state, (Instruction("retrain", "all", trigger),))


def propose_nothing(learned: State, inputs: Inputs) -> EvolutionPlan:
    """Fall back to no request."""
    del inputs
    return EvolutionPlan(learned, ())


def _trigger(learned: State, inputs: Inputs) -> str | None:
    config = inputs.config
    if any(event.kind == "command" and event.subject == "retrain" for event in inputs.events):
        return "by hand"
    if learned.last_training < 0:
        return "first training" if learned.decided >= config.first_training else None
    return "schedule" if inputs.tick - learned.last_training >= config.retrain_every else None
