"""A decision in plain words, from its own numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine import units
from engine.domain.intents import ADD, CUT, FLAT, OPEN, classify_intent
from engine.domain.record import Record

FORECAST_GATES = frozenset({"edge above cost", "minimum trade", "minimum order"})  # gates that a different forecast alone can pass
GATE_SENTENCES = {  # the meaning of a failed gate, with its {value}, as {bars} or {phases} where it counts them, and its {limit}
    "fresh data": "the last fresh bar is {bars} old",
    "not paused": "the engine is paused",
    "no degraded phase": "{phases} fell back",
    "valid book": "the book is crossed, malformed or missing",
    "not flattened": "the position is kept closed by a flatten command",
    "history": "only {value} of the {limit} required bars are known",
    "spread": "the spread of {value} bps is above {limit} bps",
    "active models": "the number of active models is {value}, below the required {limit}",
    "proven skill": "the lower bound of its skill is {value} % and must be above 0",
    "in distribution": "{value} % of the features are outside the range of the training data and at most {limit} % may be",
    "agreement": "{value} % of the weighted predictions agree and {limit} % must",
    "edge above cost": "the expected move of {value} bps does not reach the round-trip cost of {limit} bps",
    "cooldown": "the last losing trade was {bars} ago and {limit} must pass",
    "daily loss": "the loss of the day is {value} % and the limit is {limit} %",
    "drawdown": "equity is {value} % below its peak and the limit is {limit} %",
    "minimum trade": "the change of {value} % of equity is below the minimum of {limit} %",
    "risk limits": "the limits of the portfolio leave {value} % of equity and {limit} % is required",
    "minimum order": "the order in whole lots is worth {value} and the venue's minimum is {limit}",
}
FAULT_SENTENCES = {  # a fault of the data that fails the gate "fresh data", by kind of incident; {bars} is its duration
    "halt": "halt: no volume for {bars}",
    "stale": "stale feed: {bars} {repeat} exactly",
    "flat-filled": "flat-filled bars: no volume for {bars}",
    "gap": "gap in the data: {bars} missing",
    "clock skew": "clock skew: the clock of the data has been off for {bars}",
    "volume-feed change": "volume-feed change: volume has been counted differently for {bars}",
    "stale book": "stale book: no change over {bars} with trades",
}


PROVEN, LAPSED, NOT_PROVEN, UNKNOWN = "proven", "gone", "not proven", "unknown"  # of skill


@dataclass(frozen=True, slots=True)
class FailedGate(Record):
    """A gate that failed; None where a number is unknown."""

    gate: str
    value: float | None
    limit: float | None
    fault: str | None = None  # kind of the incident in the data that made it fail


@dataclass(frozen=True, slots=True)
class DecisionFacts(Record):
    """The numbers behind one decision for one symbol; None where unknown."""

    action: str  # hold, buy, sell
    position: float | None  # share of equity before
    target: float | None  # share of equity after
    horizon: int  # bars, of the forecast acted on
    expected_bps: float | None  # None where no model was active
    low_bps: float | None  # of a 90 % interval
    high_bps: float | None
    cost_bps: float | None  # of a round trip
    failed_gates: tuple[FailedGate, ...]  # in order; the first one binds
    edge_to_flip_bps: float | None  # smallest change of the expected move that would change the action if the other gates passed
    reason: str = ""  # from engine.domain.intents
    inherited: float | None = None  # share of the proven size that the serving versions of the models may use; None where none is proven


def explain_decision(facts: DecisionFacts) -> tuple[str, ...]:
    """Return sentences on the expectation, the action and its reason, and the change that would have altered it."""
    sentences = (_expectation(facts), _action(facts), _version(facts), _counterfactual(facts))
    return tuple(sentence for sentence in sentences if sentence)


def _expectation(facts: DecisionFacts) -> str:
    bars = "the next bar" if facts.horizon == 1 else f"the next {facts.horizon} bars"
    if facts.expected_bps is None:
        return f"No model was active, so there is no forecast for {bars}."
    interval = "" if facts.low_bps is None or facts.high_bps is None else f" ({units.format_interval(facts.low_bps, facts.high_bps)}, 90 %)"
    cost = "" if facts.cost_bps is None else f" A round trip costs {units.format_bps(facts.cost_bps)}."
    return f"The ensemble expects {units.format_bps(facts.expected_bps, signed=True)} over {bars}{interval}.{cost}"


def _action(facts: DecisionFacts) -> str:
    if facts.action == "hold":
        return f"It holds {_share(facts.position)}: {_why(facts.failed_gates[0])}." if facts.failed_gates else f"It holds {_share(facts.position)}."
    verb = "buys" if facts.action == "buy" else "sells"
    done = f"It {verb}, from {_share(facts.position)} to {_share(facts.target)}, {_purpose(facts)}"
    because = f": {facts.reason}" if facts.reason else ""
    if facts.failed_gates and _closer_to_flat(facts):
        return f"{done}{because}. Nothing may be added: {_why(facts.failed_gates[0])}."
    return f"{done}{because}. Every gate passed." if not facts.failed_gates else f"{done}{because}."


def _purpose(facts: DecisionFacts) -> str:
    """Return the purpose of the order; for a reversal both halves."""
    intent = classify_intent(facts.position, facts.target)
    if intent == OPEN and abs(facts.position or 0.0) > FLAT:
        return "to close the position and open the opposite one"
    return {OPEN: "to open a position", ADD: "to add to the position", CUT: "to cut the position"}.get(intent, "to close the position")


def judge_skill(whole: Sequence[float | None], bounds: Sequence[float | None]) -> str:
    """Return whether skill is proven now.

    `whole` are lower bounds of the ensemble's R2 over the whole session, `bounds` those that scale the sizes, which never exceed recent skill;
    both by horizon, None where unknown. Skill that the session proves and the bounds deny has gone.
    """
    if any(bound is not None and bound > 0.0 for bound in bounds):
        return PROVEN
    if not any(low is not None and low > 0.0 for low in whole):
        return NOT_PROVEN
    return LAPSED if any(bound is not None for bound in bounds) else UNKNOWN


def _version(facts: DecisionFacts) -> str:
    if facts.inherited is None or facts.inherited >= 0.9995:
        return ""
    return (
        "The new versions of the models disagree with the versions whose skill is proven: "
        f"they may use {units.format_percent(facts.inherited, 0)} of the proven size until their own record allows more."
    )


def _counterfactual(facts: DecisionFacts) -> str:
    others = [gate.gate for gate in facts.failed_gates if gate.gate not in FORECAST_GATES]
    if facts.edge_to_flip_bps is None or not math.isfinite(facts.edge_to_flip_bps):
        return f"No other forecast would have changed that until {_gates(others)} passed: {_names(others)}." if others else ""
    direction = "higher" if facts.edge_to_flip_bps > 0 else "lower"
    would = "held" if facts.action != "hold" else "bought" if facts.edge_to_flip_bps > 0 else "sold"
    also = f" and {_gates(others)} passed: {_names(others)}" if others and facts.action == "hold" else ""
    return f"It would have {would} had the expected move been {units.format_bps(abs(facts.edge_to_flip_bps))} {direction}{also}."


def describe_fault(kind: str, bars: float | None) -> str:
    """Describe a fault of the data and its duration, the kind of incident first."""
    count = _count(bars, "bar")
    if kind not in FAULT_SENTENCES:
        return f"{kind} for {count}"
    return FAULT_SENTENCES[kind].format(bars=count, repeat="repeats" if bars == 1 else "repeat")


def _why(failed: FailedGate) -> str:
    if failed.fault is not None:
        return describe_fault(failed.fault, failed.value)
    if failed.gate not in GATE_SENTENCES:
        return f"{failed.gate} did not pass"
    if failed.gate == "proven skill" and failed.value is None:
        return "the lower bound of its skill is not measured yet and must be above 0"
    return GATE_SENTENCES[failed.gate].format(
        value=_number(failed.value), limit=_number(failed.limit), bars=_count(failed.value, "bar"), phases=_count(failed.value, "phase")
    )


def _closer_to_flat(facts: DecisionFacts) -> bool:
    return facts.position is not None and facts.target is not None and abs(facts.target) < abs(facts.position)


def _share(share: float | None) -> str:
    if share is None:
        return "an unknown position"
    return "no position" if abs(share) < 5e-5 else f"{units.format_percent(share, signed=True)} of equity"


def _count(value: float | None, thing: str) -> str:
    return f"an unknown number of {thing}s" if value is None else units.format_count(round(value), thing)


def _number(value: float | None) -> str:
    if value is None:
        return "an unknown number"
    return units.format_number(value, 0 if value == round(value) else 2)


def _gates(gates: list[str]) -> str:
    return "this gate" if len(gates) == 1 else "these gates"


def _names(gates: list[str]) -> str:
    return gates[0] if len(gates) == 1 else ", ".join(gates[:-1]) + " and " + gates[-1] if gates else ""
