"""The pages' way to read how sure the gains of contests are: once for each checkpoint, which comes every 100 ticks."""

from __future__ import annotations

import streamlit as st

from engine.store.read import contest_figures, models
from engine.store.read.contest_figures import ContestFigures
from pages.ui import cache


def fetch_contest_figures() -> tuple[ContestFigures, ...]:
    """Return the figures as of the newest checkpoint; none before the first."""
    tick = models.find_newest_checkpoint(cache.get_reader())
    return () if tick is None else _figures(cache.read_key(), tick)


@st.cache_data(max_entries=4, ttl=300, show_spinner=False)
def _figures(address: str, tick: int) -> tuple[ContestFigures, ...]:  # noqa: ARG001 of the key
    return contest_figures.read_contest_figures(cache.get_reader(), tick)
