"""The size of the pages' cache in this process, and a way to clear it for the engine's clear_caches; usable before the server runs."""

from __future__ import annotations

from itertools import chain

import streamlit as st
from streamlit.runtime.caching import get_data_cache_stats_provider


def measure_cache() -> tuple[int, int]:
    """Return the number of functions with cached results, and the bytes of all results."""
    stats = get_data_cache_stats_provider().get_stats()
    entries = list(chain.from_iterable(stats.values()) if isinstance(stats, dict) else stats)
    return len(entries), sum(stat.byte_length for stat in entries)


def clear_cache() -> None:
    """Clear all results; the next read fills the cache again."""
    st.cache_data.clear()
