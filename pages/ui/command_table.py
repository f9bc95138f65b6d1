"""Rows of what was operated: actions, trials, commands and alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from engine import units
from engine.domain.optimization import MANUAL, describe_verdict, manual_result
from pages.ui import ages, theme
from pages.ui.tables import Cell, Column, TableRow

WHEN = "%m-%d %H:%M:%S"
MANUAL_LABEL = "by hand"
ACTIONS = (
    Column("Action", nowrap=True), Column("Verdict"), Column("Effect, 95 %", right=True, full_width=True, wrap=True), Column("Cures", nowrap=True),
    Column("Mode"), Column("Licence", full_width=True), Column("Last run", right=True), Column("Run, placebo", right=True),
    Column("On latency", right=True, full_width=True, wrap=True), Column("On honest rate", right=True, full_width=True, wrap=True),
)  # fmt: skip
TRIALS = (
    Column("When", nowrap=True), Column("Action", nowrap=True), Column("Verdict", full_width=True), Column("Effect, 95 %", right=True, full_width=True),
    Column("Metric", nowrap=True), Column("Before", right=True), Column("After", right=True), Column("Why", full_width=True),
    Column("By itself", right=True, full_width=True),
)  # fmt: skip
COMMANDS = (
    Column("When", nowrap=True),
    Column("Command"),
    Column("By"),
    Column("Why", full_width=True),
    Column("Status"),
    Column("Result", full_width=True),
)


def list_actions(frame: pd.DataFrame, now: int) -> list[TableRow]:
    """A row an action, with what all its trials say together."""
    lines = []
    for one in _each(frame):
        last = "never" if not units.is_known(one.last_at) else f"{ages.ticking_age(int(one.last_at), now)} ago"
        cost = {"none": "costs nothing", "low": "costs little", "high": "costs much"}.get(_text(one.cost, ""), "")
        name = Cell(readable_name(one.action), small=", ".join(part for part in (one.kind, cost) if part))
        cells = (
            name, _verdict(one.verdict), _pooled(one), metric_label(one.cures), one.mode, _licence(one, now), last, _counts(one),
            _beside(one.latency, one.latency_low, one.latency_high, "ms"), _beside(one.honest, one.honest_low, one.honest_high, "points"),
        )  # fmt: skip
        lines.append(TableRow(one.action, cells))
    return lines


def list_trials(frame: pd.DataFrame, *, chosen: int | None = None) -> list[TableRow]:
    """A row a trial, which leads to the readings round it."""
    lines = []
    for one in _each(frame):
        unit = one.unit if isinstance(one.unit, str) else ""
        placebo = bool(one.placebo)
        cells = (
            units.format_time(int(one.at), WHEN), readable_name(one.action), _trial_verdict(one),
            Cell("what others are compared with") if placebo else effect_cell(one, unit),
            metric_label(_text(one.metric)), format_metric(one.before, unit), format_metric(one.after, unit), describe_trigger(one),
            Cell("nothing was done") if placebo else Cell(format_direct_effect(one.amount, one.amount_unit)),
        )  # fmt: skip
        lines.append(TableRow(str(one.id), cells, link=f"/optimizer?view=History&trial={one.id}", highlighted=one.id == chosen))
    return lines


def describe_trigger(one: Any) -> Cell:
    """The rule that asked for it, or who did and for what reason."""
    if one.mode == MANUAL:
        return Cell(_text(one.reason, "no reason given"), small=f"by {_text(one.by)}")
    return Cell(trigger_label(_text(one.trigger)), small=_text(one.reason, ""))


def trigger_label(name: str) -> str:
    return readable_name(name)


def readable_name(name: str) -> str:
    return name.replace("_", " ")


def metric_label(name: str) -> str:
    """A reading's name in words: "process.rss_bytes" is "process rss"."""
    words = name.replace(".", " ").replace("_", " ")
    return next((words.removesuffix(unit) for unit in (" bytes", " percent", " ms") if words.endswith(unit)), words)


def effect_cell(one: Any, unit: str) -> Cell:
    """The causal effect with its interval and the windows it rests on."""
    if not units.is_known(one.effect):
        return Cell(units.NOT_ENOUGH)
    return Cell(format_metric(one.effect, unit), small=f"{format_metric_interval(one.low, one.high, unit)}, {_windows(one)}")


def list_commands(frame: pd.DataFrame) -> list[TableRow]:
    lines = []
    for one in _each(frame):
        told = _status(one)
        lines.append(
            TableRow(
                str(one.id),
                (
                    units.format_time(int(one.at), WHEN),
                    Cell(one.name, small=format_arguments(one.args)),
                    one.by,
                    one.reason or "no reason given",
                    told,
                    describe_result(one.result),
                ),
            )
        )
    return lines


def _status(one: Any) -> Cell:
    """How far a command is; of a run that was measured what it came to, which is no success by itself."""
    kept = json.loads(one.result) if one.status == "done" and isinstance(one.result, str) and one.result else None
    verdict = manual_result(kept) if isinstance(kept, dict) and one.name in {"optimize", "approve"} else None
    if verdict is not None:
        return Cell(verdict, theme.NEUTRAL)
    return Cell(
        one.status,
        theme.state_colour(one.status),
        small=f"{units.format_percent(one.progress, 0)} {_text(one.note, '')}" if one.status == "running" else "",
    )


def format_arguments(args: object) -> str:
    told = json.loads(args) if isinstance(args, str) and args else {}
    return ", ".join(f"{key} {value}" for key, value in (told.items() if isinstance(told, dict) else told)).replace("_", " ")


def describe_result(kept: object) -> str:
    """A command's result as "name value" pairs, or its one line."""
    if not isinstance(kept, str) or not kept:
        return ""
    told = json.loads(kept)
    if isinstance(told, dict):
        for key in ("error", "detail", "message"):
            if isinstance(told.get(key), str):
                return str(told[key])
        return ", ".join(
            f"{key.replace('_', ' ')} {value}" for key, value in told.items() if value is not None and not isinstance(value, dict | list)
        )
    return str(told)


def format_metric(value: object, unit: str) -> str:
    return units.format_reading(float(value), unit) if isinstance(value, int | float) else units.MISSING


def format_direct_effect(amount: object, unit: object) -> str:
    return units.format_reading(float(amount), str(unit), units.NOT_MEASURED) if isinstance(amount, int | float) else units.NOT_MEASURED


def _licence(one: Any, now: int) -> Cell:
    """The licence with why and since when; the one it began with needs no reason."""
    since = f" {ages.ticking_age(int(one.licensed_at), now)} ago" if units.is_known(one.licensed_at) else ""
    return Cell(one.licence, theme.state_colour(one.licence), small=", ".join(part for part in (_text(one.why, ""), since.strip()) if part))


def _counts(one: Any) -> Cell:
    """The windows that the effect rests on, and all that were run; runs by hand stand apart."""
    apart = f"{one.by_hand:,} by hand apart" if one.by_hand else ""
    if not units.is_known(one.judged_treated):
        return Cell(f"{one.treated:,}, {one.placebos:,}", small=apart)
    more = f"{one.treated:,} run in all" if one.treated != one.judged_treated else ""
    return Cell(f"{int(one.judged_treated):,}, {int(one.judged_placebos):,}", small=", ".join(part for part in (more, apart) if part))


def _pooled(one: Any) -> Cell:
    """The effect of all trials together."""
    unit = _text(one.unit, "")
    if not units.is_known(one.effect):
        return Cell(units.NOT_ENOUGH)
    other = "" if one.metric == one.cures else f", on {metric_label(_text(one.metric))}"
    return Cell(format_metric(one.effect, unit), small=format_metric_interval(one.low, one.high, unit) + other)


def format_metric_interval(low: object, high: object, unit: str) -> str:
    """An interval in its metric's unit."""
    if not units.is_known(low) or not units.is_known(high):
        return f"interval: {units.NOT_ENOUGH}"
    return f"{format_metric(low, unit)} .. {format_metric(high, unit)}"


def _beside(value: object, low: object, high: object, unit: str) -> Cell:
    """An effect on what must not suffer."""
    if not isinstance(value, int | float) or not units.is_known(value):
        return Cell(units.NOT_ENOUGH)
    if not isinstance(low, int | float) or not isinstance(high, int | float) or not (units.is_known(low) and units.is_known(high)):
        return Cell(_signed(value, unit), small=f"interval: {units.NOT_ENOUGH}")
    return Cell(_signed(value, unit), small=f"{_signed(low, '')} .. {_signed(high, '')}")


def _signed(value: float, unit: str) -> str:
    return units.format_number(value, 2 if abs(value) < 10 else 1, unit, signed=True)


def _verdict(word: object) -> Cell:
    told = _text(word, units.NOT_ENOUGH)
    return Cell(told, theme.state_colour(told))


def _trial_verdict(one: Any) -> Cell:
    if one.placebo:
        return Cell("placebo", theme.NEUTRAL)
    if one.mode == MANUAL:
        return Cell(describe_verdict(one.verdict), theme.NEUTRAL, small="by hand: an indication")
    return Cell(one.verdict, theme.state_colour(one.verdict), small="undone" if one.undone else "")


def _windows(one: Any) -> str:
    return (
        f"{int(one.windows)} {'comparable idle' if one.mode == MANUAL else 'placebo'} windows"
        if units.is_known(one.windows)
        else "no windows to compare with"
    )


def _text(value: object, missing: str = units.MISSING) -> str:
    return value if isinstance(value, str) and value else missing


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
