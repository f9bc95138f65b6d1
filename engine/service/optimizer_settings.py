"""Reads what podium.toml says about the optimizer: the tables [rules.NAME] and [actions]."""

from __future__ import annotations

from typing import Any

from engine.optimizer.default_rules import DEFAULT_RULES
from engine.optimizer.rule_schema import parse_mode, parse_rule
from engine.plugins import discover_plugins
from engine.settings import SettingsError


def read_rules(name: str, table: object) -> dict[str, Any]:
    """Rules in the place of defaults, or besides them; raises SettingsError in one line."""
    if not isinstance(table, dict) or not all(isinstance(told, dict) for told in table.values()):
        raise SettingsError(f"{name} must be tables: write [rules.NAME] and a line for each word of the rule")
    known, base = list_action_names(), {rule.name: rule for rule in DEFAULT_RULES}
    try:
        return {"rules": tuple(parse_rule(one, told, base.get(one), known) for one, told in table.items())}
    except ValueError as error:
        raise SettingsError(f"[rules] in podium.toml: {error}") from None


def read_modes(name: str, table: object) -> dict[str, Any]:
    """The mode of each action named; raises SettingsError in one line."""
    if not isinstance(table, dict):
        raise SettingsError(f'{name} must be a table: write [actions] and a line for each, such as delete_temp = "auto"')
    known = list_action_names()
    try:
        return {"modes": tuple((action, parse_mode(action, mode, known)) for action, mode in table.items())}
    except ValueError as error:
        raise SettingsError(f"[actions] in podium.toml: {error}") from None


def list_action_names() -> tuple[str, ...]:
    """The actions there are."""
    return tuple(action.name for action in discover_plugins("engine.actions", "ACTION"))
