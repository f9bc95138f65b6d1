"""Trading parameters that a person has changed while the engine runs, and how long they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import orjson

from engine.domain.trading_config import TradingConfig
from engine.schema import SchemaError
from engine.settings import Settings
from engine.trading_parameters import read_live_parameter


class ParameterControls:
    """The part of the engine that changes its trading parameters between two ticks. For one thread at a time."""

    settings: Settings
    config: TradingConfig
    changed_parameters: Mapping[str, tuple[Any, Any]] = {}  # by name: the value, and that of the settings when it was changed
    remember_parameters: Callable[[str], None] = staticmethod(lambda _text: None)
    _switches: list[tuple[float, int]]  # of the simulated signal: its value, and the close of the bar before (ns UTC)

    def live_settings(self) -> dict[str, object]:
        """The trading parameters and switches in force by name, with the signal that the simulated market was last given."""
        in_force = {field.name: getattr(self.config, field.name) for field in fields(self.config)}
        return in_force | {"signal": self._switches[-1][0] if self._switches else self.settings.sim_signal}

    def change_parameter(self, name: str, text: str) -> str:
        """Let a trading parameter have another value from the next tick on; the store remembers it first. Raises ValueError in one line."""
        value, before = read_live_parameter(name, text), getattr(self.config, name)
        if value == before:
            raise ValueError(f"{name} is {_write(before)} already: give another value")
        changed = {**self.changed_parameters, name: (value, getattr(self.settings.trading, name))}
        values: dict[str, Any] = {name: value}
        self.remember_parameters(orjson.dumps(changed).decode())
        self.changed_parameters, self.config = changed, replace(self.config, **values)
        return f"{name} is {_write(value)} from the next tick on; it was {_write(before)}"

    def restore_parameters(self, stored: str) -> list[str]:
        """Restore the changes from before this process; returns a line for each that the settings have overtaken since.

        A value that the settings have been given after the change is newer than the change and holds.
        """
        overtaken = []
        for name, (value, base) in orjson.loads(stored).items():
            current = getattr(self.settings.trading, name, None)
            if current != base:
                overtaken.append(f"{name} is {_write(current)} by the settings, which were changed after the command that set {_write(value)}")
                continue
            try:
                restored = read_live_parameter(name, str(value))
            except SchemaError as error:  # of another version, with other bounds
                overtaken.append(f"{name} is {_write(current)} again: {error}")
                continue
            values: dict[str, Any] = {name: restored}
            self.changed_parameters = {**self.changed_parameters, name: (restored, base)}
            self.config = replace(self.config, **values)
        if overtaken:  # or a setting that gets its old value back would bring the change back
            self.remember_parameters(orjson.dumps(self.changed_parameters).decode())
        return overtaken


def _write(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
