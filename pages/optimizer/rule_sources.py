"""The rules in force, as the store and podium.toml have them, and the newest word of each."""

from __future__ import annotations

from collections.abc import Sequence

from engine.domain.rules import Rule
from pages.optimizer import rule_form
from pages.optimizer.rule_table import RuleSource
from pages.ui import cache, optimizer_cache


def fetch_rules(known: Sequence[str]) -> list[RuleSource]:
    """Every rule with where it comes from."""
    return rule_form.merge_rules(_from_file(), optimizer_cache.fetch_rule_overrides(), known)


def fetch_rules_by_name(known: Sequence[str]) -> dict[str, Rule]:
    return {one.rule.name: one.rule for one in fetch_rules(known)}


def fetch_newest_states() -> dict[str, str]:
    """fired, cleared or no data, by rule."""
    told = optimizer_cache.fetch_rule_states()
    return dict(zip(told["rule"].tolist(), told["state"].tolist(), strict=True))


def _from_file() -> list[Rule]:
    """The rules of podium.toml, as the engine's settings hold them."""
    status = cache.fetch_status()
    told = status.session.settings.get("rules") if status.session is not None else None
    return [Rule(**{**one, "candidates": tuple(one["candidates"])}) for one in told or () if isinstance(one, dict)]
