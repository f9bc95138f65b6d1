"""Finds the command of a name, reads its arguments, and hands it to the function that carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from engine.commands.types import Arguments, CommandTiming, CommandType, Result, Services
from engine.domain.texts import shorten
from engine.domain.trading_config import Command
from engine.plugins import discover_plugins
from engine.schema import Parameter, SchemaError, parameters_of, read_record, suggest


@cache
def list_commands() -> Mapping[str, CommandType]:
    """Every command by name, as engine/commands/handlers lists them."""
    return {command.name: command for commands in discover_plugins("engine.commands.handlers", "COMMANDS") for command in commands}


def find_command(name: str) -> CommandType:
    """The command of that name; raises SchemaError with the near miss."""
    command = list_commands().get(name)
    if command is None:
        raise SchemaError(f"there is no command {shorten(name)}: {suggest(name, list_commands(), 'there are', cutoff=0.6)}")
    return command


def find_parameter(name: str, argument: str) -> Parameter:
    """The bounds, unit, choices and help of an argument, for a form or a page of documentation."""
    return parameters_of(find_command(name).arguments)[argument]


def read_arguments(name: str, values: Mapping[str, str]) -> Arguments:
    """The typed arguments of a command; raises SchemaError in one line with the value and the remedy."""
    command = find_command(name)
    return read_record(command.arguments, values, subject=name, readers=command.readers)


def runs_between_ticks(name: str) -> bool:
    """Whether a command takes a turn between two ticks; so does an unknown one, which is refused there."""
    command = list_commands().get(name)
    return command is None or command.timing is CommandTiming.BETWEEN_TICKS


def route_command(command: Command, services: Services) -> Result | None:
    """Carry out a command; None where a worker finishes it. Raises ValueError in one line for what cannot be done, StoreError from the services."""
    return find_command(command.name).handle(read_arguments(command.name, dict(command.args)), command, services)
