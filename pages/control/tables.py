"""The columns of the table of commands."""

from __future__ import annotations

from typing import Any

from engine import units
from engine.store.read.history_tables import COMMANDS
from pages.ui import command_table
from pages.ui.history_table import TIME_FORMAT, HistoryView, ShownColumn
from pages.ui.tables import Column


def _format_moment(at: object) -> str:
    return units.format_time(int(at), TIME_FORMAT) if isinstance(at, int | float) and units.is_known(at) else units.MISSING


def _finished(command: Any) -> str:
    return _format_moment(command.finished_at)


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
    noun="command",
    empty="no command has been sent yet",
    label="Commands sent",
)
