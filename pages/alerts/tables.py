"""Tables and tiles of alerts, silences, targets, drills and recoveries."""

from __future__ import annotations

from typing import Any

from engine import units
from engine.alerting.rules import find_rule
from engine.domain.alerting import ALL, Drill
from engine.domain.webhooks import TARGET
from engine.store.read.alerts import AlertOverview
from engine.store.read.history_tables import ALERTS
from engine.store.read.status import EngineStatus
from engine.store.read.webhooks import WebhookOverview
from pages.ui import ages, theme, tiles
from pages.ui.command_table import WHEN, readable_name
from pages.ui.forest_plot import iterate_rows
from pages.ui.history_table import TIME_FORMAT, HistoryView, ShownColumn
from pages.ui.tables import Cell, Column, TableRow
from pages.ui.widgets import Tile

OPEN = (
    Column("Alert", nowrap=True), Column("Severity"), Column("For", right=True), Column("Message", full_width=True),
    Column("Acknowledged", full_width=True, term="acknowledgement"), Column("Notified", full_width=True),
)  # fmt: skip
SILENCES = (
    Column("Rule", term="alert rule"),
    Column("Until", nowrap=True),
    Column("Left", right=True),
    Column("By"),
    Column("Reason", full_width=True),
)
TARGETS = (
    Column("Target, masked", term="delivery target"),
    Column("Last message", nowrap=True),
    Column("Delivery"),
    Column("Error", full_width=True),
)
WEBHOOKS = (
    Column("Webhook", nowrap=True, term="webhook"), Column("Sends"), Column("Last accepted", nowrap=True), Column("Waiting", right=True),
    Column("Dead letters", right=True, term="dead letter"), Column("Error", full_width=True),
)  # fmt: skip
DEAD_LETTERS = (
    Column("Event", right=True, term="event"), Column("Webhook", nowrap=True), Column("Time", nowrap=True), Column("About"),
    Column("Tries", right=True), Column("Error", full_width=True),
)  # fmt: skip
DRILLS = (Column("Time", nowrap=True), Column("Result"), Column("Duration", right=True), Column("By"), Column("Checks", full_width=True))
SEVERITIES = {"critical": theme.HARM, "warning": theme.WARNING, "info": theme.NEUTRAL}


def build_alert_tiles(alerts: AlertOverview, status: EngineStatus, now: int) -> list[Tile]:
    count = len(alerts.open)
    silenced, acknowledged = (int(alerts.open[name].notna().sum()) for name in ("silenced", "acked_by"))
    names = delivery_targets(status)
    waiting = f"{units.format_count(alerts.waiting, 'message')} waiting" if names else "nobody is notified; alerts are shown here only"
    return [
        Tile("Open", str(count), f"{acknowledged} acknowledged, {silenced} silenced", state="open" if count else "ok"),
        Tile("Targets", str(len(names)) if names else "none set", waiting, term="delivery target"),
        Tile("Last drill", *tiles.describe_drill(alerts.drills[0] if alerts.drills else None, now), term="drill"),
    ]


def list_open_alerts(alerts: AlertOverview, now: int) -> list[TableRow]:
    lines = []
    for row in iterate_rows(alerts.open):
        is_acknowledged = isinstance(row.acked_by, str)
        acknowledged = f"by {row.acked_by}, {ages.ticking_age(int(row.acked_at), now)} ago" if is_acknowledged else "no"
        cells = (
            Cell(readable_name(row.rule), small=f"alert {row.id}"), _severity(row.severity), ages.ticking_age(int(row.at), now),
            Cell(row.message, small=find_rule(row.rule).about), acknowledged, _notified(row, now),
        )  # fmt: skip
        lines.append(TableRow(str(row.id), cells, highlighted=row.severity == "critical" and not is_acknowledged))
    return lines


def _lasted(row: Any) -> str:
    return units.format_age((row.resolved_at - row.at) / units.SECOND) if units.is_known(row.resolved_at) else units.MISSING


def list_silences(alerts: AlertOverview, now: int) -> list[TableRow]:
    lines = []
    for row in iterate_rows(alerts.silences):
        rule = "every rule" if row.rule == ALL else readable_name(row.rule)
        lines.append(
            TableRow(str(row.id), (rule, units.format_time(int(row.until), WHEN), ages.ticking_countdown(int(row.until), now), row.by, row.reason))
        )
    return lines


def list_targets(alerts: AlertOverview, status: EngineStatus) -> list[TableRow]:
    newest = {row.target: row for row in iterate_rows(alerts.targets)}
    return [TableRow(name, (name, *_delivery(newest.get(name)))) for name in delivery_targets(status)]


def delivery_targets(status: EngineStatus) -> tuple[str, ...]:
    """Return the targets, masked, as the engine reports them."""
    return tuple(dict.fromkeys(name for key in ("alert targets", "escalation targets") for name in status.meta.get(key, "").split("\n") if name))


def list_webhooks(overview: WebhookOverview) -> list[TableRow]:
    lines = []
    for webhook in overview.webhooks:
        last = "not in the last day" if webhook.sent_at is None else units.format_time(webhook.sent_at, WHEN)
        dead = Cell(str(webhook.dead), theme.HARM if webhook.dead else theme.NEUTRAL)
        cells = (webhook.name, webhook.events or "nothing: not configured", last, str(webhook.waiting), dead, webhook.error or "none")
        lines.append(TableRow(webhook.name, cells))
    return lines


def list_dead_letters(overview: WebhookOverview) -> list[TableRow]:
    lines = []
    for row in iterate_rows(overview.dead):
        is_known = isinstance(row.kind, str)
        about = f"{row.kind} {row.state}, {'tick' if row.kind == 'decisions' else 'number'} {row.subject:.0f}" if is_known else "deleted since"
        at = units.format_time(int(row.at), WHEN) if is_known else units.MISSING
        name = str(row.target).removeprefix(TARGET)
        lines.append(TableRow(f"{row.event} {name}", (str(row.event), name, at, about, str(row.tries), str(row.error))))
    return lines


def list_drills(shown: tuple[Drill, ...]) -> list[TableRow]:
    lines = []
    for drill in shown:
        result = Cell("passed", theme.GOOD) if drill.passed else Cell("failed", theme.HARM)
        checks = "; ".join(f"{proof.name} {'passed' if proof.passed else 'FAILED'}: {proof.detail}" for proof in drill.checks)
        lines.append(TableRow(str(drill.at), (units.format_time(drill.at, WHEN), result, units.format_duration(drill.seconds), drill.by, checks)))
    return lines


def _severity(severity: str) -> Cell:
    return Cell(severity, SEVERITIES.get(severity, theme.NEUTRAL))


def _delivery(row: Any | None) -> tuple[str, Cell | str, str]:
    """Return time, state and error of the newest message to a target."""
    if row is None:
        return "none yet", "nothing sent to it", "none"
    state = {"sent": "done", "waiting": "queued" if not row.tries else "failed"}.get(row.status, row.status)
    outcome = {"done": "delivered", "queued": "waiting"}.get(state, f"not delivered, {units.format_count(int(row.tries), 'attempt')}")
    at = row.sent_at if units.is_known(row.sent_at) else row.at
    return units.format_time(int(at), WHEN), Cell(outcome, theme.state_colour(state)), row.error if isinstance(row.error, str) else "none"


def _notified(row: Any, now: int) -> str:
    if units.is_known(row.silenced):
        return f"silenced for another {ages.ticking_countdown(int(row.silenced), now)}"
    if not units.is_known(row.notified_at):
        return "nobody yet"
    sent = f"{ages.ticking_age(int(row.notified_at), now)} ago" if row.notified_at else "waiting to be sent"
    return sent + (", escalated" if units.is_known(row.escalated_at) else "")


HISTORY = HistoryView(
    ALERTS,
    (
        ShownColumn("rule", Column("Alert", nowrap=True), lambda row: Cell(readable_name(row.rule), small=f"alert {row.id}")),
        ShownColumn("severity", Column("Severity"), lambda row: _severity(row.severity)),
        ShownColumn("state", Column("State"), lambda row: Cell(row.state, theme.state_colour(row.state))),
        ShownColumn("at", Column("Since", nowrap=True), lambda row: units.format_time(int(row.at), TIME_FORMAT)),
        ShownColumn("lasted", Column("Lasted", right=True), _lasted),
        ShownColumn("message", Column("Message", full_width=True), lambda row: str(row.message)),
        ShownColumn("acked_by", Column("Acknowledged by"), lambda row: row.acked_by if isinstance(row.acked_by, str) else "nobody"),
    ),
    row_id=lambda row: str(row.id),
    noun="alert",
    empty="no alert has been raised yet",
    label="Every alert",
)
