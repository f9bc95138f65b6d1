"""A rule as it is written, in podium.toml and in a command: read with one clear line for what is wrong, and written again."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from difflib import get_close_matches
from typing import Any

from engine.domain.rules import ERROR, MODES, PERFORMANCE, RULE_KINDS, SCHEDULE, THRESHOLD, Rule
from engine.optimizer import cron

RULE_KEYS = (
    "kind", "metric", "above", "below", "recovery", "growth", "hold", "missing", "cooldown", "longest", "span", "baseline", "every", "cron",
    "actions", "about", "enabled",
)  # fmt: skip
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_YEAR = 365.0 * 86_400.0
MOST_BASELINE = 10_000


def parse_rule(name: str, told: Mapping[str, object], base: Rule | None, known: tuple[str, ...]) -> Rule:
    """The rule `base` with what was told in its place; without a base a new one. `known` are the actions there are.

    Raises ValueError in one line with the value and the remedy.
    """
    _demand_words(name, told, base)
    changes: dict[str, Any] = {}
    for key, value in told.items():
        changes |= _READERS[key](f"rule {name}: {key}", value)
    if "level" in changes and "recovery" not in changes and base is not None and changes.get("above", base.above) != base.above:
        changes["recovery"] = None  # it belonged to the other side
    rule = replace(Rule(name, "") if base is None else base, **changes)
    _demand_sound(rule)
    for action in changes.get("candidates", ()):
        _demand_action(action, known)
    return rule


def _demand_words(name: str, told: Mapping[str, object], base: Rule | None) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", name):
        raise ValueError(f"{name[:60]!r} is no name for a rule: give small letters, digits and _")
    for key in told:
        if key not in RULE_KEYS:
            near = get_close_matches(key, RULE_KEYS, n=1, cutoff=0.5)
            raise ValueError(f"rule {name} has an unknown key {key!r}: " + (f"did you mean {near[0]}?" if near else f"give {', '.join(RULE_KEYS)}"))
    if "above" in told and "below" in told:
        raise ValueError(f"rule {name} is given both above and below: give one")
    if base is None and "kind" not in told:
        raise ValueError(f"rule {name} is new: give its kind, one of {', '.join(RULE_KINDS[:-1])}")


def parse_mode(action: str, mode: object, known: tuple[str, ...]) -> str:
    """The mode an action is set to; raises ValueError in one line."""
    _demand_action(action, known)
    if mode not in MODES:
        raise ValueError(f"mode of {action} is {str(mode)[:60]!r}: give {', '.join(MODES)}")
    return str(mode)


def serialise_rule(rule: Rule) -> dict[str, str]:
    """Every word of the rule as a command takes it."""
    left_out = {"name", "level", "candidates", "above"}
    told = {key: value for key, value in asdict(rule).items() if key not in left_out and value is not None}
    told |= {("above" if rule.above else "below"): "none" if rule.level is None else rule.level, "actions": ",".join(rule.candidates)}
    told["recovery"] = "none" if rule.recovery is None else rule.recovery  # left out it would be that of the rule it is laid over
    return {key: _word(value) for key, value in told.items()}


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _demand_action(action: str, known: tuple[str, ...]) -> None:
    if action not in known:
        near = get_close_matches(action, known, n=1)
        raise ValueError(f"no action is called {action[:60]!r}: " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"))


def _demand_sound(rule: Rule) -> None:
    if rule.kind == SCHEDULE:
        cron.parse_schedule(rule.cron)
    elif "." not in rule.metric.strip("."):
        raise ValueError(f"rule {rule.name}: metric is {rule.metric!r}: give source.name, such as host.cpu_percent")
    if rule.kind in {THRESHOLD, ERROR}:
        if rule.level is None:
            raise ValueError(f"rule {rule.name} has no level: give above=X or below=X")
        wrong = rule.recovery is not None and (rule.recovery > rule.level if rule.above else rule.recovery < rule.level)
        if wrong:
            side = "at most" if rule.above else "at least"
            raise ValueError(f"rule {rule.name}: recovery is {rule.recovery:g}: give {side} the level {rule.level:g}")


def _kind(name: str, value: object) -> dict[str, Any]:
    if value not in {THRESHOLD, PERFORMANCE, ERROR, SCHEDULE}:
        raise ValueError(f"{name} is {str(value)[:60]!r}: give {', '.join(RULE_KINDS[:-1])}")
    return {"kind": value}


def _text(field: str, longest: int) -> Callable[[str, object], dict[str, Any]]:
    def read(name: str, value: object) -> dict[str, Any]:
        if not isinstance(value, str) or len(value) > longest or not value.isprintable():
            raise ValueError(f"{name} is {str(value)[:60]!r}: give a text of at most {longest} characters")
        return {field: value.strip()}

    return read


def _level(above: bool) -> Callable[[str, object], dict[str, Any]]:
    def read(name: str, value: object) -> dict[str, Any]:
        return {"above": above, "level": None if value == "none" else _number(name, value)}

    return read


def _recovery(name: str, value: object) -> dict[str, Any]:
    return {"recovery": None if value == "none" else _number(name, value)}


def _number(name: str, value: object) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} is {str(value)[:60]!r}: give a number")
    return number


def _span(field: str, low: float) -> Callable[[str, object], dict[str, Any]]:
    def read(name: str, value: object) -> dict[str, Any]:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", value.strip()) if isinstance(value, str) else None
        seconds = float(found[1]) * _SECONDS[found[2]] if found else _number(f"{name}, a span of time,", value)
        if not low <= seconds <= _YEAR:
            raise ValueError(f"{name} is {str(value)[:60]!r}: give seconds of at least {low:g}, or 30s, 5m, 1h, 1d")
        return {field: seconds}

    return read


def _truth(field: str) -> Callable[[str, object], dict[str, Any]]:
    def read(name: str, value: object) -> dict[str, Any]:
        told = {True: True, False: False, "true": True, "false": False}.get(value) if isinstance(value, bool | str) else None
        if told is None:
            raise ValueError(f"{name} is {str(value)[:60]!r}: give true or false")
        return {field: told}

    return read


def _blocks(name: str, value: object) -> dict[str, Any]:
    number = _number(name, value)
    if number != int(number) or not 40 <= number <= MOST_BASELINE:
        raise ValueError(f"{name} is {str(value)[:60]!r}: give a whole number of blocks from 40 to {MOST_BASELINE:,}")
    return {"baseline": int(number)}


def _every(name: str, value: object) -> dict[str, Any]:
    number = _number(name, value)
    if number < 100.0:
        raise ValueError(f"{name} is {str(value)[:60]!r}: give at least 100 blocks between two false alarms")
    return {"every": number}


def _actions(name: str, value: object) -> dict[str, Any]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError(f"{name} is {str(value)[:60]!r}: give names of actions separated by commas")
    return {"candidates": tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))}


_READERS: dict[str, Callable[[str, object], dict[str, Any]]] = {
    "kind": _kind, "metric": _text("metric", 120), "above": _level(True), "below": _level(False), "recovery": _recovery, "growth": _truth("growth"),
    "hold": _span("hold", 0.0), "missing": _span("missing", 3.0), "cooldown": _span("cooldown", 1.0), "longest": _span("longest", 1.0),
    "span": _span("span", 1.0), "baseline": _blocks, "every": _every, "cron": _text("cron", 120), "actions": _actions, "about": _text("about", 200),
    "enabled": _truth("enabled"),
}  # fmt: skip
