"""Tiles, notices, headings and tables on a page, and what stands in their place while the store cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from html import escape

import streamlit as st

from engine.store.read.reader import StoreUnreadable
from pages.ui import ages, cache, refresh, sparkline, tables, theme

LINE_ENDS = str.maketrans({"\n": "&#10;", "\r": "&#13;"})


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure with its label, its value with the unit, and the data it rests on.

    The tooltip is the glossary's sentence for `term`, or for the label.
    """

    label: str
    value: str
    small: str = ""
    state: str | None = None  # a state word that gives the value its colour mark
    trend: tuple[float | None, ...] = ()  # drawn as a sparkline
    term: str = ""


@contextmanager
def reading_store(*, page: bool = False) -> Iterator[None]:
    """Read one snapshot of the store; an unreadable store is reported in place of the content, never shown as empty.

    With `page`, for content outside a live part, the page runs again once the store can be read.
    """
    try:
        with cache.read_snapshot():
            yield
    except StoreUnreadable as error:
        show_unreadable(error)
        if page:
            rerun_on_change(None)


def keyed_container(name: str) -> AbstractContextManager[object]:
    """Return a container for content that comes and goes.

    It keeps the elements below at their positions in the page; without it Streamlit shows them twice while a run lasts.
    """
    return st.container(key=f"place_{name}")


def fixed_container(name: str, height: int) -> AbstractContextManager[object]:
    """Return a container of a fixed height in px for content that comes and goes; it scrolls, and nothing below it moves."""
    return st.container(key=f"reserved_{name}", height=height, border=False)


def rerun_on_change(seen: str | None) -> None:
    """Run the page again as soon as the store can be read and its version differs from `seen`."""
    st.session_state["store_seen"] = seen
    _poll_store()


@refresh.refresh_every(2)
def _poll_store() -> None:
    try:
        version = cache.store_version()
    except StoreUnreadable:
        return
    if version != st.session_state.get("store_seen"):
        st.session_state["store_seen"] = version
        st.rerun()


def show_unreadable(error: StoreUnreadable) -> None:
    """Show why the store cannot be read; of several parts of a page that say so, the first is seen (podium.css)."""
    if error.kind == "missing":
        show_waiting("the engine to set up its store", str(error), kind="pd-unread")
        return
    reason = str(error)
    word = {"locked": "Store locked", "corrupt": "Store damaged"}.get(error.kind, "Store unreadable")
    show_html(f'<div class="pd pd-unread"><div class="pd-bad" role="alert"><b>{word}.</b> {escape(reason[:1].upper() + reason[1:])}</div></div>')


def show_waiting(what: str, detail: str = "", *, kind: str = "") -> None:
    """Show that the page waits for something that will come; `kind` is another class of the box."""
    more = f"<br><small>{escape(detail)}</small>" if detail else ""
    show_html(f'<div class="pd {kind}"><div class="pd-wait">waiting for {escape(what)}{more}</div></div>')


def show_empty(text: str) -> None:
    """Show that there is nothing here, as a normal result."""
    show_html(f'<div class="pd"><div class="pd-wait">{escape(text)}</div></div>')


def show_note(text: str) -> None:
    show_html(f'<div class="pd pd-note">{escape(text)}</div>')


def show_heading(text: str, more: str = "", *, term: str = "") -> None:
    """Show the name of a section with a few words on its content; its tooltip is the glossary's sentence for `term`, or for the name."""
    show_html(f'<div class="pd">{render_heading(text, more, term=term)}</div>')


def render_heading(text: str, more: str = "", *, term: str = "") -> str:
    small = f' <span class="pd-muted">{escape(more)}</span>' if more else ""
    return f'<div class="pd-section"><b role="heading" aria-level="2"{tables.render_tooltip(term or text)}>{escape(text)}</b>{small}</div>'


def show_text(text: str, *, scrolled_as: str = "") -> None:
    """Show sentences; `scrolled_as` names a box of fixed height, which the keyboard scrolls."""
    box = f' tabindex="0" role="region" aria-label="{escape(scrolled_as)}"' if scrolled_as else ""
    show_html(f'<div class="pd pd-words"{box}>{escape(text)}</div>')


def show_tiles(shown: Sequence[Tile], *, detail_lines: int = 0) -> None:
    """Show tiles; `detail_lines` reserves room for the small words of each, so that words which change move nothing below."""
    show_html(render_tiles(shown, detail_lines=detail_lines))


def render_tiles(shown: Sequence[Tile], *, detail_lines: int = 0) -> str:
    room = f' style="--pd-lines:{detail_lines}"' if detail_lines else ""
    return f'<div class="pd pd-tiles"{room}>{"".join(_tile(tile) for tile in shown)}</div>'


def show_table(columns: Sequence[tables.Column], lines: Sequence[tables.TableRow], *, label: str, cards: bool = True) -> None:
    """Show a table without links."""
    show_html(tables.render_table(columns, lines, label=label, cards=cards))


def render_notice(text: str, *, word: str, colour: str, progress: float | None = None) -> str:
    """Return a banner as HTML."""
    bar = "" if progress is None else f'<div class="pd-progress"><i style="width:{progress * 100:.1f}%"></i></div>'
    return f'<div class="pd-notice" role="status" style="--pd-tone:{colour}"><b>{escape(word)}</b><span>{escape(text)}</span>{bar}</div>'


def show_notice(text: str, *, word: str, colour: str) -> None:
    show_html(f'<div class="pd">{render_notice(text, word=word, colour=colour)}</div>')


def escape_html(text: str) -> str:
    """Escape text for HTML."""
    return escape(text)


def button_label(name: str) -> str:
    """Return a stored name as a button's label: only letters, digits and spaces, because Streamlit reads labels as Markdown."""
    return " ".join("".join(sign if sign.isalnum() else " " for sign in name).split())


def show_html(markup: str) -> None:
    """Show our own HTML, in which every text is escaped; a line end would end the block of HTML in Streamlit's Markdown."""
    st.markdown(ages.render_ages(markup).translate(LINE_ENDS), unsafe_allow_html=True)


def _tile(tile: Tile) -> str:
    dot = f'<span class="pd-dot" style="background:{theme.state_colour(tile.state)}"></span>' if tile.state else ""
    wordy = " w" if len(ages.strip_marks(tile.value)) > 14 else ""
    small = f'<div class="s">{escape(tile.small)}</div>' if tile.small else ""
    return (
        f'<div class="pd-tile"><div class="l"{tables.render_tooltip(tile.term or tile.label)}>{escape(tile.label)}</div>'
        f'<div class="v{wordy}">{dot}{escape(tile.value)}</div>{small}{sparkline.render_sparkline(tile.trend)}</div>'
    )
