"""Choices that live in the page's address, so that a view can be kept, sent and reached by a link."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

ALL = "all"


def one_of(label: str, options: Sequence[str], *, name: str, width: int) -> str | None:
    """One of the options, or None for all; the address says which."""
    shown = [ALL, *options]
    asked = st.query_params.get(name, ALL)
    key = f"choice_{name}"
    told = st.selectbox(label, shown, index=shown.index(asked) if asked in shown else 0, key=key, width=width, on_change=_kept, args=(name, key))
    return None if told in {None, ALL} else str(told)


def just_one(label: str, options: Sequence[str], *, name: str, width: int) -> str:
    """One of the options; the address says which, the first where it names none of them."""
    asked = st.query_params.get(name)
    key = f"choice_{name}"
    told = st.selectbox(
        label, options, index=options.index(asked) if asked in options else 0, key=key, width=width, on_change=_kept, args=(name, key)
    )
    return str(told)


def unknown(options: Sequence[str], *, name: str) -> str | None:
    """What the address asks for under this name, where that is not to be had."""
    asked = st.query_params.get(name)
    return asked[:40] if asked is not None and asked not in {ALL, *options} else None


def switch(label: str, *, name: str) -> bool:
    """On where the address says so."""
    key = f"choice_{name}"
    return bool(st.toggle(label, value=st.query_params.get(name) == "yes", key=key, on_change=_kept, args=(name, key)))


def _kept(name: str, key: str) -> None:
    told = st.session_state[key]
    if told in {None, ALL, False}:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = "yes" if told is True else str(told)
