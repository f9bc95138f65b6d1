"""Filters stored in the page's address, so that a view can be bookmarked, sent and linked to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

ALL = "all"
PLACE = ("from", "until")  # of a table of history: another choice begins at its first page


def select_or_all(label: str, options: Sequence[str], *, name: str, width: int, describe: Callable[[str], str] = str) -> str | None:
    """Show a select box and return one of the options, or None for all; the address holds the choice.

    `describe` gives the words shown for an option.
    """
    shown = [ALL, *options]
    key = _set_widget(name, _read_address(shown, name))
    choice = st.selectbox(label, shown, format_func=describe, key=key, width=width, on_change=_store_choice, args=(name, key))
    return None if choice in {None, ALL} else str(choice)


def select_one(label: str, options: Sequence[str], *, name: str, width: int) -> str:
    """Show a select box and return one of the options; the address holds the choice, by default the first option."""
    key = _set_widget(name, _read_address(options, name))
    return str(st.selectbox(label, options, key=key, width=width, on_change=_store_choice, args=(name, key)))


def show_text(label: str, *, name: str, width: int, placeholder: str = "") -> str:
    """Show a text field and return its text; the address holds it."""
    key = _set_widget(name, st.query_params.get(name, ""))
    return str(st.text_input(label, key=key, width=width, placeholder=placeholder, max_chars=200, on_change=_store_choice, args=(name, key)))


def select_value(label: str, options: Mapping[str, str], *, name: str, chosen: str, width: int | None = None, about: str | None = None) -> None:
    """Show a select box of labels by value, `width` px wide or as wide as there is room; the address holds the value, where it is not ""."""
    key = _set_widget(name, chosen if chosen in options else "")
    st.selectbox(
        label, list(options), format_func=lambda value: options[value], key=key, on_change=_store_choice, args=(name, key), help=about,
        width="stretch" if width is None else width,
    )  # fmt: skip


def store_value(name: str, value: str) -> None:
    """Set a value in the address; a table of history then begins at its first page."""
    _leave_place()
    st.query_params[name] = value


def select_many(label: str, options: Mapping[str, str], chosen: Sequence[str], *, name: str, usual: Sequence[str]) -> None:
    """Show a choice of several labels by value; the address holds the values, where they are not the usual ones."""
    key = _set_widget(name, list(chosen))
    st.multiselect(label, list(options), format_func=lambda value: options[value], key=key, on_change=_store_values, args=(name, key, tuple(usual)))


def find_unknown(options: Sequence[str], *, name: str) -> str | None:
    """Return the value of this name in the address if it is none of the options, else None."""
    value = st.query_params.get(name)
    return value[:40] if value is not None and value not in {ALL, *options} else None


def show_toggle(label: str, *, name: str) -> bool:
    """Show a toggle and return whether it is on; the address holds its state."""
    key = _set_widget(name, st.query_params.get(name) == "yes")
    return bool(st.toggle(label, key=key, on_change=_store_choice, args=(name, key)))


def preset_choice(key: str, options: Sequence[str], *, name: str) -> None:
    """Set a select box of this key, once, to the option that a link names; the address forgets it, so that the box can then be changed."""
    if name in st.query_params:
        value = st.query_params.pop(name)
        if value in options:
            st.session_state[key] = value


def _read_address(options: Sequence[str], name: str) -> str:
    """Return the option named in the address, else the first."""
    value = st.query_params.get(name)
    return value if value is not None and value in options else options[0]


def _set_widget(name: str, value: str | bool | list[str]) -> str:
    """Set the widget to this value and return its key: the browser's back and forward change the address, which overrides the widget's memory."""
    key = f"choice_{name}"
    st.session_state[key] = value
    return key


def _store_choice(name: str, key: str) -> None:
    choice = st.session_state[key]
    _leave_place()
    if choice in {None, ALL, False, ""}:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = "yes" if choice is True else str(choice)


def _store_values(name: str, key: str, usual: tuple[str, ...]) -> None:
    chosen = st.session_state[key]
    if not chosen or set(chosen) == set(usual):
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = ",".join(chosen)


def _leave_place() -> None:
    for name in PLACE:
        st.query_params.pop(name, None)
