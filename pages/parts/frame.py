"""The frame of every page: theme, navigation, the line with the engine's state, and banners."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from engine.health import is_ahead
from engine.store.reader import StoreUnreadable
from engine.store.status_query import Status
from pages.parts import ages, live, reads, tables, theme, units, wellness, widgets
from pages.parts.addresses import PAGES

ROOT = Path(__file__).resolve().parents[2]
REFRESH = 2.0  # s
_WORDS = {"locked": "Store locked.", "corrupt": "Store damaged."}


def run(store_url: str) -> None:
    """Run the chosen page in its frame; the script calls this at every run."""
    st.set_page_config(page_title="Podium", page_icon=str(Path(__file__).parent / "icon.svg"), layout="wide", initial_sidebar_state="auto")
    st.html(f"<style>{theme.css()}</style>")
    st.logo(str(Path(__file__).parent / "podium.svg"), size="large")
    reads.use(store_url)
    chosen = st.navigation(
        [st.Page(ROOT / "pages" / file, title=title, url_path=address, icon=icon, default=address is None) for file, title, address, icon in PAGES]
    )
    head(chosen.title)
    chosen.run()


@st.fragment(run_every=REFRESH)
def head(title: str) -> None:
    """Show the page's name, the engine's state and the banners."""
    live.clock(reads.now(), REFRESH)
    try:
        status = reads.status()
    except StoreUnreadable as error:
        word = {"missing": "starting", "locked": "degraded"}.get(error.kind, "down")
        shown = [] if error.kind == "missing" else [wellness.Banner(_WORDS.get(error.kind, "Store unreadable."), _unreadable_for(), theme.HARM)]
        head = f'<div class="pd-head"><h1>{escape(title)}</h1><span class="pd-right">{tables.chip(word)}</span></div>'
        widgets.show(f'<div class="pd">{head}{wellness.draw(shown)}</div>')
        return
    st.session_state.pop("unreadable_since", None)
    now = reads.now()
    verdict = wellness.health(status, now)
    shown = wellness.banners(status, verdict, now)
    facts = "".join(f"<span>{fact}</span>" for fact in _facts(status, now))
    state = tables.chip(wellness.word(verdict))
    widgets.show(
        f'<div class="pd"><div class="pd-head"><h1>{escape(title)}</h1><span class="pd-right">{state}</span>{facts}</div>{wellness.draw(shown)}</div>'
    )


def _unreadable_for() -> str:
    """Return how long this browser session has been unable to read the store."""
    now = reads.now()
    since = st.session_state.setdefault("unreadable_since", now)
    return f"For {ages.since(since, now)}; the page retries every {REFRESH:g} s"


def _facts(status: Status, now: int) -> list[str]:
    facts: list[str] = []
    if status.session is not None:
        facts.append(f"{escape(status.session.label)} · {len(status.session.symbols)} symbols · {units.bars(status.session.interval)} bars")
    if status.last is not None:
        facts.append(f"tick <b>{status.last.tick:,}</b>")
        facts.append(f"market {units.moment(status.last.at, '%Y-%m-%d %H:%M')} UTC")
        when = "at a time in the future" if is_ahead(status.last.wall, now) else f"{ages.since(status.last.wall, now)} ago"
        facts.append(f'<span class="pd-muted pd-age">decided {when}</span>')
    return facts


def lead(page: str, **query: str) -> None:
    """Open another page from a page's script."""
    st.switch_page(str(ROOT / "pages" / page), query_params=query)
