"""Rules in force and their sources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from engine.domain.rules import Rule
from engine.optimizer.default_rules import DEFAULT_RULES
from engine.optimizer.rule_schema import parse_rule
from pages.ui import cache

DEFAULT, FILE, HERE = "default", "podium.toml", "changed here"


@dataclass(frozen=True, slots=True)
class RuleSource:
    """A rule in force, its source, and the rule without the change made on the page."""

    rule: Rule
    source: str  # default, podium.toml, changed here
    base: Rule | None  # None for a rule created on the page
    by: str = ""
    reason: str = ""
    changed_at: int | None = None


def fetch_rules(actions: Sequence[str]) -> list[RuleSource]:
    """Return every rule in force with its source."""
    return merge_rules(_rules_of_file(), cache.fetch_rule_overrides(), actions)


def fetch_rules_by_name(actions: Sequence[str]) -> dict[str, Rule]:
    return {source.rule.name: source.rule for source in fetch_rules(actions)}


def fetch_newest_states() -> dict[str, str]:
    """Return fired, cleared or no data, by rule."""
    states = cache.fetch_rule_states()
    return dict(zip(states["rule"].tolist(), states["state"].tolist(), strict=True))


def merge_rules(from_file: Sequence[Rule], overrides: pd.DataFrame, actions: Sequence[str]) -> list[RuleSource]:
    """Return the defaults, overridden by podium.toml, overridden by the changes made on the page."""
    sources: dict[str, RuleSource] = {rule.name: RuleSource(rule, DEFAULT, rule) for rule in DEFAULT_RULES}
    for rule in from_file:
        sources[rule.name] = RuleSource(rule, FILE, rule)
    for override in overrides.to_dict("records"):
        name = str(override["name"])
        before = sources.get(name)
        allowed = (*actions, *(before.rule.candidates if before else ()))
        fields = json.loads(str(override["data"]))
        try:
            rule = parse_rule(name, fields, before.rule if before else None, allowed)
        except ValueError:
            continue  # the engine ignores an unreadable override as well
        changed = (str(override["by"]), str(override["reason"]), int(override["changed_at"]))
        sources[name] = RuleSource(rule, HERE, before.rule if before else None, *changed)
    return list(sources.values())


def _rules_of_file() -> list[Rule]:
    """Return the rules of podium.toml from the settings that the engine stored."""
    session = cache.fetch_status().session
    stored = session.settings.get("rules") if session is not None else None
    return [Rule(**{**rule, "candidates": tuple(rule["candidates"])}) for rule in stored or () if isinstance(rule, dict)]
