"""Rules in force: their sources, their levels in words, and the table of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from engine import units
from engine.domain.rules import ERROR, PERFORMANCE, SCHEDULE, Rule
from engine.optimizer.default_rules import DEFAULT_RULES
from engine.optimizer.rule_schema import parse_rule
from pages.optimizer.text import metric_label
from pages.ui import ages, cache, theme
from pages.ui.command_table import readable_name
from pages.ui.tables import Cell, Column, TableRow

COLUMNS = (
    Column("Rule", full_width=True), Column("Fires", full_width=True), Column("Clears", full_width=True), Column("Cooldown", right=True),
    Column("Actions", full_width=True, term="optimizer action"), Column("Source", nowrap=True), Column("State", nowrap=True),
)  # fmt: skip
DEFAULT, FILE, HERE = "default", "podium.toml", "changed here"
_UNITS = (("_bytes_per_s", "bytes/s"), ("_per_s", "1/s"), ("_bytes", "bytes"), ("_percent", "%"), ("_ms", "ms"))


@dataclass(frozen=True, slots=True)
class RuleSource:
    """A rule in force, its source, and the rule without the change made on the page."""

    rule: Rule
    source: str  # default, podium.toml, changed here
    base: Rule | None  # None for a rule created on the page
    by: str = ""
    reason: str = ""
    changed_at: int | None = None


def fetch_rules(actions: Sequence[str]) -> list[RuleSource]:
    """Return every rule in force with its source."""
    return merge_rules(_rules_of_file(), cache.fetch_rule_overrides(), actions)


def fetch_rules_by_name(actions: Sequence[str]) -> dict[str, Rule]:
    return {source.rule.name: source.rule for source in fetch_rules(actions)}


def fetch_newest_states() -> dict[str, str]:
    """Return fired, cleared or no data, by rule."""
    states = cache.fetch_rule_states()
    return dict(zip(states["rule"].tolist(), states["state"].tolist(), strict=True))


def merge_rules(from_file: Sequence[Rule], overrides: pd.DataFrame, actions: Sequence[str]) -> list[RuleSource]:
    """Return the defaults, overridden by podium.toml, overridden by the changes made on the page."""
    sources: dict[str, RuleSource] = {rule.name: RuleSource(rule, DEFAULT, rule) for rule in DEFAULT_RULES}
    for rule in from_file:
        sources[rule.name] = RuleSource(rule, FILE, rule)
    for override in overrides.to_dict("records"):
        name = str(override["name"])
        before = sources.get(name)
        allowed = (*actions, *(before.rule.candidates if before else ()))
        fields = json.loads(str(override["data"]))
        try:
            rule = parse_rule(name, fields, before.rule if before else None, allowed)
        except ValueError:
            continue  # the engine ignores an unreadable override as well
        changed = (str(override["by"]), str(override["reason"]), int(override["changed_at"]))
        sources[name] = RuleSource(rule, HERE, before.rule if before else None, *changed)
    return list(sources.values())


def list_rules(sources: Sequence[RuleSource], states: Mapping[str, str], now: int) -> list[TableRow]:
    """Return a row per rule; `states` holds the newest state of each."""
    return [_row(source, states.get(source.rule.name), now) for source in sources]


def describe_firing(rule: Rule) -> str:
    """Describe the condition under which the rule fires."""
    if rule.kind == SCHEDULE:
        return f"at {rule.cron} (minute hour day month weekday, UTC)"
    metric = metric_label(rule.metric)
    side, level = "above" if rule.above else "below", format_level(rule.level, rule.metric)
    if rule.kind == PERFORMANCE:
        return f"{metric} {side} its own baseline, by a change-point test on blocks of {format_span(rule.span)}"
    if rule.growth:
        return f"{metric} grows by more than {level} per hour, over {format_span(rule.span)}"
    if rule.kind == ERROR:
        return f"{metric} {side} {level}, mean of {format_span(rule.span)}"
    return f"{metric} {side} {level}" + (f" for {format_span(rule.hold)}" if rule.hold else "")


def describe_clearing(rule: Rule) -> str:
    """Describe the condition under which the rule clears."""
    if rule.kind == SCHEDULE:
        return "at once"
    if rule.kind == PERFORMANCE:
        return "back at the baseline, or when the new level has become the baseline"
    level = format_level(rule.level if rule.recovery is None else rule.recovery, rule.metric)
    hold = f" for {format_span(rule.hold)}" if rule.hold else ""
    return f"{'at or below' if rule.above else 'at or above'} {level}{' per hour' if rule.growth else ''}{hold}"


def format_level(value: float | None, metric: str) -> str:
    """Format a level of a metric in its unit."""
    unit = metric_unit(metric)
    return units.format_reading(value, unit) if unit in {"bytes", "bytes/s", "ms"} else units.format_quantity(value, "" if unit == "count" else unit)


def metric_unit(name: str) -> str:
    """Return a metric's unit from its name."""
    return next((unit for end, unit in _UNITS if name.endswith(end)), "count")


def format_span(seconds: float) -> str:
    return units.format_age(seconds) if seconds >= 1 else f"{seconds:g} s"


def format_span_input(seconds: float) -> str:
    """Format a span as it is typed: 30s, 5m, 1h."""
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _rules_of_file() -> list[Rule]:
    """Return the rules of podium.toml from the settings that the engine stored."""
    session = cache.fetch_status().session
    stored = session.settings.get("rules") if session is not None else None
    return [Rule(**{**rule, "candidates": tuple(rule["candidates"])}) for rule in stored or () if isinstance(rule, dict)]


def _row(source: RuleSource, state: str | None, now: int) -> TableRow:
    rule = source.rule
    changed = "" if source.changed_at is None else f"{ages.ticking_age(source.changed_at, now)} ago by {source.by}"
    cells = (
        Cell(readable_name(rule.name), small=rule.about),
        describe_firing(rule),
        describe_clearing(rule),
        format_span(rule.cooldown) if rule.kind != SCHEDULE else units.MISSING,
        ", ".join(readable_name(name) for name in rule.candidates) or "none, reports only",
        Cell(source.source, theme.UP if source.source == HERE else None, small=changed),
        _state(rule, state),
    )
    return TableRow(rule.name, cells)


def _state(rule: Rule, state: str | None) -> Cell:
    if not rule.enabled:
        return Cell("off", theme.NEUTRAL)
    word = {"fired": "fires", "no data": "no data"}.get(state or "", "clear")
    return Cell(word, {"fires": theme.WARNING, "no data": theme.NEUTRAL}.get(word, theme.GOOD))
