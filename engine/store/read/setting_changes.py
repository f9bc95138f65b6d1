"""The trading parameters that commands have changed in the newest session, each with the value before it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from engine.store.read.reader import Reader, fetch_all

SEARCHED = 2_000  # newest commands
_CHANGES = """
    SELECT id, at, args, "by" AS sender, reason, status, result FROM (SELECT * FROM commands ORDER BY id DESC LIMIT :searched)
    WHERE name = 'configure' AND (status <> 'done' OR result ->> 'session' = (SELECT max(id) FROM sessions)) ORDER BY id"""
_BASES = "SELECT value FROM meta WHERE key = 'parameters of session ' || (SELECT max(id) FROM sessions)"


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One command that gives a trading parameter another value."""

    number: int
    at: int  # ns UTC
    parameter: str
    value: str  # as written
    before: str | None  # the value that it replaced; None where it is not known, or nothing was replaced
    sender: str
    reason: str
    status: str  # queued, running, done, failed
    is_newest: bool  # the last that was carried out for its parameter


def read_setting_changes(reader: Reader) -> tuple[SettingChange, ...]:
    """Read the changes, newest first, among the newest commands."""
    with reader.reading() as connection:
        rows = fetch_all(connection, _CHANGES, searched=SEARCHED)
        stored = fetch_all(connection, _BASES)
    bases = json.loads(stored[0]["value"]) if stored else {}
    current = {str(name): f"{base:.12g}" for name, (_, base) in bases.items()}
    newest: dict[str, int] = {}
    changes = []
    for row in rows:
        arguments = json.loads(row["args"])
        name, value = str(arguments.get("parameter", "")), str(arguments.get("value", ""))
        is_done = row["status"] == "done"
        changes.append((row, name, value, current.get(name) if is_done else None))
        if is_done:
            current[name], newest[name] = value, int(row["id"])
    return tuple(
        SettingChange(
            int(row["id"]), int(row["at"]), name, value, before, str(row["sender"]), str(row["reason"] or ""), str(row["status"]),
            newest.get(name) == row["id"],
        )
        for row, name, value, before in reversed(changes)
    )  # fmt: skip
