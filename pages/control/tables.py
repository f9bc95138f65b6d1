"""The columns of the table of commands."""

from __future__ import annotations

from typing import Any

import pandas as pd

from engine import units
from engine.store.read.history_tables import COMMANDS
from pages.ui import command_table, now_cache
from pages.ui.history_table import TIME_FORMAT, HistoryView, ShownColumn
from pages.ui.tables import Column


def _format_moment(at: object) -> str:
    return units.format_time(int(at), TIME_FORMAT) if isinstance(at, int | float) and units.is_known(at) else units.MISSING


def _finished(command: Any) -> str:
    return _format_moment(command.finished_at)


def _add_later_reasons(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the reasons that were given after their commands."""
    notes = now_cache.fetch_notes()
    return frame.assign(added_reason=[f"added later: {notes[number]}" if number in notes else "" for number in map(int, frame["id"])])


HISTORY = HistoryView(
    COMMANDS,
    (
        *(
            ShownColumn(name, head, cell)
            for name, head, cell in zip(COMMANDS.default, command_table.COMMANDS, command_table.COMMAND_CELLS, strict=True)
        ),
        ShownColumn("started_at", Column("Started", nowrap=True), lambda command: _format_moment(command.started_at)),
        ShownColumn("finished_at", Column("Finished", nowrap=True), _finished),
    ),
    row_id=lambda command: str(command.id),
    enrich=_add_later_reasons,
    noun="command",
    empty="no command has been sent yet",
    label="Commands sent",
)
