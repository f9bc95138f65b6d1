"""The columns of the audit trail."""

from __future__ import annotations

import json

from engine import units
from engine.store.read.history_tables import AUDIT
from pages.ui import theme
from pages.ui.command_table import readable_name
from pages.ui.history_table import TIME_FORMAT, HistoryView, ShownColumn
from pages.ui.tables import Cell, Column

MAX_SHOWN = 160  # characters of a value in a cell; a file has the whole
KINDS = {
    "command": "Commands", "result": "Results of commands", "setting": "Settings", "export": "Exports", "log-in": "Log-ins", "account": "Accounts",
    "token": "Tokens", "refusal": "Refusals", "retention": "Deleted by retention",
}  # fmt: skip
_COLOURS = {
    "setting": theme.WARNING, "export": theme.UP, "retention": theme.NEUTRAL, "refusal": theme.HARM, "account": theme.WARNING, "token": theme.WARNING,
}  # fmt: skip


def describe_kind(kind: str) -> str:
    """Return the words for a kind of row, and for all of them."""
    return KINDS.get(kind, kind)


def describe_values(stored: object) -> str:
    """Describe what a row has as JSON in one line of names and values; "" without it."""
    if not isinstance(stored, str) or not stored:
        return ""
    try:
        values = json.loads(stored)
    except ValueError:  # a changed row: the check of the trail says so
        values = stored
    text = _join_values(values) if isinstance(values, dict) else str(values)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}\N{HORIZONTAL ELLIPSIS}"


def _join_values(values: dict[str, object]) -> str:
    return ", ".join(words for name, value in values.items() if (words := _describe(name, value)))


def _describe(name: str, value: object) -> str:
    if isinstance(value, dict):
        return _join_values(value)
    if name == "message" and isinstance(value, str):
        return value
    if isinstance(value, bool):
        return f"{readable_name(name)} {'yes' if value else 'no'}"
    shown = ", ".join(map(str, value)) if isinstance(value, list) else value
    return f"{readable_name(name)} {'not set' if shown in {None, ''} else shown}"


HISTORY = HistoryView(
    AUDIT,
    (
        ShownColumn("id", Column("Row", right=True), lambda row: f"{row.id:,}"),
        ShownColumn("at", Column("Time", nowrap=True), lambda row: units.format_time(int(row.at), TIME_FORMAT)),
        ShownColumn("who", Column("Who"), lambda row: str(row.who)),
        ShownColumn("origin", Column("From where"), lambda row: row.origin or units.MISSING),
        ShownColumn("kind", Column("Kind"), lambda row: Cell(str(row.kind), _COLOURS.get(str(row.kind)))),
        ShownColumn("subject", Column("What"), lambda row: readable_name(str(row.subject))),
        ShownColumn("why", Column("Why", full_width=True), lambda row: row.why or units.MISSING),
        ShownColumn("before", Column("Before", full_width=True), lambda row: describe_values(row.before) or units.MISSING),
        ShownColumn("after", Column("After", full_width=True), lambda row: describe_values(row.after) or units.MISSING),
        ShownColumn("digest", Column("Digest"), lambda row: f"{str(row.digest)[:12]}\N{HORIZONTAL ELLIPSIS}"),
    ),
    row_id=lambda row: str(row.id),
    noun="row",
    empty="nothing has been entered yet",
    label="Audit trail",
)
