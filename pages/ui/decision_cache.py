"""The page of a decision's way to read what surrounded it: read once per decision, since a stored tick never changes."""

from __future__ import annotations

import streamlit as st

from engine.store.read import moment
from engine.store.read.decision import DecisionDetails
from engine.store.read.moment import Moment
from pages.ui import cache


def fetch_moment(decision: DecisionDetails) -> Moment | None:
    """Return the book and the nearest readings of a decision; None where its tick is not stored."""
    largest = cache.fetch_config_of(decision.config_digest).get("max_position")
    result: Moment | None = _moment(cache.read_key(), decision.tick, decision.symbol, decision.delta, decision.edge_bps, largest)
    return result


@st.cache_data(max_entries=16, ttl=300, show_spinner=False)
def _moment(address: str, tick: int, symbol: str, delta: float | None, edge: float | None, largest: float | None) -> Moment | None:  # noqa: ARG001 of the key
    return moment.read_moment(cache.get_reader(), tick, symbol, delta, edge, largest)
