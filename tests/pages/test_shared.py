"""Parts of a page are built once per version of the store for all sessions, and again when they are old."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def _page(url: str) -> None:
    import streamlit as st

    from pages.ui import cache
    from pages.ui.shared import build_every, build_once

    def build(name: str) -> str:
        st.session_state[name] = st.session_state.get(name, 0) + 1
        return name

    cache.use_store(url)
    with cache.read_snapshot():
        for _ in range(3):
            st.text(build_once("once", lambda: build("once")))
            st.text(build_once("old", lambda: build("old"), seconds=0))
            st.text(build_every("every", lambda: build("every"), seconds=1_000))


def test_a_part_is_built_once_for_all_sessions_and_again_when_it_is_old(full_store: str) -> None:
    first, second = (AppTest.from_function(_page, default_timeout=300, args=(full_store,)).run(timeout=300) for _ in range(2))
    assert [text.value for text in second.text] == ["once", "old", "every"] * 3
    assert (first.session_state["once"], first.session_state["old"], first.session_state["every"]) == (1, 3, 1)
    assert "once" not in second.session_state
    assert "every" not in second.session_state
    assert second.session_state["old"] == 3
