"""A decision in plain words, made of its own numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.domain.intents import ADD, CUT, FLAT, OPEN, classify_intent
from engine.domain.record import Record

FORECAST_GATES = frozenset({"edge above cost", "minimum trade", "minimum order"})  # that a change of the forecast alone can open
GATE_SENTENCES = {  # what a gate that did not pass means; {value} and {limit} are its own
    "fresh data": "the last fresh bar is {value} bars old",
    "not paused": "the engine is paused",
    "no degraded phase": "{value} phases fell back",
    "valid book": "the book is crossed, malformed or missing",
    "not flattened": "the engine was told to stay flat",
    "history": "only {value} of the {limit} bars it needs are known",
    "spread": "the spread of {value} bps is above {limit} bps",
    "active models": "{value} models are heard and {limit} are needed",
    "proven skill": "the lower bound of its skill is {value} % and must be above 0",
    "in distribution": "{value} % of the features are outside what the models were trained on, {limit} % at most may be",
    "agreement": "{value} % of the trusted votes agree and {limit} % must",
    "edge above cost": "the expected move of {value} bps does not reach the {limit} bps that a round trip costs",
    "cooldown": "the last losing trade was {value} bars ago and {limit} must pass",
    "daily loss": "the day has lost {value} % and {limit} % is the limit",
    "drawdown": "equity is {value} % below its peak and {limit} % is the limit",
    "minimum trade": "the change of {value} % of equity is below the smallest worth an order, {limit} %",
    "risk limits": "the limits of the portfolio leave {value} % of equity where {limit} % is needed",
    "minimum order": "the order is worth {value} in whole lots and the venue takes none below {limit}",
}
FAULT_SENTENCES = {  # what a fault of the data means that shuts "fresh data", by the name of its incident; {bars} is how long it has lasted
    "halt": "halt: no volume for {bars}",
    "stale": "stale feed: {bars} {repeat} exactly",
    "flat-filled": "flat-filled bars: no volume for {bars}",
    "gap": "gap in the data: {bars} missing",
    "clock skew": "clock skew: the clock of the data has been off for {bars}",
    "volume-feed change": "volume-feed change: volume has been counted in another way for {bars}",
    "stale book": "stale book: it has stayed the same over {bars} with trades",
}


PROVEN, LAPSED, NOT_PROVEN, UNKNOWN = "proven", "gone", "not proven", "unknown"  # of skill


@dataclass(frozen=True, slots=True)
class FailedGate(Record):
    """A gate that did not pass; None where a number is not known."""

    gate: str
    value: float | None
    limit: float | None
    fault: str | None = None  # of the data, as its incident is named, where it shut the gate


@dataclass(frozen=True, slots=True)
class DecisionFacts(Record):
    """What there is to say about one decision of one symbol; None where a number is not known."""

    action: str  # hold, buy, sell
    position: float | None  # share of equity before
    target: float | None  # share of equity after
    horizon: int  # bars, of the forecast acted on
    expected_bps: float | None  # None where no model was heard
    low_bps: float | None  # of a 90 % interval
    high_bps: float | None
    cost_bps: float | None  # of a round trip
    failed_gates: tuple[FailedGate, ...]  # in the order of the ladder; the first is the one that binds
    edge_to_flip_bps: float | None  # smallest change of the expected move that would change the action, were the other gates passed
    reason: str = ""  # why it acted, as engine.domain.intents has it
    inherited: float | None = None  # share of the proven size that the serving versions of the models may use; None where none is proven


def explain_decision(facts: DecisionFacts) -> tuple[str, ...]:
    """Sentences: what is expected, what was done and why, and what would have changed it."""
    told = (_expectation(facts), _deed(facts), _version(facts), _counterfactual(facts))
    return tuple(sentence for sentence in told if sentence)


def _expectation(facts: DecisionFacts) -> str:
    bars = "the next bar" if facts.horizon == 1 else f"the next {facts.horizon} bars"
    if facts.expected_bps is None:
        return f"No model was heard, so nothing is expected of {bars}."
    reach = "" if facts.low_bps is None or facts.high_bps is None else f" ({facts.low_bps:+.1f} to {facts.high_bps:+.1f}, 90 %)"
    cost = "" if facts.cost_bps is None else f" A round trip costs {facts.cost_bps:.1f} bps."
    return f"The ensemble expects {facts.expected_bps:+.1f} bps over {bars}{reach}.{cost}"


def _deed(facts: DecisionFacts) -> str:
    if facts.action == "hold":
        return f"It holds {_share(facts.position)}: {_why(facts.failed_gates[0])}." if facts.failed_gates else f"It holds {_share(facts.position)}."
    verb = "buys" if facts.action == "buy" else "sells"
    done = f"It {verb}, from {_share(facts.position)} to {_share(facts.target)}, {_purpose(facts)}"
    because = f": {facts.reason}" if facts.reason else ""
    if facts.failed_gates and _closer_to_flat(facts):
        return f"{done}{because}. Nothing may be added: {_why(facts.failed_gates[0])}."
    return f"{done}{because}. Every gate passed." if not facts.failed_gates else f"{done}{because}."


def _purpose(facts: DecisionFacts) -> str:
    """What the order is for; one that turns a position round says both halves."""
    intent = classify_intent(facts.position, facts.target)
    if intent == OPEN and abs(facts.position or 0.0) > FLAT:
        return "to close the position and open the other way"
    return {OPEN: "to open a position", ADD: "to add to the position", CUT: "to cut the position"}.get(intent, "to close the position")


def judge_skill(whole: Sequence[float | None], bounds: Sequence[float | None]) -> str:
    """Whether skill is proven now.

    `whole` are lower bounds of the ensemble's R2 over the whole session, `bounds` those that sizes rest on, which are never above what skill was
    worth lately: both by horizon, None where they are not known. Skill that the session proves and the bounds deny has gone.
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
        f"they may use {facts.inherited * 100:.0f} % of the proven size until their own record allows more."
    )


def _counterfactual(facts: DecisionFacts) -> str:
    others = [shut.gate for shut in facts.failed_gates if shut.gate not in FORECAST_GATES]
    if facts.edge_to_flip_bps is None or not math.isfinite(facts.edge_to_flip_bps):
        return f"No other forecast would have changed that: {_names(others)} must pass first." if others else ""
    direction = "higher" if facts.edge_to_flip_bps > 0 else "lower"
    would = "held" if facts.action != "hold" else "bought" if facts.edge_to_flip_bps > 0 else "sold"
    also = f" and had {_names(others)} passed" if others and facts.action == "hold" else ""
    return f"It would have {would} had the expected move been {abs(facts.edge_to_flip_bps):.1f} bps {direction}{also}."


def describe_fault(kind: str, bars: float | None) -> str:
    """A fault of the data with the number of bars it has lasted, the name of its incident first."""
    count = "an unknown number of bars" if bars is None else "1 bar" if bars == 1 else f"{bars:.0f} bars"
    if kind not in FAULT_SENTENCES:
        return f"{kind} for {count}"
    return FAULT_SENTENCES[kind].format(bars=count, repeat="repeats" if bars == 1 else "repeat")


def _why(shut: FailedGate) -> str:
    if shut.fault is not None:
        return describe_fault(shut.fault, shut.value)
    if shut.gate not in GATE_SENTENCES:
        return f"{shut.gate} did not pass"
    return GATE_SENTENCES[shut.gate].format(value=_number(shut.value), limit=_number(shut.limit))


def _closer_to_flat(facts: DecisionFacts) -> bool:
    return facts.position is not None and facts.target is not None and abs(facts.target) < abs(facts.position)


def _share(share: float | None) -> str:
    if share is None:
        return "an unknown position"
    return "nothing" if abs(share) < 5e-5 else f"{share * 100:+.1f} % of equity"


def _number(value: float | None) -> str:
    if value is None:
        return "an unknown number"
    return f"{value:.0f}" if value == round(value) else f"{value:.2f}"


def _names(gates: list[str]) -> str:
    return gates[0] if len(gates) == 1 else ", ".join(gates[:-1]) + " and " + gates[-1] if gates else ""
