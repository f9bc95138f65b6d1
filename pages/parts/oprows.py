"""Rows of what was operated: actions, trials, commands and alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from pages.parts import theme, units
from pages.parts.tables import Cell, Column, Line

WHEN = "%m-%d %H:%M:%S"
ACTIONS = (
    Column("Action", nowrap=True), Column("Kind"), Column("Cures", nowrap=True), Column("Mode"), Column("Last run", right=True),
    Column("Trials", right=True), Column("Helped, none, harmed", right=True, whole=True), Column("Freed by itself", right=True, whole=True),
    Column("What it does", whole=True),
)  # fmt: skip
TRIALS = (
    Column("When", nowrap=True), Column("Action", nowrap=True), Column("Why", whole=True), Column("Freed by itself", right=True),
    Column("Metric", nowrap=True), Column("Before", right=True), Column("After", right=True), Column("Effect, 95 %", right=True, whole=True),
    Column("Verdict", whole=True, nowrap=True), Column("What it did", whole=True), Column("Took", right=True),
)  # fmt: skip
COMMANDS = (Column("When", nowrap=True), Column("Command"), Column("By"), Column("Why", whole=True), Column("Status"), Column("Result", whole=True))
ALERTS = (Column("When", nowrap=True), Column("Rule"), Column("Severity"), Column("State"), Column("Message", whole=True))


def actions(frame: pd.DataFrame, now: int) -> list[Line]:
    lines = []
    for one in _each(frame):
        last = "never" if not units.known(one.last_at) else f"{units.age((now - one.last_at) / units.SECOND)} ago"
        counts = f"{one.helped}, {one.no_effect}, {one.harmed}" if one.trials else "no trial yet"
        cells = (
            one.action.replace("_", " "), one.kind, metric(one.cures), one.mode, last, f"{one.trials:,}", counts,
            _freed(one.amount, one.amount_unit), one.about,
        )  # fmt: skip
        lines.append(Line(one.action, cells))
    return lines


def trials(frame: pd.DataFrame) -> list[Line]:
    lines = []
    for one in _each(frame):
        unit = one.unit if isinstance(one.unit, str) else ""
        took = units.MISSING if not units.known(one.seconds) else units.ms(one.seconds * 1000)
        verdict = Cell(one.verdict + (", undone" if one.undone else ""), theme.state(one.verdict))
        cells = (
            units.moment(int(one.at), WHEN), one.action.replace("_", " "), Cell(_text(one.reason), small=f"by {_text(one.by)}"),
            _freed(one.amount, one.amount_unit), metric(_text(one.metric)), _figure(one.before, unit), _figure(one.after, unit), effect(one, unit),
            verdict, _text(one.detail), took,
        )  # fmt: skip
        lines.append(Line(str(one.id), cells))
    return lines


def metric(name: str) -> str:
    """A reading's name in words: "process.rss_bytes" is "process rss"."""
    words = name.replace(".", " ").replace("_", " ")
    return next((words.removesuffix(unit) for unit in (" bytes", " percent", " ms") if words.endswith(unit)), words)


def effect(one: Any, unit: str) -> Cell:
    """The causal effect with its interval and the idle windows it rests on."""
    if not units.known(one.effect):
        return Cell(units.NOT_ENOUGH)
    if not units.known(one.low) or not units.known(one.high):
        return Cell(_figure(one.effect, unit), small=f"interval: {units.NOT_ENOUGH}, {_windows(one)}")
    return Cell(_figure(one.effect, unit), small=f"{_figure(one.low, unit)} .. {_figure(one.high, unit)}, {_windows(one)}")


def commands(frame: pd.DataFrame) -> list[Line]:
    lines = []
    for one in _each(frame):
        told = Cell(
            one.status, theme.state(one.status), small=f"{units.percent(one.progress, 0)} {_text(one.note, '')}" if one.status == "running" else ""
        )
        lines.append(
            Line(
                str(one.id),
                (
                    units.moment(int(one.at), WHEN),
                    Cell(one.name, small=arguments(one.args)),
                    one.by,
                    one.reason or "no reason given",
                    told,
                    result(one.result),
                ),
            )
        )
    return lines


def alerts(frame: pd.DataFrame) -> list[Line]:
    return [
        Line(
            str(one.id),
            (units.moment(int(one.at), WHEN), one.rule.replace("_", " "), one.severity, Cell(one.state, theme.state(one.state)), one.message),
        )
        for one in _each(frame)
    ]


def arguments(args: object) -> str:
    told = json.loads(args) if isinstance(args, str) and args else {}
    return ", ".join(f"{key} {value}" for key, value in (told.items() if isinstance(told, dict) else told)).replace("_", " ")


def result(kept: object) -> str:
    """A command's result as "name value" pairs, or its one line."""
    if not isinstance(kept, str) or not kept:
        return ""
    told = json.loads(kept)
    if isinstance(told, dict):
        for key in ("error", "detail", "message"):
            if isinstance(told.get(key), str):
                return str(told[key]) + (f"; {told['verdict']}" if isinstance(told.get("verdict"), str) else "")
        return ", ".join(
            f"{key.replace('_', ' ')} {value}" for key, value in told.items() if value is not None and not isinstance(value, dict | list)
        )
    return str(told)


def _windows(one: Any) -> str:
    return f"{int(one.windows)} idle windows" if units.known(one.windows) else "no idle windows"


def _figure(value: object, unit: str) -> str:
    return units.reading(float(value), unit) if isinstance(value, int | float) else units.MISSING


def _freed(amount: object, unit: object) -> str:
    return units.reading(float(amount), str(unit), units.NOT_MEASURED) if isinstance(amount, int | float) else units.NOT_MEASURED


def _text(value: object, missing: str = units.MISSING) -> str:
    return value if isinstance(value, str) and value else missing


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
