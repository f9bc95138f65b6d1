"""One command with its result, and the reasons that were added to commands afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass

from engine.store.read.reader import Reader, fetch_all, fetch_first

SEARCHED = 500  # newest commands searched for notes
_NOTES = """
    SELECT args, reason, "by" AS sender FROM (SELECT * FROM commands ORDER BY id DESC LIMIT :searched)
    WHERE name = 'annotate' AND status = 'done' ORDER BY id"""


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """A command as far as it has been carried out."""

    number: int
    name: str
    reason: str  # "" where none was given with it
    status: str  # queued, running, done, failed
    result: str | None  # JSON
    finished_at: int | None  # ns UTC


def read_outcome(reader: Reader, number: int) -> CommandOutcome | None:
    """Read the command of this number; None without one."""
    with reader.reading() as connection:
        row = fetch_first(connection, "SELECT id, name, reason, status, result, finished_at FROM commands WHERE id = :id", id=number)
    if row is None:
        return None
    return CommandOutcome(int(row["id"]), str(row["name"]), str(row["reason"] or ""), str(row["status"]), row["result"], row["finished_at"])


def read_notes(reader: Reader) -> dict[int, str]:
    """Read the reasons that were added later, by the number of the command they belong to; several in the order of their arrival."""
    notes: dict[int, list[str]] = {}
    with reader.reading() as connection:
        for row in fetch_all(connection, _NOTES, searched=SEARCHED):
            number = str(json.loads(row["args"]).get("id", ""))
            if number.isdecimal():
                notes.setdefault(int(number), []).append(f"{row['reason']} ({row['sender']})")
    return {number: "; ".join(texts) for number, texts in notes.items()}
