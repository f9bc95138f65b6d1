"""The schema of a rule as podium.toml and commands write it: reading refuses in one line, and a rule can be written again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from engine.domain.rules import ERROR, MODES, RULE_KINDS, SCHEDULE, THRESHOLD, Rule
from engine.domain.texts import shorten
from engine.optimizer import cron
from engine.schema import Reader, SchemaError, limits, parameters_of, read_value, suggest

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
MAX_NAME_BYTES = 100  # letters of an action
_YEAR = 365.0 * 86_400.0


def _duration(low: float, about: str) -> Meta:
    return limits(low, _YEAR, "s", about, remedy=f"seconds of at least {low:g}, or 30s, 5m, 1h, 1d", form="duration")


def _level(about: str) -> Meta:
    return limits(help=about, form="level", remedy="a number, or none", unit="unit of the metric")


class RuleWords(Struct, frozen=True, kw_only=True):
    """What a rule may be given; what is unset stays as the default or an earlier change has it."""

    kind: Annotated[Literal["threshold", "performance", "error", "schedule"], limits(help="what the rule looks for")] | UnsetType = UNSET
    metric: Annotated[str, limits(help="metric to watch, as source.name", letters=120, form="text")] | UnsetType = UNSET
    above: Annotated[float, _level("level that the metric must not exceed")] | UnsetType | None = UNSET
    below: Annotated[float, _level("level that the metric must not fall below")] | UnsetType | None = UNSET
    recovery: Annotated[float, _level("level at which the trouble ends; none for the level itself")] | UnsetType | None = UNSET
    growth: Annotated[bool, limits(help="whether the level is of the growth per hour")] | UnsetType = UNSET
    hold: Annotated[float, _duration(0.0, "time beyond the level before the rule fires")] | UnsetType = UNSET
    missing: Annotated[float, _duration(3.0, "time without a sample before the rule reports no data")] | UnsetType = UNSET
    cooldown: Annotated[float, _duration(1.0, "time between two firings")] | UnsetType = UNSET
    longest: Annotated[float, _duration(1.0, "the cooldown at most")] | UnsetType = UNSET
    span: Annotated[float, _duration(1.0, "time of a mean, a block or a growth")] | UnsetType = UNSET
    baseline: (
        Annotated[int, limits(40, 10_000, "blocks", "blocks that are the usual, at most", remedy="a whole number of blocks from 40 to 10,000")]
        | UnsetType
    ) = UNSET
    every: Annotated[
        float, limits(100.0, None, "blocks", "blocks between two false alarms, on average", remedy="at least 100 blocks between two false alarms")
    ] | (UnsetType) = UNSET
    cron: Annotated[str, limits(help="minute hour day month weekday, UTC", letters=120, form="text")] | UnsetType = UNSET
    actions: (
        Annotated[tuple[str, ...], limits(help="actions that may answer", form="actions", remedy="names of actions separated by commas")] | UnsetType
    ) = UNSET
    about: Annotated[str, limits(help="one sentence about the rule", letters=200, form="text")] | UnsetType = UNSET
    enabled: Annotated[bool, limits(help="whether the rule is on")] | UnsetType = UNSET


_SCHEMA = parameters_of(RuleWords)
RULE_KEYS = tuple(_SCHEMA)


def parse_rule(name: str, fields: Mapping[str, object], base: Rule | None, known: tuple[str, ...]) -> Rule:
    """Read the rule that `fields` make of `base`; without a base a new one. `known` are the actions there are.

    Raises ValueError in one line with the value and the remedy.
    """
    _require_fields(name, fields, base)
    changes: dict[str, Any] = {}
    for key, value in fields.items():
        changes |= _change(key, read_value(_SCHEMA[key], f"rule {name}: {key}", value, READERS))
    if "level" in changes and "recovery" not in changes and base is not None and changes.get("above", base.above) != base.above:
        changes["recovery"] = None  # it belonged to the other side
    rule = replace(Rule(name, "") if base is None else base, **changes)
    _require_sound(rule)
    for action in changes.get("candidates", ()):
        _require_action(action, known)
    return rule


def parse_mode(action: str, mode: object, known: tuple[str, ...]) -> str:
    """Read the mode of an action; raises ValueError in one line."""
    _require_action(action, known)
    if mode not in MODES:
        raise ValueError(f"mode of {action} is {shorten(mode)}: give {', '.join(MODES)}")
    return str(mode)


def serialise_rule(rule: Rule) -> dict[str, str]:
    """Return every field of a rule as text, as a command takes it."""
    omitted = {"name", "level", "candidates", "above"}
    fields = {key: value for key, value in asdict(rule).items() if key not in omitted and value is not None}
    fields |= {("above" if rule.above else "below"): "none" if rule.level is None else rule.level, "actions": ",".join(rule.candidates)}
    fields["recovery"] = "none" if rule.recovery is None else rule.recovery  # omitted, it would be that of the rule below
    return {key: _write_field(value) for key, value in fields.items()}


def _write_field(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _change(key: str, value: Any) -> dict[str, Any]:
    """Return the fields of a Rule that one argument sets."""
    if key in {"above", "below"}:
        return {"above": key == "above", "level": value}
    return {"candidates" if key == "actions" else key: value}


def _require_fields(name: str, fields: Mapping[str, object], base: Rule | None) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", name):
        raise ValueError(f"{shorten(name)} is no name for a rule: give small letters, digits and _")
    for key in fields:
        if key not in _SCHEMA:
            raise ValueError(f"rule {name} has an unknown key {shorten(key)}: {suggest(key, RULE_KEYS, 'give')}")
    if "above" in fields and "below" in fields:
        raise ValueError(f"rule {name} is given both above and below: give one")
    if base is None and "kind" not in fields:
        raise ValueError(f"rule {name} is new: give its kind, one of {', '.join(RULE_KINDS[:-1])}")


def _require_action(action: str, known: tuple[str, ...]) -> None:
    if action not in known:
        raise ValueError(f"no action is called {shorten(action)}: {suggest(action, known, 'there are', cutoff=0.6)}")


def _require_sound(rule: Rule) -> None:
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


def _read_text(name: str, value: object) -> str:
    longest = _SCHEMA[name.rpartition(" ")[2]].bounds.high or 0
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise SchemaError(f"{name} is {shorten(value)}: give a text of at most {longest:g} characters")
    return value.strip()


def _read_level(name: str, value: object) -> float | None:
    if value == "none":
        return None
    number = _as_number(value)
    if not math.isfinite(number):
        raise SchemaError(f"{name} is {shorten(value)}: give a number")
    return number


def _read_duration(name: str, value: object) -> float:
    """Seconds, of '30s', '5m', '1h', '1d' or a number."""
    parameter = _SCHEMA[name.rpartition(" ")[2]]
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", value.strip(), re.ASCII) if isinstance(value, str) else None
    seconds = float(match[1]) * _SECONDS[match[2]] if match else _as_number(value)
    if not (parameter.bounds.low or 0.0) <= seconds <= _YEAR:
        raise SchemaError(f"{name} is {shorten(value)}: give {parameter.wanted}")
    return seconds


def _read_actions(name: str, value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) and len(part) <= MAX_NAME_BYTES for part in parts):
        raise SchemaError(f"{name} is {shorten(value)}: give names of actions separated by commas")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _as_number(value: object) -> float:
    """NaN where it is none."""
    if isinstance(value, bool) or (isinstance(value, str) and not value.isascii()):
        return math.nan
    try:
        return float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        return math.nan


READERS: dict[str, Reader] = {"text": _read_text, "level": _read_level, "duration": _read_duration, "actions": _read_actions}
