"""Alerts, silences, targets, drills and recoveries in words and rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from engine.alerts.rules import rule_of
from engine.domain.alerting import ALL, Drill
from engine.store.alert_query import AlertsTold
from engine.store.status_query import Status
from pages.parts import ages, theme, units
from pages.parts.tables import Cell, Column, Line
from pages.parts.widgets import Tile

WHEN = "%m-%d %H:%M:%S"
OPEN = (
    Column("Alert", nowrap=True), Column("Severity"), Column("For", right=True), Column("What", whole=True), Column("Acknowledged", whole=True),
    Column("Told", whole=True),
)  # fmt: skip
PAST = (Column("Alert", nowrap=True), Column("Severity"), Column("Since", nowrap=True), Column("Lasted", right=True), Column("What", whole=True))
SILENCES = (Column("Rule"), Column("Until", nowrap=True), Column("Left", right=True), Column("By"), Column("Reason", whole=True))
TARGETS = (Column("Target, masked"), Column("Last message", nowrap=True), Column("State"), Column("Trouble", whole=True))
DRILLS = (Column("When", nowrap=True), Column("Came to"), Column("Took", right=True), Column("By"), Column("What was seen", whole=True))
RECOVERIES = (
    Column("Part", nowrap=True), Column("Broke", nowrap=True), Column("Fault", whole=True), Column("Came back", whole=True),
    Column("Tries", right=True),
)  # fmt: skip
SEVERITIES = {"critical": theme.HARM, "warning": theme.WARNING, "info": theme.NEUTRAL}


def tiles(told: AlertsTold, status: Status, now: int) -> list[Tile]:
    standing = told.open
    quiet = int(standing["silenced"].notna().sum())
    acked = int(standing["acked_by"].notna().sum())
    names = targets_of(status)
    return [
        Tile("Open", str(len(standing)), f"{acked} acknowledged, {quiet} silenced", state="open" if len(standing) else "ok"),
        Tile("Targets", str(len(names)) if names else "none set", f"{told.waiting} messages wait" if names else "nobody is told; they are only here"),
        Tile("Last drill", *proven(told.drills[0] if told.drills else None, now)),
    ]


def proven(drill: Drill | None, now: int) -> tuple[str, str]:
    """When kill switch, stop and alert path were last proven."""
    if drill is None:
        return "not proven yet", "kill switch, stop and alert path"
    ago = f"{ages.since(drill.at, now)} ago"
    failed = ", ".join(one.name for one in drill.proofs if not one.passed)
    return (f"failed {ago}", failed) if failed else (f"proven {ago}", "kill switch, stop and alert path")


def standing(told: AlertsTold, now: int) -> list[Line]:
    lines = []
    for one in _each(told.open):
        acked = f"by {one.acked_by}, {ages.since(int(one.acked_at), now)} ago" if isinstance(one.acked_by, str) else "no"
        cells = (
            Cell(f"{one.id} {plain(one.rule)}"), Cell(one.severity, SEVERITIES.get(one.severity, theme.NEUTRAL)),
            ages.since(int(one.at), now), Cell(one.message, small=rule_of(one.rule).about), acked, _heard(one, now),
        )  # fmt: skip
        lines.append(Line(str(one.id), cells, marked=one.severity == "critical" and not isinstance(one.acked_by, str)))
    return lines


def past(told: AlertsTold) -> list[Line]:
    lines = []
    for one in _each(told.past):
        lasted = units.age((one.resolved_at - one.at) / units.SECOND) if units.known(one.resolved_at) else units.MISSING
        cells = (
            f"{one.id} {plain(one.rule)}", Cell(one.severity, SEVERITIES.get(one.severity, theme.NEUTRAL)), units.moment(int(one.at), WHEN), lasted,
            one.message,
        )  # fmt: skip
        lines.append(Line(str(one.id), cells))
    return lines


def silences(told: AlertsTold, now: int) -> list[Line]:
    return [
        Line(
            str(one.id),
            (
                "every rule" if one.rule == ALL else plain(one.rule), units.moment(int(one.until), WHEN),
                ages.until(int(one.until), now), one.by, one.reason,
            ),
        )
        for one in _each(told.silences)
    ]  # fmt: skip


def targets(told: AlertsTold, status: Status) -> list[Line]:
    newest = {one.target: one for one in _each(told.targets)}
    lines = []
    for name in targets_of(status):
        one = newest.get(name)
        if one is None:
            lines.append(Line(name, (name, "none yet", "nothing was sent to it", "none")))
            continue
        state = {"sent": "done", "waiting": "queued" if not one.tries else "failed"}.get(one.status, one.status)
        words = {"done": "taken", "queued": "waits"}.get(state, f"not taken, {units.count(int(one.tries), 'try').replace('trys', 'tries')}")
        at = one.sent_at if units.known(one.sent_at) else one.at
        lines.append(
            Line(name, (name, units.moment(int(at), WHEN), Cell(words, theme.state(state)), one.error if isinstance(one.error, str) else "none"))
        )
    return lines


def targets_of(status: Status) -> tuple[str, ...]:
    """Masked, as the engine has told."""
    return tuple(dict.fromkeys(name for key in ("alert targets", "escalation targets") for name in status.meta.get(key, "").split("\n") if name))


def drills(told: tuple[Drill, ...]) -> list[Line]:
    lines = []
    for one in told:
        word = "passed" if one.passed else "failed"
        detail = "; ".join(f"{part.name} {'passed' if part.passed else 'FAILED'}: {part.detail}" for part in one.proofs)
        lines.append(
            Line(
                str(one.at),
                (units.moment(one.at, WHEN), Cell(word, theme.GOOD if one.passed else theme.HARM), f"{one.seconds:.1f} s", one.by, detail),
            )
        )
    return lines


def recoveries(frame: pd.DataFrame, now: int) -> list[Line]:
    """Each fault with how long it took to come back; one that lasts is marked."""
    lines = []
    for one in _each(frame):
        lasting = not units.known(one.recovered_at)
        if not lasting:
            came = Cell(f"recovered by itself in {took((one.recovered_at - one.at) / units.SECOND)}", theme.GOOD, small=_text(one.how))
        elif isinstance(one.how, str):
            came = Cell(one.how, theme.NEUTRAL)
            lasting = False
        else:
            came = Cell(f"not yet, for {ages.since(int(one.at), now)}", theme.WARNING)
        lines.append(Line(str(one.id), (one.component, units.moment(int(one.at), WHEN), one.fault, came, f"{int(one.tries):,}"), marked=lasting))
    return lines


def took(seconds: float) -> str:
    """A short time to a tenth of a second."""
    return f"{seconds:.1f} s" if seconds < 60 else units.age(seconds)


def plain(name: str) -> str:
    return name.replace("_", " ")


def _heard(one: Any, now: int) -> str:
    if units.known(one.silenced):
        return f"silenced for {ages.until(int(one.silenced), now)} more"
    if not units.known(one.told):
        return "nobody yet"
    sent = f"{ages.since(int(one.told), now)} ago" if one.told else "waits to be sent"
    return sent + (", sent again as nobody acknowledged it" if units.known(one.escalated_at) else "")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
