"""The rules in force, as the store and podium.toml have them, and the newest word of each."""

from __future__ import annotations

from collections.abc import Sequence

from engine.domain.rules import Rule
from pages.parts import optimizer_reads, reads, rule_form
from pages.parts.rule_rows import Origin


def origins(known: Sequence[str]) -> list[Origin]:
    """Every rule with where it comes from."""
    return rule_form.origins(_from_file(), optimizer_reads.changed_rules(), known)


def by_name(known: Sequence[str]) -> dict[str, Rule]:
    return {one.rule.name: one.rule for one in origins(known)}


def states() -> dict[str, str]:
    """fired, cleared or no data, by rule."""
    told = optimizer_reads.firings()
    return dict(zip(told["rule"].tolist(), told["state"].tolist(), strict=True))


def _from_file() -> list[Rule]:
    """The rules of podium.toml, as the engine's settings hold them."""
    status = reads.status()
    told = status.session.settings.get("rules") if status.session is not None else None
    return [Rule(**{**one, "candidates": tuple(one["candidates"])}) for one in told or () if isinstance(one, dict)]
