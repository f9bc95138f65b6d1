"""A decision, its reason and its gates in plain words."""

from __future__ import annotations

from engine import explain, units
from engine.domain.intents import explain_intent
from engine.explain import DecisionFacts, FailedGate, describe_fault
from engine.store.read.decision import DecisionDetails, GateResult

NEVER_BARS = 1e6  # bars since the last loss, where there was none


def explain_decision(decision: DecisionDetails) -> str | None:
    """Return forecast, action, reason and the change that would have flipped it; None while the gates are unknown."""
    return " ".join(explain.explain_decision(collect_facts(decision))) if decision.gates else None


def describe_reason(decision: DecisionDetails) -> str:
    """Return the reason of the decision in a few words."""
    shut = tuple(gate.name for gate in decision.gates if not gate.passed)
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
        failed_gates=tuple(FailedGate(gate.name, gate.value, gate.limit, gate.fault) for gate in decision.gates if not gate.passed),
        edge_to_flip_bps=decision.edge_to_flip_bps,
        reason="" if decision.action == "hold" else describe_reason(decision),
        inherited=_inherited(dict(decision.limits)),
    )


def describe_gate(gate: GateResult) -> str:
    """Return a gate's value and limit in words; "" for a gate without a number."""
    if gate.fault is not None:
        return describe_fault(gate.fault, gate.value)
    if not gate.unit:
        return ""
    value = (
        "none yet"
        if gate.value is not None and gate.value >= NEVER_BARS and gate.unit == "bars"
        else units.format_quantity(gate.value, missing="unknown")
    )
    return f"{value}, needs {gate.sense.replace('<=', '≤').replace('>=', '≥')} {units.format_quantity(gate.limit)} {gate.unit}"


def describe_binding_gate(gate: GateResult) -> str:
    """Return the data incident behind the binding gate, else its margin."""
    if gate.fault is not None:
        return describe_fault(gate.fault, gate.value)
    if not gate.unit:
        return f"gate {gate.name}"
    return f"{gate.name}: {units.NOT_ENOUGH}" if gate.margin is None else f"{gate.name}: margin {units.format_quantity(gate.margin)} {gate.unit}"


def describe_flip(decision: DecisionDetails) -> str:
    """Explain the smallest change that flips the decision."""
    if decision.edge_to_flip_bps is None:
        return "no change of the expected move alone would flip it"
    return "smallest change of the expected move that flips it, other gates passed"


def _inherited(sizes: dict[str, float | None]) -> float | None:
    """Return the share of the size allowed by proven skill that remains after the limit of a new model version."""
    before, after = sizes.get("proven skill"), sizes.get("new version")
    return after / before if before and after is not None else None
