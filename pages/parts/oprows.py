"""Rows of what was operated: actions, trials, commands and alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from engine.domain.tuning import MANUAL, outcome_of, verdict_in_words
from pages.parts import ages, theme, units
from pages.parts.tables import Cell, Column, Line

WHEN = "%m-%d %H:%M:%S"
BY_HAND = "by hand"
ACTIONS = (
    Column("Action", nowrap=True), Column("Verdict"), Column("Effect, 95 %", right=True, whole=True, wrap=True), Column("Cures", nowrap=True),
    Column("Mode"), Column("Licence", whole=True), Column("Last run", right=True), Column("Run, placebo", right=True),
    Column("On latency", right=True, whole=True, wrap=True), Column("On honest rate", right=True, whole=True, wrap=True),
)  # fmt: skip
TRIALS = (
    Column("When", nowrap=True), Column("Action", nowrap=True), Column("Verdict", whole=True), Column("Effect, 95 %", right=True, whole=True),
    Column("Metric", nowrap=True), Column("Before", right=True), Column("After", right=True), Column("Why", whole=True),
    Column("By itself", right=True, whole=True),
)  # fmt: skip
COMMANDS = (Column("When", nowrap=True), Column("Command"), Column("By"), Column("Why", whole=True), Column("Status"), Column("Result", whole=True))


def actions(frame: pd.DataFrame, now: int) -> list[Line]:
    """A row an action, with what all its trials say together."""
    lines = []
    for one in _each(frame):
        last = "never" if not units.known(one.last_at) else f"{ages.since(int(one.last_at), now)} ago"
        cost = {"none": "costs nothing", "low": "costs little", "high": "costs much"}.get(_text(one.cost, ""), "")
        name = Cell(plain(one.action), small=", ".join(part for part in (one.kind, cost) if part))
        cells = (
            name, _verdict(one.verdict), _pooled(one), metric(one.cures), one.mode, _licence(one, now), last, _counts(one),
            _beside(one.latency, one.latency_low, one.latency_high, "ms"), _beside(one.clean, one.clean_low, one.clean_high, "points"),
        )  # fmt: skip
        lines.append(Line(one.action, cells))
    return lines


def trials(frame: pd.DataFrame, *, chosen: int | None = None) -> list[Line]:
    """A row a trial, which leads to the readings round it."""
    lines = []
    for one in _each(frame):
        unit = one.unit if isinstance(one.unit, str) else ""
        placebo = bool(one.placebo)
        cells = (
            units.moment(int(one.at), WHEN), plain(one.action), _trial_verdict(one),
            Cell("what others are compared with") if placebo else effect(one, unit),
            metric(_text(one.metric)), figure(one.before, unit), figure(one.after, unit), why(one),
            Cell("nothing was done") if placebo else Cell(freed(one.amount, one.amount_unit)),
        )  # fmt: skip
        lines.append(Line(str(one.id), cells, link=f"/optimizer?view=History&trial={one.id}", marked=one.id == chosen))
    return lines


def why(one: Any) -> Cell:
    """The rule that asked for it, or who did and for what reason."""
    if one.mode == MANUAL:
        return Cell(_text(one.reason, "no reason given"), small=f"by {_text(one.by)}")
    return Cell(triggers(_text(one.trigger)), small=_text(one.reason, ""))


def triggers(name: str) -> str:
    return plain(name)


def plain(name: str) -> str:
    return name.replace("_", " ")


def metric(name: str) -> str:
    """A reading's name in words: "process.rss_bytes" is "process rss"."""
    words = name.replace(".", " ").replace("_", " ")
    return next((words.removesuffix(unit) for unit in (" bytes", " percent", " ms") if words.endswith(unit)), words)


def effect(one: Any, unit: str) -> Cell:
    """The causal effect with its interval and the windows it rests on."""
    if not units.known(one.effect):
        return Cell(units.NOT_ENOUGH)
    return Cell(figure(one.effect, unit), small=f"{band(one.low, one.high, unit)}, {_windows(one)}")


def commands(frame: pd.DataFrame) -> list[Line]:
    lines = []
    for one in _each(frame):
        told = _status(one)
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


def _status(one: Any) -> Cell:
    """How far a command is; of a run that was measured what it came to, which is no success by itself."""
    kept = json.loads(one.result) if one.status == "done" and isinstance(one.result, str) and one.result else None
    verdict = outcome_of(kept) if isinstance(kept, dict) and one.name in {"optimize", "approve"} else None
    if verdict is not None:
        return Cell(verdict, theme.NEUTRAL)
    return Cell(
        one.status, theme.state(one.status), small=f"{units.percent(one.progress, 0)} {_text(one.note, '')}" if one.status == "running" else ""
    )


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


def figure(value: object, unit: str) -> str:
    return units.reading(float(value), unit) if isinstance(value, int | float) else units.MISSING


def freed(amount: object, unit: object) -> str:
    return units.reading(float(amount), str(unit), units.NOT_MEASURED) if isinstance(amount, int | float) else units.NOT_MEASURED


def _licence(one: Any, now: int) -> Cell:
    """The licence with why and since when; the one it began with needs no reason."""
    since = f" {ages.since(int(one.licensed_at), now)} ago" if units.known(one.licensed_at) else ""
    return Cell(one.licence, theme.state(one.licence), small=", ".join(part for part in (_text(one.why, ""), since.strip()) if part))


def _counts(one: Any) -> Cell:
    """The windows that the effect rests on, and all that were run; runs by hand stand apart."""
    apart = f"{one.by_hand:,} by hand apart" if one.by_hand else ""
    if not units.known(one.judged_treated):
        return Cell(f"{one.treated:,}, {one.placebos:,}", small=apart)
    more = f"{one.treated:,} run in all" if one.treated != one.judged_treated else ""
    return Cell(f"{int(one.judged_treated):,}, {int(one.judged_placebos):,}", small=", ".join(part for part in (more, apart) if part))


def _pooled(one: Any) -> Cell:
    """The effect of all trials together."""
    unit = _text(one.unit, "")
    if not units.known(one.effect):
        return Cell(units.NOT_ENOUGH)
    other = "" if one.metric == one.cures else f", on {metric(_text(one.metric))}"
    return Cell(figure(one.effect, unit), small=band(one.low, one.high, unit) + other)


def band(low: object, high: object, unit: str) -> str:
    """An interval in its metric's unit."""
    if not units.known(low) or not units.known(high):
        return f"interval: {units.NOT_ENOUGH}"
    return f"{figure(low, unit)} .. {figure(high, unit)}"


def _beside(value: object, low: object, high: object, unit: str) -> Cell:
    """An effect on what must not suffer."""
    if not isinstance(value, int | float) or not units.known(value):
        return Cell(units.NOT_ENOUGH)
    if not isinstance(low, int | float) or not isinstance(high, int | float) or not (units.known(low) and units.known(high)):
        return Cell(_signed(value, unit), small=f"interval: {units.NOT_ENOUGH}")
    return Cell(_signed(value, unit), small=f"{_signed(low, '')} .. {_signed(high, '')}")


def _signed(value: float, unit: str) -> str:
    return units.number(value, 2 if abs(value) < 10 else 1, unit, signed=True)


def _verdict(word: object) -> Cell:
    told = _text(word, units.NOT_ENOUGH)
    return Cell(told, theme.state(told))


def _trial_verdict(one: Any) -> Cell:
    if one.placebo:
        return Cell("placebo", theme.NEUTRAL)
    if one.mode == MANUAL:
        return Cell(verdict_in_words(one.verdict), theme.NEUTRAL, small="by hand: an indication")
    return Cell(one.verdict, theme.state(one.verdict), small="undone" if one.undone else "")


def _windows(one: Any) -> str:
    return (
        f"{int(one.windows)} {'comparable idle' if one.mode == MANUAL else 'placebo'} windows"
        if units.known(one.windows)
        else "no windows to compare with"
    )


def _text(value: object, missing: str = units.MISSING) -> str:
    return value if isinstance(value, str) and value else missing


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
