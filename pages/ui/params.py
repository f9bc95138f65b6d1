"""Choices that live in the page's address, so that a view can be kept, sent and reached by a link."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

ALL = "all"


def select_or_all(label: str, options: Sequence[str], *, name: str, width: int) -> str | None:
    """One of the options, or None for all; the address says which."""
    shown = [ALL, *options]
    key = _follow(name, _named(shown, name))
    told = st.selectbox(label, shown, key=key, width=width, on_change=_kept, args=(name, key))
    return None if told in {None, ALL} else str(told)


def select_one(label: str, options: Sequence[str], *, name: str, width: int) -> str:
    """One of the options; the address says which, the first where it names none of them."""
    key = _follow(name, _named(options, name))
    return str(st.selectbox(label, options, key=key, width=width, on_change=_kept, args=(name, key)))


def find_unknown(options: Sequence[str], *, name: str) -> str | None:
    """What the address asks for under this name, where that is not to be had."""
    asked = st.query_params.get(name)
    return asked[:40] if asked is not None and asked not in {ALL, *options} else None


def show_toggle(label: str, *, name: str) -> bool:
    """On where the address says so."""
    key = _follow(name, st.query_params.get(name) == "yes")
    return bool(st.toggle(label, key=key, on_change=_kept, args=(name, key)))


def _named(options: Sequence[str], name: str) -> str:
    """The option that the address names, else the first."""
    asked = st.query_params.get(name)
    return asked if asked is not None and asked in options else options[0]


def _follow(name: str, value: str | bool) -> str:
    """The key of a widget that has this value: the browser's back and forward change the address, and the widget must not remember another."""
    key = f"choice_{name}"
    st.session_state[key] = value
    return key


def _kept(name: str, key: str) -> None:
    told = st.session_state[key]
    if told in {None, ALL, False}:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = "yes" if told is True else str(told)
