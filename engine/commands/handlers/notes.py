"""The command that gives the reason of an earlier command: it adds to the record and rewrites nothing."""

from __future__ import annotations

from typing import Annotated

import msgspec

from engine.commands.handlers.alerts import MAX_NUMBER
from engine.commands.types import Arguments, CommandTiming, CommandType, Result, Services
from engine.domain.trading_config import Command
from engine.schema import limits


class AnnotateCommand(Arguments, frozen=True, kw_only=True):
    number: Annotated[
        int, limits(1, MAX_NUMBER, remedy="a whole number from 1", help="number of the earlier command, as Control shows it", example="N")
    ] = msgspec.field(name="id")


def annotate(arguments: AnnotateCommand, command: Command, services: Services) -> Result:
    """Accept the command's own reason as that of an earlier one. Raises ValueError without a reason, and for a command that is not earlier."""
    del services
    if arguments.number >= command.id:
        raise ValueError(f"id is {arguments.number}: give the number of a command before this one, {command.id}")
    if not command.reason.strip():
        raise ValueError("a note needs its text as the reason (reason=...)")
    return {"message": f"reason added to command {arguments.number}"}


COMMANDS = (
    CommandType("annotate", "add a reason to the record of an earlier command (needs a reason)", AnnotateCommand, CommandTiming.IMMEDIATE, annotate),
)
