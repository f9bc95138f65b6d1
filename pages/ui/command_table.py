"""The table of commands with sender, reason and result, and stored names as they are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd

from engine import units
from engine.domain.optimization import manual_result
from pages.ui import theme
from pages.ui.forest_plot import iterate_rows
from pages.ui.tables import Cell, Column, TableRow

WHEN = "%m-%d %H:%M:%S"
NO_REASON = "no reason given"
ACRONYMS = {"cpu": "CPU", "gpu": "GPU", "io": "IO", "rss": "RSS"}
COMMANDS = (
    Column("Time", nowrap=True), Column("Command"), Column("By"), Column("Reason", full_width=True), Column("Status"),
    Column("Result", full_width=True),
)  # fmt: skip


def list_commands(frame: pd.DataFrame) -> list[TableRow]:
    return [TableRow(str(command.id), tuple(cell(command) for cell in COMMAND_CELLS)) for command in iterate_rows(frame)]


def describe_result(stored: object) -> str:
    """Describe a command's stored result in one line, by default as "name value" pairs; "" without one."""
    if not isinstance(stored, str) or not stored:
        return ""
    result = json.loads(stored)
    if not isinstance(result, dict):
        return str(result)
    message = next((result[key] for key in ("error", "detail", "message") if isinstance(result.get(key), str)), None)
    pairs = (f"{readable_name(key)} {value}" for key, value in result.items() if value is not None and not isinstance(value, dict | list))
    return message if message is not None else ", ".join(pairs)


def readable_name(name: str) -> str:
    """Return a stored name in words: "trim_cache" is "trim cache", "cpu_pressure" is "CPU pressure"."""
    return " ".join(ACRONYMS.get(word, word) for word in name.replace("_", " ").split(" "))


def text_or(value: object, missing: str = units.MISSING) -> str:
    """Return a text of a frame, or `missing` for an empty or absent one."""
    return value if isinstance(value, str) and value else missing


def _status(command: Any) -> Cell:
    """Return the status; a measured run shows its verdict instead of "done", which would read as success."""
    result = json.loads(command.result) if command.status == "done" and isinstance(command.result, str) and command.result else None
    verdict = manual_result(result) if isinstance(result, dict) and command.name in {"optimize", "approve"} else None
    if verdict is not None:
        return Cell(verdict, theme.NEUTRAL)
    progress = f"{units.format_percent(command.progress, 0)} {text_or(command.note, '')}" if command.status == "running" else ""
    return Cell(command.status, theme.state_colour(command.status), small=progress)


def _format_arguments(stored: object) -> str:
    arguments = json.loads(stored) if isinstance(stored, str) and stored else {}
    pairs = arguments.items() if isinstance(arguments, dict) else arguments
    return ", ".join(readable_name(f"{key} {value}") for key, value in pairs)


COMMAND_CELLS: tuple[Callable[[Any], Cell | str], ...] = (  # under COMMANDS
    lambda command: units.format_time(int(command.at), WHEN),
    lambda command: Cell(command.name, small=_format_arguments(command.args)),
    lambda command: str(command.by),
    lambda command: Cell(command.reason or NO_REASON, small=getattr(command, "added_reason", "")),
    _status,
    lambda command: describe_result(command.result),
)
