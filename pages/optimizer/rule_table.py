"""Rules in words: what makes one fire, what clears it, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine import units
from engine.domain.rules import ERROR, PERFORMANCE, SCHEDULE, Rule
from pages.ui import ages, theme
from pages.ui.command_table import metric_label, readable_name
from pages.ui.tables import Cell, Column, TableRow

RULES = (
    Column("Rule", full_width=True), Column("Fires", full_width=True), Column("Clears", full_width=True), Column("Quiet after", right=True),
    Column("May call", full_width=True), Column("From", nowrap=True), Column("Now", nowrap=True),
)  # fmt: skip
DEFAULT, FILE, HERE = "default", "podium.toml", "changed here"
_UNITS = (("_bytes_per_s", "bytes/s"), ("_per_s", "1/s"), ("_bytes", "bytes"), ("_percent", "%"), ("_ms", "ms"))


@dataclass(frozen=True, slots=True)
class RuleSource:
    """A rule in force, where it comes from, and what it is without the change made here."""

    rule: Rule
    source: str  # default, podium.toml, changed here
    base: Rule | None  # None for one that was made here
    by: str = ""
    reason: str = ""
    changed_at: int | None = None


def list_rules(found: Sequence[RuleSource], states: dict[str, str], now: int) -> list[TableRow]:
    """A row a rule; `states` is the newest word of each."""
    return [_row(one, states.get(one.rule.name), now) for one in found]


def describe_firing(rule: Rule) -> str:
    """What makes it fire."""
    if rule.kind == SCHEDULE:
        return f"at {rule.cron} (minute hour day month weekday, UTC)"
    what = metric_label(rule.metric)
    if rule.kind == PERFORMANCE:
        return f"{what} {'above' if rule.above else 'below'} its own usual level, by a change-point test on blocks of {format_span(rule.span)}"
    side, level = "above" if rule.above else "below", format_level(rule.level, rule.metric)
    if rule.growth:
        return f"{what} grows by more than {level} an hour, over {format_span(rule.span)}"
    if rule.kind == ERROR:
        return f"{what} {side} {level}, mean of {format_span(rule.span)}"
    return f"{what} {side} {level}" + (f" for {format_span(rule.hold)}" if rule.hold else "")


def describe_clearing(rule: Rule) -> str:
    """What ends it."""
    if rule.kind == SCHEDULE:
        return "at once"
    if rule.kind == PERFORMANCE:
        return "back at the usual level, or when the new level has become the usual one"
    level = rule.level if rule.recovery is None else rule.recovery
    held = f" for {format_span(rule.hold)}" if rule.hold else ""
    return f"{'at or below' if rule.above else 'at or above'} {format_level(level, rule.metric)}{' an hour' if rule.growth else ''}{held}"


def format_level(value: float | None, name: str) -> str:
    """A figure of a metric in its unit."""
    unit = metric_unit(name)
    return units.format_reading(value, unit) if unit in {"bytes", "bytes/s"} else units.format_quantity(value, "" if unit == "count" else unit)


def metric_unit(name: str) -> str:
    """A metric's unit, as its name says."""
    return next((unit for end, unit in _UNITS if name.endswith(end)), "count")


def format_span(seconds: float) -> str:
    return units.format_age(seconds) if seconds >= 1 else f"{seconds:g} s"


def format_span_input(seconds: float) -> str:
    """A span as it is typed: 30s, 5m, 1h."""
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _row(one: RuleSource, state: str | None, now: int) -> TableRow:
    rule = one.rule
    since = "" if one.changed_at is None else f"{ages.ticking_age(one.changed_at, now)} ago by {one.by}"
    source = Cell(one.source, theme.UP if one.source == HERE else None, small=since)
    quiet = format_span(rule.cooldown) if rule.kind != SCHEDULE else units.MISSING
    calls = ", ".join(readable_name(name) for name in rule.candidates) or "nothing, it only tells"
    cells = (
        Cell(readable_name(rule.name), small=rule.about),
        describe_firing(rule),
        describe_clearing(rule),
        quiet,
        calls,
        source,
        _state(rule, state),
    )
    return TableRow(rule.name, cells)


def _state(rule: Rule, state: str | None) -> Cell:
    if not rule.enabled:
        return Cell("off", theme.NEUTRAL)
    word = {"fired": "fires", "no data": "no data"}.get(state or "", "quiet")
    return Cell(word, {"fires": theme.WARNING, "no data": theme.NEUTRAL}.get(word, theme.GOOD))
