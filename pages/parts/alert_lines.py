"""Tables and tiles of alerts, silences, targets, drills and recoveries."""

from __future__ import annotations

from typing import Any

import pandas as pd

from engine.alerts.rules import rule_of
from engine.domain.alerting import ALL, Drill
from engine.store.alert_query import AlertsTold
from engine.store.status_query import Status
from pages.parts import ages, theme, units
from pages.parts.estimates import each
from pages.parts.tables import Cell, Column, Line
from pages.parts.widgets import Tile

WHEN = "%m-%d %H:%M:%S"
OPEN = (
    Column("Alert", nowrap=True), Column("Severity"), Column("For", right=True), Column("Message", whole=True),
    Column("Acknowledged", whole=True, term="acknowledgement"), Column("Notified", whole=True),
)  # fmt: skip
PAST = (Column("Alert", nowrap=True), Column("Severity"), Column("Since", nowrap=True), Column("Lasted", right=True), Column("Message", whole=True))
SILENCES = (Column("Rule"), Column("Until", nowrap=True), Column("Left", right=True), Column("By"), Column("Reason", whole=True))
TARGETS = (Column("Target, masked"), Column("Last message", nowrap=True), Column("Delivery"), Column("Error", whole=True))
DRILLS = (Column("Time", nowrap=True), Column("Result"), Column("Duration", right=True), Column("By"), Column("Checks", whole=True))
RECOVERIES = (
    Column("Component", nowrap=True), Column("Failed", nowrap=True), Column("Fault", whole=True), Column("Recovery", whole=True),
    Column("Attempts", right=True),
)  # fmt: skip
SEVERITIES = {"critical": theme.HARM, "warning": theme.WARNING, "info": theme.NEUTRAL}
DRILLED = "kill switch, stop and alert path"


def tiles(alerts: AlertsTold, status: Status, now: int) -> list[Tile]:
    count = len(alerts.open)
    silenced, acknowledged = (int(alerts.open[name].notna().sum()) for name in ("silenced", "acked_by"))
    names = targets_of(status)
    waiting = f"{units.count(alerts.waiting, 'message')} waiting" if names else "nobody is notified; alerts are shown here only"
    return [
        Tile("Open", str(count), f"{acknowledged} acknowledged, {silenced} silenced", state="open" if count else "ok"),
        Tile("Targets", str(len(names)) if names else "none set", waiting),
        Tile("Last drill", *proven(alerts.drills[0] if alerts.drills else None, now), term="drill"),
    ]


def proven(drill: Drill | None, now: int) -> tuple[str, str]:
    """Return when the newest drill passed or failed, and its checks."""
    if drill is None:
        return "not proven yet", DRILLED
    ago = f"{ages.since(drill.at, now)} ago"
    failed = ", ".join(proof.name for proof in drill.proofs if not proof.passed)
    return (f"failed {ago}", failed) if failed else (f"proven {ago}", DRILLED)


def standing(alerts: AlertsTold, now: int) -> list[Line]:
    lines = []
    for row in each(alerts.open):
        is_acknowledged = isinstance(row.acked_by, str)
        acknowledged = f"by {row.acked_by}, {ages.since(int(row.acked_at), now)} ago" if is_acknowledged else "no"
        cells = (
            f"{row.id} {plain(row.rule)}", _severity(row.severity), ages.since(int(row.at), now),
            Cell(row.message, small=rule_of(row.rule).about), acknowledged, _notified(row, now),
        )  # fmt: skip
        lines.append(Line(str(row.id), cells, marked=row.severity == "critical" and not is_acknowledged))
    return lines


def past(alerts: AlertsTold) -> list[Line]:
    lines = []
    for row in each(alerts.past):
        lasted = units.age((row.resolved_at - row.at) / units.SECOND) if units.known(row.resolved_at) else units.MISSING
        cells = (f"{row.id} {plain(row.rule)}", _severity(row.severity), units.moment(int(row.at), WHEN), lasted, row.message)
        lines.append(Line(str(row.id), cells))
    return lines


def silences(alerts: AlertsTold, now: int) -> list[Line]:
    lines = []
    for row in each(alerts.silences):
        rule = "every rule" if row.rule == ALL else plain(row.rule)
        lines.append(Line(str(row.id), (rule, units.moment(int(row.until), WHEN), ages.until(int(row.until), now), row.by, row.reason)))
    return lines


def targets(alerts: AlertsTold, status: Status) -> list[Line]:
    newest = {row.target: row for row in each(alerts.targets)}
    return [Line(name, (name, *_delivery(newest.get(name)))) for name in targets_of(status)]


def targets_of(status: Status) -> tuple[str, ...]:
    """Return the targets, masked, as the engine reports them."""
    return tuple(dict.fromkeys(name for key in ("alert targets", "escalation targets") for name in status.meta.get(key, "").split("\n") if name))


def drills(shown: tuple[Drill, ...]) -> list[Line]:
    lines = []
    for drill in shown:
        result = Cell("passed", theme.GOOD) if drill.passed else Cell("failed", theme.HARM)
        checks = "; ".join(f"{proof.name} {'passed' if proof.passed else 'FAILED'}: {proof.detail}" for proof in drill.proofs)
        lines.append(Line(str(drill.at), (units.moment(drill.at, WHEN), result, took(drill.seconds), drill.by, checks)))
    return lines


def recoveries(frame: pd.DataFrame, now: int) -> list[Line]:
    """Return each fault with its time to recovery; faults that last are marked."""
    lines = []
    for row in each(frame):
        is_open = False
        if units.known(row.recovered_at):
            duration = took((row.recovered_at - row.at) / units.SECOND)
            recovery = Cell(f"recovered without a person in {duration}", theme.GOOD, small=row.how if isinstance(row.how, str) else "")
        elif isinstance(row.how, str):
            recovery = Cell(row.how, theme.NEUTRAL)
        else:
            is_open = True
            recovery = Cell(f"not yet, for {ages.since(int(row.at), now)}", theme.WARNING)
        lines.append(Line(str(row.id), (row.component, units.moment(int(row.at), WHEN), row.fault, recovery, f"{int(row.tries):,}"), marked=is_open))
    return lines


def took(seconds: float) -> str:
    return units.format_duration(seconds)


def plain(name: str) -> str:
    return name.replace("_", " ")


def _severity(severity: str) -> Cell:
    return Cell(severity, SEVERITIES.get(severity, theme.NEUTRAL))


def _delivery(row: Any | None) -> tuple[str, Cell | str, str]:
    """Return time, state and error of the newest message to a target."""
    if row is None:
        return "none yet", "nothing sent to it", "none"
    state = {"sent": "done", "waiting": "queued" if not row.tries else "failed"}.get(row.status, row.status)
    words = {"done": "delivered", "queued": "waiting"}.get(state, f"not delivered, {units.count(int(row.tries), 'attempt')}")
    at = row.sent_at if units.known(row.sent_at) else row.at
    return units.moment(int(at), WHEN), Cell(words, theme.state(state)), row.error if isinstance(row.error, str) else "none"


def _notified(row: Any, now: int) -> str:
    if units.known(row.silenced):
        return f"silenced for another {ages.until(int(row.silenced), now)}"
    if not units.known(row.told):
        return "nobody yet"
    sent = f"{ages.since(int(row.told), now)} ago" if row.told else "waiting to be sent"
    return sent + (", escalated" if units.known(row.escalated_at) else "")
