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
    Column("Action"),
    Column("Kind"),
    Column("Cures"),
    Column("Mode"),
    Column("Last run", right=True),
    Column("Trials", right=True),
    Column("Helped / none / harmed", right=True),
    Column("Freed by itself", right=True),
    Column("What it does", whole=True),
)
TRIALS = (
    Column("When"),
    Column("Action"),
    Column("By"),
    Column("Reason"),
    Column("Direct", right=True),
    Column("Metric"),
    Column("Before", right=True),
    Column("After", right=True),
    Column("Effect, 95 %", right=True),
    Column("Verdict"),
    Column("Took", right=True),
)
COMMANDS = (Column("When"), Column("Command"), Column("By"), Column("Why", whole=True), Column("Status"), Column("Result", whole=True))
ALERTS = (Column("When"), Column("Rule"), Column("Severity"), Column("State"), Column("Message", whole=True))


def actions(frame: pd.DataFrame, now: int) -> list[Line]:
    lines = []
    for one in _each(frame):
        last = "never" if not units.known(one.last_at) else f"{units.age((now - one.last_at) / units.SECOND)} ago"
        freed = units.reading(one.amount, str(one.amount_unit), units.NOT_MEASURED) if units.known(one.amount) else units.NOT_MEASURED
        counts = f"{one.helped} / {one.no_effect} / {one.harmed}" if one.trials else "no trial yet"
        lines.append(
            Line(
                one.action,
                (
                    Cell(one.action.replace("_", " ")),
                    one.kind,
                    one.cures.replace("_", " "),
                    Cell(one.mode),
                    last,
                    f"{one.trials:,}",
                    counts,
                    freed,
                    one.about,
                ),
            )
        )
    return lines


def trials(frame: pd.DataFrame) -> list[Line]:
    lines = []
    for one in _each(frame):
        unit = one.unit if isinstance(one.unit, str) else ""
        direct = units.reading(one.amount, str(one.amount_unit), units.NOT_MEASURED) if units.known(one.amount) else units.NOT_MEASURED
        lines.append(
            Line(
                str(one.id),
                (
                    units.moment(int(one.at), WHEN),
                    Cell(one.action.replace("_", " ")),
                    _text(one.by),
                    _text(one.reason),
                    Cell(direct, small=_text(one.detail, "")),
                    _text(one.metric).replace("_", " "),
                    _figure(one.before, unit),
                    _figure(one.after, unit),
                    effect(one, unit),
                    Cell(one.verdict + (", undone" if one.undone else ""), theme.state(one.verdict)),
                    units.number(one.seconds, 1, "s"),
                ),
            )
        )
    return lines


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
                return str(told[key])
        return ", ".join(
            f"{key.replace('_', ' ')} {value}" for key, value in told.items() if value is not None and not isinstance(value, dict | list)
        )
    return str(told)


def _windows(one: Any) -> str:
    return f"{int(one.windows)} idle windows" if units.known(one.windows) else "no idle windows"


def _figure(value: object, unit: str) -> str:
    return units.reading(float(value), unit) if isinstance(value, int | float) else units.MISSING


def _text(value: object, missing: str = units.MISSING) -> str:
    return value if isinstance(value, str) and value else missing


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
