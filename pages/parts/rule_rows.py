"""Rules in words: what makes one fire, what clears it, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.domain.rules import ERROR, PERFORMANCE, SCHEDULE, Rule
from pages.parts import ages, theme, units
from pages.parts.oprows import metric, plain
from pages.parts.tables import Cell, Column, Line

RULES = (
    Column("Rule", whole=True), Column("Fires", whole=True), Column("Clears", whole=True), Column("Quiet after", right=True),
    Column("May call", whole=True), Column("From", nowrap=True), Column("Now", nowrap=True),
)  # fmt: skip
DEFAULT, FILE, HERE = "default", "podium.toml", "changed here"
_UNITS = (("_bytes_per_s", "bytes/s"), ("_per_s", "1/s"), ("_bytes", "bytes"), ("_percent", "%"), ("_ms", "ms"))


@dataclass(frozen=True, slots=True)
class Origin:
    """A rule in force, where it comes from, and what it is without the change made here."""

    rule: Rule
    source: str  # default, podium.toml, changed here
    base: Rule | None  # None for one that was made here
    by: str = ""
    reason: str = ""
    changed_at: int | None = None


def rows(found: Sequence[Origin], states: dict[str, str], now: int) -> list[Line]:
    """A row a rule; `states` is the newest word of each."""
    return [_row(one, states.get(one.rule.name), now) for one in found]


def fires(rule: Rule) -> str:
    """What makes it fire."""
    if rule.kind == SCHEDULE:
        return f"at {rule.cron} (minute hour day month weekday, UTC)"
    what = metric(rule.metric)
    if rule.kind == PERFORMANCE:
        return f"{what} {'above' if rule.above else 'below'} its own usual level, by a change-point test on blocks of {span(rule.span)}"
    side, level = "above" if rule.above else "below", amount(rule.level, rule.metric)
    if rule.growth:
        return f"{what} grows by more than {level} an hour, over {span(rule.span)}"
    if rule.kind == ERROR:
        return f"{what} {side} {level}, mean of {span(rule.span)}"
    return f"{what} {side} {level}" + (f" for {span(rule.hold)}" if rule.hold else "")


def clears(rule: Rule) -> str:
    """What ends it."""
    if rule.kind == SCHEDULE:
        return "at once"
    if rule.kind == PERFORMANCE:
        return "back at the usual level, or when the new level has become the usual one"
    level = rule.level if rule.recovery is None else rule.recovery
    held = f" for {span(rule.hold)}" if rule.hold else ""
    return f"{'at or below' if rule.above else 'at or above'} {amount(level, rule.metric)}{' an hour' if rule.growth else ''}{held}"


def amount(value: float | None, name: str) -> str:
    """A figure of a metric in its unit."""
    unit = unit_of(name)
    return units.reading(value, unit) if unit in {"bytes", "bytes/s"} else units.size(value, "" if unit == "count" else unit)


def unit_of(name: str) -> str:
    """A metric's unit, as its name says."""
    return next((unit for end, unit in _UNITS if name.endswith(end)), "count")


def span(seconds: float) -> str:
    return units.age(seconds) if seconds >= 1 else f"{seconds:g} s"


def typed(seconds: float) -> str:
    """A span as it is typed: 30s, 5m, 1h."""
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _row(one: Origin, state: str | None, now: int) -> Line:
    rule = one.rule
    since = "" if one.changed_at is None else f"{ages.since(one.changed_at, now)} ago by {one.by}"
    source = Cell(one.source, theme.UP if one.source == HERE else None, small=since)
    quiet = span(rule.cooldown) if rule.kind != SCHEDULE else units.MISSING
    calls = ", ".join(plain(name) for name in rule.candidates) or "nothing, it only tells"
    cells = (Cell(plain(rule.name), small=rule.about), fires(rule), clears(rule), quiet, calls, source, _state(rule, state))
    return Line(rule.name, cells)


def _state(rule: Rule, state: str | None) -> Cell:
    if not rule.enabled:
        return Cell("off", theme.NEUTRAL)
    word = {"fired": "fires", "no data": "no data"}.get(state or "", "quiet")
    return Cell(word, {"fires": theme.WARNING, "no data": theme.NEUTRAL}.get(word, theme.GOOD))
