"""A decision in plain words, as engine.explain puts them."""

from __future__ import annotations

from engine.domain.intents import explain_intent
from engine import explain
from engine.explain import DecisionFacts, FailedGate
from engine.store.read.decision import DecisionDetails


def explain_decision(decision: DecisionDetails) -> str | None:
    """Return forecast, action, reason and the change that would have flipped it; None while the gates are unknown."""
    return " ".join(explain.explain_decision(collect_facts(decision))) if decision.gates else None


def describe_reason(decision: DecisionDetails) -> str:
    """Return the reason of the decision in a few words."""
    shut = tuple(rung.name for rung in decision.gates if not rung.passed)
    if decision.action == "hold":
        return explain_intent(decision.position, decision.position, (decision.binding_gate,) if decision.binding_gate else (), {})
    return explain_intent(decision.position, decision.target, shut, dict(decision.limits))


def collect_facts(decision: DecisionDetails) -> DecisionFacts:
    """Return the decision's own numbers."""
    acted_on = next((forecast for forecast in decision.forecast if forecast.horizon == decision.horizon), None)
    is_active = any(vote.trust for vote in decision.votes if vote.horizon == decision.horizon)
    return DecisionFacts(
        action=decision.action,
        position=decision.position,
        target=decision.target,
        horizon=decision.horizon,
        expected_bps=decision.edge_bps if is_active else None,
        low_bps=acted_on.low_bps if acted_on else None,
        high_bps=acted_on.high_bps if acted_on else None,
        cost_bps=decision.cost_bps,
        failed_gates=tuple(FailedGate(rung.name, rung.value, rung.limit, rung.fault) for rung in decision.gates if not rung.passed),
        edge_to_flip_bps=decision.edge_to_flip_bps,
        reason="" if decision.action == "hold" else describe_reason(decision),
        inherited=_inherited(dict(decision.limits)),
    )


def _inherited(sizes: dict[str, float | None]) -> float | None:
    """Return the share of the size allowed by proven skill that remains after the limit of a new model version."""
    before, after = sizes.get("proven skill"), sizes.get("new version")
    return after / before if before and after is not None else None
