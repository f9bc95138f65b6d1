"""A decision in plain words, as engine.explain puts them."""

from __future__ import annotations

from engine.domain.intents import reason_of
from engine.explain import Facts, Shut, explain
from engine.store.decision_query import DecisionTold


def words(decision: DecisionTold) -> str | None:
    """Return forecast, action, reason and the change that would have flipped it; None while the gates are unknown."""
    return " ".join(explain(facts(decision))) if decision.rungs else None


def reason(decision: DecisionTold) -> str:
    """Return the reason of the decision in a few words."""
    shut = tuple(rung.name for rung in decision.rungs if not rung.passed)
    if decision.action == "hold":
        return reason_of(decision.position, decision.position, (decision.binding_gate,) if decision.binding_gate else (), {})
    return reason_of(decision.position, decision.target, shut, dict(decision.limits))


def facts(decision: DecisionTold) -> Facts:
    """Return the decision's own numbers."""
    acted_on = next((forecast for forecast in decision.forecast if forecast.horizon == decision.horizon), None)
    is_active = any(vote.trust for vote in decision.votes if vote.horizon == decision.horizon)
    return Facts(
        action=decision.action,
        position=decision.position,
        target=decision.target,
        horizon=decision.horizon,
        expected_bps=decision.edge_bps if is_active else None,
        low_bps=acted_on.low_bps if acted_on else None,
        high_bps=acted_on.high_bps if acted_on else None,
        cost_bps=decision.cost_bps,
        shut=tuple(Shut(rung.name, rung.value, rung.limit, rung.fault) for rung in decision.rungs if not rung.passed),
        flip_bps=decision.flip_bps,
        reason="" if decision.action == "hold" else reason(decision),
        inherited=_inherited(dict(decision.limits)),
    )


def _inherited(sizes: dict[str, float | None]) -> float | None:
    """Return the share of the size allowed by proven skill that remains after the limit of a new model version."""
    before, after = sizes.get("proven skill"), sizes.get("new version")
    return after / before if before and after is not None else None
