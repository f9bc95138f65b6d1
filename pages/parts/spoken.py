"""A decision in plain words, as engine.explain puts them."""

from __future__ import annotations

from engine.store.decision_query import DecisionTold


def words(told: DecisionTold) -> str | None:
    """None until there is an explanation to give."""
    return None if not told.rungs else None
