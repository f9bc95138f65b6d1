"""Reads what podium.toml says about the optimizer: the tables [rules.NAME] and [actions]."""

from __future__ import annotations

from typing import Any

from engine.discover import discover
from engine.optimizer.defaults import RULES
from engine.optimizer.rule_forms import read_mode, read_rule
from engine.settings import SettingsError


def rules(name: str, table: object) -> dict[str, Any]:
    """Rules in the place of defaults, or besides them; raises SettingsError in one line."""
    if not isinstance(table, dict) or not all(isinstance(told, dict) for told in table.values()):
        raise SettingsError(f"{name} must be tables: write [rules.NAME] and a line for each word of the rule")
    known, base = action_names(), {rule.name: rule for rule in RULES}
    try:
        return {"rules": tuple(read_rule(one, told, base.get(one), known) for one, told in table.items())}
    except ValueError as error:
        raise SettingsError(f"[rules] in podium.toml: {error}") from None


def modes(name: str, table: object) -> dict[str, Any]:
    """The mode of each action named; raises SettingsError in one line."""
    if not isinstance(table, dict):
        raise SettingsError(f'{name} must be a table: write [actions] and a line for each, such as delete_temp = "auto"')
    known = action_names()
    try:
        return {"modes": tuple((action, read_mode(action, mode, known)) for action, mode in table.items())}
    except ValueError as error:
        raise SettingsError(f"[actions] in podium.toml: {error}") from None


def action_names() -> tuple[str, ...]:
    """The actions there are."""
    return tuple(action.name for action in discover("engine.actions", "ACTION"))
