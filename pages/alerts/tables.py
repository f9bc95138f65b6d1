"""Alerts, silences, targets, drills and recoveries in words and rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from engine import units
from engine.alerting.rules import find_rule
from engine.domain.alerting import ALL, Drill
from engine.store.read.alerts import AlertOverview
from engine.store.read.status import EngineStatus
from pages.ui import ages, theme
from pages.ui.tables import Cell, Column, TableRow
from pages.ui.widgets import Tile

WHEN = "%m-%d %H:%M:%S"
OPEN = (
    Column("Alert", nowrap=True), Column("Severity"), Column("For", right=True), Column("What", full_width=True), Column("Acknowledged", full_width=True),
    Column("Told", full_width=True),
)  # fmt: skip
PAST = (Column("Alert", nowrap=True), Column("Severity"), Column("Since", nowrap=True), Column("Lasted", right=True), Column("What", full_width=True))
SILENCES = (Column("Rule"), Column("Until", nowrap=True), Column("Left", right=True), Column("By"), Column("Reason", full_width=True))
TARGETS = (Column("Target, masked"), Column("Last message", nowrap=True), Column("State"), Column("Trouble", full_width=True))
DRILLS = (Column("When", nowrap=True), Column("Came to"), Column("Took", right=True), Column("By"), Column("What was seen", full_width=True))
RECOVERIES = (
    Column("Part", nowrap=True), Column("Broke", nowrap=True), Column("Fault", full_width=True), Column("Came back", full_width=True),
    Column("Tries", right=True),
)  # fmt: skip
SEVERITIES = {"critical": theme.HARM, "warning": theme.WARNING, "info": theme.NEUTRAL}


def build_alert_tiles(told: AlertOverview, status: EngineStatus, now: int) -> list[Tile]:
    standing = told.open
    quiet = int(standing["silenced"].notna().sum())
    acked = int(standing["acked_by"].notna().sum())
    names = delivery_targets(status)
    return [
        Tile("Open", str(len(standing)), f"{acked} acknowledged, {quiet} silenced", state="open" if len(standing) else "ok"),
        Tile("Targets", str(len(names)) if names else "none set", f"{told.waiting} messages wait" if names else "nobody is told; they are only here"),
        Tile("Last drill", *describe_drill(told.drills[0] if told.drills else None, now)),
    ]


def describe_drill(drill: Drill | None, now: int) -> tuple[str, str]:
    """When kill switch, stop and alert path were last proven."""
    if drill is None:
        return "not proven yet", "kill switch, stop and alert path"
    ago = f"{ages.ticking_age(drill.at, now)} ago"
    failed = ", ".join(one.name for one in drill.checks if not one.passed)
    return (f"failed {ago}", failed) if failed else (f"proven {ago}", "kill switch, stop and alert path")


def list_open_alerts(told: AlertOverview, now: int) -> list[TableRow]:
    lines = []
    for one in _each(told.open):
        acked = f"by {one.acked_by}, {ages.ticking_age(int(one.acked_at), now)} ago" if isinstance(one.acked_by, str) else "no"
        cells = (
            Cell(f"{one.id} {readable_rule(one.rule)}"), Cell(one.severity, SEVERITIES.get(one.severity, theme.NEUTRAL)),
            ages.ticking_age(int(one.at), now), Cell(one.message, small=find_rule(one.rule).about), acked, _heard(one, now),
        )  # fmt: skip
        lines.append(TableRow(str(one.id), cells, highlighted=one.severity == "critical" and not isinstance(one.acked_by, str)))
    return lines


def list_past_alerts(told: AlertOverview) -> list[TableRow]:
    lines = []
    for one in _each(told.past):
        lasted = units.format_age((one.resolved_at - one.at) / units.SECOND) if units.is_known(one.resolved_at) else units.MISSING
        cells = (
            f"{one.id} {readable_rule(one.rule)}", Cell(one.severity, SEVERITIES.get(one.severity, theme.NEUTRAL)), units.format_time(int(one.at), WHEN), lasted,
            one.message,
        )  # fmt: skip
        lines.append(TableRow(str(one.id), cells))
    return lines


def list_silences(told: AlertOverview, now: int) -> list[TableRow]:
    return [
        TableRow(
            str(one.id),
            (
                "every rule" if one.rule == ALL else readable_rule(one.rule), units.format_time(int(one.until), WHEN),
                ages.ticking_countdown(int(one.until), now), one.by, one.reason,
            ),
        )
        for one in _each(told.silences)
    ]  # fmt: skip


def list_targets(told: AlertOverview, status: EngineStatus) -> list[TableRow]:
    newest = {one.target: one for one in _each(told.targets)}
    lines = []
    for name in delivery_targets(status):
        one = newest.get(name)
        if one is None:
            lines.append(TableRow(name, (name, "none yet", "nothing was sent to it", "none")))
            continue
        state = {"sent": "done", "waiting": "queued" if not one.tries else "failed"}.get(one.status, one.status)
        words = {"done": "taken", "queued": "waits"}.get(state, f"not taken, {units.format_count(int(one.tries), 'try').replace('trys', 'tries')}")
        at = one.sent_at if units.is_known(one.sent_at) else one.at
        lines.append(
            TableRow(
                name,
                (name, units.format_time(int(at), WHEN), Cell(words, theme.state_colour(state)), one.error if isinstance(one.error, str) else "none"),
            )
        )
    return lines


def delivery_targets(status: EngineStatus) -> tuple[str, ...]:
    """Masked, as the engine has told."""
    return tuple(dict.fromkeys(name for key in ("alert targets", "escalation targets") for name in status.meta.get(key, "").split("\n") if name))


def list_drills(told: tuple[Drill, ...]) -> list[TableRow]:
    lines = []
    for one in told:
        word = "passed" if one.passed else "failed"
        detail = "; ".join(f"{part.name} {'passed' if part.passed else 'FAILED'}: {part.detail}" for part in one.checks)
        lines.append(
            TableRow(
                str(one.at),
                (units.format_time(one.at, WHEN), Cell(word, theme.GOOD if one.passed else theme.HARM), f"{one.seconds:.1f} s", one.by, detail),
            )
        )
    return lines


def list_recoveries(frame: pd.DataFrame, now: int) -> list[TableRow]:
    """Each fault with how long it took to come back; one that lasts is marked."""
    lines = []
    for one in _each(frame):
        lasting = not units.is_known(one.recovered_at)
        if not lasting:
            came = Cell(f"recovered by itself in {format_seconds((one.recovered_at - one.at) / units.SECOND)}", theme.GOOD, small=_text(one.how))
        elif isinstance(one.how, str):
            came = Cell(one.how, theme.NEUTRAL)
            lasting = False
        else:
            came = Cell(f"not yet, for {ages.ticking_age(int(one.at), now)}", theme.WARNING)
        lines.append(
            TableRow(str(one.id), (one.component, units.format_time(int(one.at), WHEN), one.fault, came, f"{int(one.tries):,}"), highlighted=lasting)
        )
    return lines


def format_seconds(seconds: float) -> str:
    """A short time to a tenth of a second."""
    return f"{seconds:.1f} s" if seconds < 60 else units.format_age(seconds)


def readable_rule(name: str) -> str:
    return name.replace("_", " ")


def _heard(one: Any, now: int) -> str:
    if units.is_known(one.silenced):
        return f"silenced for {ages.ticking_countdown(int(one.silenced), now)} more"
    if not units.is_known(one.told):
        return "nobody yet"
    sent = f"{ages.ticking_age(int(one.told), now)} ago" if one.told else "waits to be sent"
    return sent + (", sent again as nobody acknowledged it" if units.is_known(one.escalated_at) else "")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
