"""Rules in words: when they fire and clear, with levels and times in their units."""

from __future__ import annotations

from engine import units
from engine.domain.rules import ERROR, PERFORMANCE, SCHEDULE, Rule
from pages.optimizer.text import metric_label

_UNITS = (("_bytes_per_s", "bytes/s"), ("_per_s", "1/s"), ("_bytes", "bytes"), ("_percent", "%"), ("_ms", "ms"))


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
