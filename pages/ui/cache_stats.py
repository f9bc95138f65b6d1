"""What the pages keep in this process of what they have read, counted and emptied for the engine's clear_caches."""

from __future__ import annotations

from itertools import chain

import streamlit as st
from streamlit.runtime.caching import get_data_cache_stats_provider


def measure_cache() -> tuple[int, int]:
    """Results kept by st.cache_data in all its functions, counted together by function, and their bytes."""
    told = get_data_cache_stats_provider().get_stats()
    each = list(chain.from_iterable(told.values()) if isinstance(told, dict) else told)
    return len(each), sum(stat.byte_length for stat in each)


def clear_cache() -> None:
    """Forgets them; the next visitor's read fills them again."""
    st.cache_data.clear()
