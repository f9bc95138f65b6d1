"""A decision in plain words, as engine.explain puts them."""

from __future__ import annotations

from engine.domain.intents import explain_intent
from engine import explain
from engine.explain import DecisionFacts, FailedGate
from engine.store.read.decision import DecisionDetails


def explain_decision(told: DecisionDetails) -> str | None:
    """What was expected, what was done and why, and what would have changed it; None while the ladder is not known."""
    return " ".join(explain.explain_decision(collect_facts(told))) if told.gates else None


def describe_reason(told: DecisionDetails) -> str:
    """Why the decision was taken, in a few words."""
    shut = tuple(rung.name for rung in told.gates if not rung.passed)
    if told.action == "hold":
        return explain_intent(told.position, told.position, (told.binding_gate,) if told.binding_gate else (), {})
    return explain_intent(told.position, told.target, shut, dict(told.limits))


def collect_facts(told: DecisionDetails) -> DecisionFacts:
    """The decision's own numbers."""
    acted_on = next((one for one in told.forecast if one.horizon == told.horizon), None)
    heard = any(vote.trust for vote in told.votes if vote.horizon == told.horizon)
    return DecisionFacts(
        action=told.action,
        position=told.position,
        target=told.target,
        horizon=told.horizon,
        expected_bps=told.edge_bps if heard else None,
        low_bps=acted_on.low_bps if acted_on else None,
        high_bps=acted_on.high_bps if acted_on else None,
        cost_bps=told.cost_bps,
        failed_gates=tuple(FailedGate(rung.name, rung.value, rung.limit, rung.fault) for rung in told.gates if not rung.passed),
        edge_to_flip_bps=told.edge_to_flip_bps,
        reason="" if told.action == "hold" else describe_reason(told),
        inherited=_inherited(dict(told.limits)),
    )


def _inherited(sizes: dict[str, float | None]) -> float | None:
    """What the limit of a new version left of the size that proven skill allows."""
    before, after = sizes.get("proven skill"), sizes.get("new version")
    return after / before if before and after is not None else None
