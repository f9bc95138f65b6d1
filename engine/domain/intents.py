"""The intent of a decision and its reason, from the position, the target, the gates and the limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

OPEN, ADD, CUT, CLOSE, HOLD = INTENTS = ("open", "add", "cut", "close", "hold")
FLAT = 1e-12  # share of equity at or below which the position counts as closed
UNKNOWN = "reason not recorded"
FLATTENED = "flattened by command"
NEAR = 1e-5  # share of the position below which a sizing step has not reduced it, because steps are stored in single precision

HOLD_REASONS = {  # failed gates, as the reason for a hold
    "fresh data": "data not fresh",
    "not paused": "paused",
    "no degraded phase": "a phase fell back",
    "valid book": "no valid book",
    "not flattened": FLATTENED,
    "history": "too little history",
    "spread": "spread too wide",
    "active models": "too few models",
    "proven skill": "skill not proven",
    "in distribution": "inputs out of distribution",
    "agreement": "models disagree",
    "edge above cost": "edge below cost",
    "cooldown": "cooldown after a loss",
    "daily loss": "daily loss limit",
    "drawdown": "drawdown limit",
    "minimum trade": "change too small",
    "risk limits": "no room in limits",
    "minimum order": "below the minimum order",
}
LIMIT_REASONS = {  # limits of the sizing, as the reason for a smaller position
    "new version": "new model version",
    "position": "position limit",
    "spot, no shorts": "no shorts on spot",
    "joint sizing": "correlated symbols",
    "correlated cluster": "correlated cluster",
    "volatility target": "volatility target",
    "expected shortfall": "expected shortfall",
    "gross exposure": "gross exposure limit",
    "net exposure": "net exposure limit",
    "daily loss": "daily loss limit",
    "drawdown": "drawdown limit",
    "participation": "participation limit",
}
_OF_FORECAST = ("wanted", "kelly fraction", "proven skill", "new version", "cost")  # steps that scale the forecast, before any limit
Steps = Mapping[str, float | None]


def classify_intent(position: float | None, target: float | None) -> str:
    """Return what a decision does to a position, both as shares of equity; an unknown share counts as 0.

    A reversal closes the position and opens the opposite one with one order. It takes new risk, which needs every gate, so it is an "open".
    """
    before, after = _known(position), _known(target)
    if before == after:
        return HOLD
    if abs(after) <= FLAT:
        return CLOSE
    if abs(before) <= FLAT or before * after < 0.0:
        return OPEN
    return ADD if abs(after) > abs(before) else CUT


def explain_intent(position: float | None, target: float | None, failed: Sequence[str], steps: Steps) -> str:
    """Return the reason of a decision: the binding gate of a hold, the edge of an open or add, the limit or forecast of a cut or close.

    `failed` names the gates that failed, in order; `steps` holds the desired size and the size after each limit.
    """
    intent = classify_intent(position, target)
    if intent == HOLD:
        return phrase_gate(failed[0]) if failed else "no gate failed"
    if "not flattened" in failed:
        return FLATTENED
    if any(steps.get(name) is None for name in _OF_FORECAST):
        return UNKNOWN
    if intent in {OPEN, ADD}:
        limit = _limiting(steps)
        return "edge above cost" + (f", limited by {LIMIT_REASONS[limit]}" if limit else "")
    return _reducing(_known(position), steps)


def phrase_gate(gate: str) -> str:
    """Return a failed gate as a reason."""
    return HOLD_REASONS.get(gate, gate)


def _known(share: float | None) -> float:
    return share if share is not None and math.isfinite(share) else 0.0


def _limiting(steps: Steps) -> str | None:
    """Return the last limit that reduced the position below the size by the forecast alone."""
    last, before = None, abs(steps["cost"] or 0.0)
    for name, value in steps.items():
        if name in LIMIT_REASONS and name not in _OF_FORECAST and value is not None:
            last = name if abs(value) < before * (1.0 - NEAR) else last
            before = abs(value)
    return last


def _reducing(position: float, steps: Steps) -> str:
    """Return the step that reduced the position most, as a reason."""
    side, size = (1.0 if position > 0.0 else -1.0), abs(position)
    left, most, reason = size, NEAR * size, ""
    for name, value in steps.items():
        if value is None or name in _OF_FORECAST[:-1]:
            continue
        remaining = min(left, max(0.0, value * side))
        if left - remaining > most:
            most, reason = left - remaining, name
        left = remaining
    if not reason:
        return UNKNOWN
    return _forecast(side, size, steps) if reason == "cost" else LIMIT_REASONS.get(reason, reason)


def _forecast(side: float, size: float, steps: Steps) -> str:
    """Return how the forecast behind the position changed, as a reason."""
    desired, fraction, skilled, versioned = (side * (steps[name] or 0.0) for name in _OF_FORECAST[:-1])
    if fraction != 0.0 and skilled == 0.0:
        return HOLD_REASONS["proven skill"]
    if desired == 0.0:
        return "no forecast"
    if desired < 0.0:
        return "forecast turned"
    if skilled >= size > versioned:
        return LIMIT_REASONS["new version"]
    return "forecast weaker"
