"""A decision in plain words, as engine.explain puts them."""

from __future__ import annotations

from engine.domain.intents import reason_of
from engine.explain import Facts, Shut, explain
from engine.store.decision_query import DecisionTold


def words(told: DecisionTold) -> str | None:
    """Return forecast, action, reason and the change that would have flipped it; None while the gates are unknown."""
    return " ".join(explain(facts(told))) if told.rungs else None


def reason(told: DecisionTold) -> str:
    """Return the reason of the decision in a few words."""
    shut = tuple(rung.name for rung in told.rungs if not rung.passed)
    if told.action == "hold":
        return reason_of(told.position, told.position, (told.binding_gate,) if told.binding_gate else (), {})
    return reason_of(told.position, told.target, shut, dict(told.limits))


def facts(told: DecisionTold) -> Facts:
    """Return the decision's own numbers."""
    acted_on = next((one for one in told.forecast if one.horizon == told.horizon), None)
    heard = any(vote.trust for vote in told.votes if vote.horizon == told.horizon)
    return Facts(
        action=told.action,
        position=told.position,
        target=told.target,
        horizon=told.horizon,
        expected_bps=told.edge_bps if heard else None,
        low_bps=acted_on.low_bps if acted_on else None,
        high_bps=acted_on.high_bps if acted_on else None,
        cost_bps=told.cost_bps,
        shut=tuple(Shut(rung.name, rung.value, rung.limit, rung.fault) for rung in told.rungs if not rung.passed),
        flip_bps=told.flip_bps,
        reason="" if told.action == "hold" else reason(told),
        inherited=_inherited(dict(told.limits)),
    )


def _inherited(sizes: dict[str, float | None]) -> float | None:
    """Return the share of the size allowed by proven skill that remains after the limit of a new model version."""
    before, after = sizes.get("proven skill"), sizes.get("new version")
    return after / before if before and after is not None else None
