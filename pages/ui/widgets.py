"""The pages' words and boxes: tiles, notices, "waiting for ...", and what is said when the store cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from html import escape

import streamlit as st

from engine.store.read.reader import StoreUnreadable
from pages.ui import ages, cache, sparkline, tables, theme

ENDS_OF_LINES = str.maketrans({"\n": "&#10;", "\r": "&#13;"})


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure: what it is, its value with the unit, what it rests on."""

    label: str
    value: str
    small: str = ""
    state: str | None = None  # a state word that gives the value its colour mark
    trend: tuple[float | None, ...] = ()  # drawn as a small line


@contextmanager
def reading_store(*, page: bool = False) -> Iterator[None]:
    """Says why the store cannot be read in place of what was to be drawn: an error is never an empty result.

    All that is read inside is of one moment of the store. `page` is for what no live part draws: the page is run again once the store can be read.
    """
    try:
        with cache.read_snapshot():
            yield
    except StoreUnreadable as error:
        show_unreadable(error)
        if page:
            rerun_on_change(None)


def keyed_container(name: str) -> AbstractContextManager[object]:
    """A part that comes and goes, with a place of its own.

    What stands below it keeps its place in the page's list of elements; else Streamlit shows it twice while a run lasts.
    """
    return st.container(key=f"place_{name}")


def fixed_container(name: str, height: int) -> AbstractContextManager[object]:
    """A place of a fixed height, in px, for what comes and goes: more of it is scrolled to, and nothing below it is ever moved."""
    return st.container(key=f"reserved_{name}", height=height, border=False)


def rerun_on_change(seen: str | None) -> None:
    """Runs the page again as soon as the store can be read and is another than the one seen."""
    st.session_state["store_seen"] = seen
    _look_again()


@st.fragment(run_every=2)
def _look_again() -> None:
    try:
        now = cache.store_version()
    except StoreUnreadable:
        return
    if now != st.session_state.get("store_seen"):
        st.session_state["store_seen"] = now
        st.rerun()


def show_unreadable(error: StoreUnreadable) -> None:
    if error.kind == "missing":
        show_waiting("the engine to set up its store", str(error))
        return
    word = {"locked": "Store locked", "corrupt": "Store damaged"}.get(error.kind, "Store unreadable")
    _html(f'<div class="pd"><div class="pd-bad" role="alert"><b>{word}.</b> {escape(str(error))}</div></div>')


def show_waiting(what: str, detail: str = "") -> None:
    more = f"<br><small>{escape(detail)}</small>" if detail else ""
    _html(f'<div class="pd"><div class="pd-wait">waiting for {escape(what)}{more}</div></div>')


def show_empty(text: str) -> None:
    """A normal answer that there is nothing here."""
    _html(f'<div class="pd"><div class="pd-wait">{escape(text)}</div></div>')


def show_note(text: str) -> None:
    _html(f'<div class="pd pd-note">{escape(text)}</div>')


def show_heading(text: str, more: str = "") -> None:
    """A section's name with a few words on what it shows."""
    small = f' <span class="pd-muted">{escape(more)}</span>' if more else ""
    _html(f'<div class="pd pd-section"><b role="heading" aria-level="2">{escape(text)}</b>{small}</div>')


def show_text(text: str) -> None:
    _html(f'<div class="pd pd-words">{escape(text)}</div>')


def show_tiles(shown: Sequence[Tile], *, detail_lines: int = 0) -> None:
    """`lines` of room for the small words of each, so that words which change move nothing below."""
    _html(render_tiles(shown, detail_lines=detail_lines))


def render_tiles(shown: Sequence[Tile], *, detail_lines: int = 0) -> str:
    room = f' style="--pd-lines:{detail_lines}"' if detail_lines else ""
    return f'<div class="pd pd-tiles"{room}>{"".join(_tile(tile) for tile in shown)}</div>'


def show_table(columns: Sequence[tables.Column], lines: Sequence[tables.TableRow], *, label: str, cards: bool = True) -> None:
    """A table that is only read."""
    _html(tables.render_table(columns, lines, label=label, cards=cards))


def render_notice(text: str, *, word: str, colour: str, progress: float | None = None) -> str:
    """A banner's HTML."""
    bar = "" if progress is None else f'<div class="pd-progress"><i style="width:{progress * 100:.1f}%"></i></div>'
    return f'<div class="pd-notice" role="status" style="--pd-tone:{colour}"><b>{escape(word)}</b><span>{escape(text)}</span>{bar}</div>'


def escape_html(text: str) -> str:
    """Text as HTML shows it."""
    return escape(text)


def button_label(name: str) -> str:
    """A stored name in the words of a button: Streamlit reads those as Markdown, so only letters, digits and spaces are left of it."""
    return " ".join("".join(sign if sign.isalnum() else " " for sign in name).split())


def show_html(markup: str) -> None:
    """HTML of our own making, every text in it escaped."""
    _html(markup)


def _html(markup: str) -> None:
    """Draws HTML. It goes through Markdown, which takes it as one block of HTML up to an empty line, so there may be no end of line in it."""
    st.markdown(ages.render_ages(markup).translate(ENDS_OF_LINES), unsafe_allow_html=True)


def _tile(tile: Tile) -> str:
    dot = f'<span class="pd-dot" style="background:{theme.state_colour(tile.state)}"></span>' if tile.state else ""
    wordy = " w" if len(ages.strip_marks(tile.value)) > 14 else ""
    small = f'<div class="s">{escape(tile.small)}</div>' if tile.small else ""
    return (
        f'<div class="pd-tile"><div class="l">{escape(tile.label)}</div><div class="v{wordy}">{dot}{escape(tile.value)}</div>{small}'
        f"{sparkline.render_sparkline(tile.trend)}</div>"
    )
