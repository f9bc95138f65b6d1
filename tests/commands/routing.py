"""Services for handlers under test: what a test does not give refuses to be used."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from engine.commands.router import route_command
from engine.commands.types import Result, Services
from engine.domain.trading_config import Command


class Absent:
    """A service that the test does not expect to be used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{self._name}.{name} is used")

    def __call__(self, *given: object) -> Any:
        raise AssertionError(f"{self._name} is called with {given}")


def services(**given: Any) -> Services:
    """Services of which only those given may be used."""
    return Services(**{field.name: given.get(field.name, Absent(field.name)) for field in fields(Services)})


def carry_out(command: Command, **given: Any) -> Result | None:
    """Route a command to its handler."""
    return route_command(command, services(**given))
