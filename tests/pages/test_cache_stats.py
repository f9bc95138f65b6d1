"""What the pages keep is counted and emptied, from a thread that draws nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import streamlit as st

from pages.ui import cache_stats


def test_results_are_counted_in_bytes_and_gone_once_they_are_emptied() -> None:
    made: list[int] = []

    @st.cache_data(show_spinner=False)
    def result(size: int) -> bytes:
        made.append(size)
        return b"x" * size

    with ThreadPoolExecutor(1) as pool:
        pool.submit(cache_stats.clear_cache).result()
        assert cache_stats.measure_cache() == (0, 0)
        result(3_000_000)
        result(3_000_000)
        assert made == [3_000_000]
        entries, size = pool.submit(cache_stats.measure_cache).result()
        assert entries >= 1
        assert size >= 3_000_000
        pool.submit(cache_stats.clear_cache).result()
        assert cache_stats.measure_cache() == (0, 0)
    result(3_000_000)
    assert made == [3_000_000] * 2
