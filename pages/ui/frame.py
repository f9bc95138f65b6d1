"""The frame of every page: theme, navigation, the line with the engine's state, and banners."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from engine import units
from engine.health import is_in_future
from engine.store.read.reader import StoreUnreadable
from engine.store.read.status import EngineStatus
from pages.ui import ages, banners, cache, live, tables, theme, widgets
from pages.ui.navigation import PAGES

ROOT = Path(__file__).resolve().parents[2]
REFRESH = 2.0  # s
_WORDS = {"locked": "Store locked.", "corrupt": "Store damaged."}


def run_page(store_url: str) -> None:
    """Run the chosen page in its frame; the script calls this at every run."""
    st.set_page_config(page_title="Podium", page_icon=str(Path(__file__).parent / "icon.svg"), layout="wide", initial_sidebar_state="auto")
    st.html(f"<style>{theme.load_css()}</style>")
    st.logo(str(Path(__file__).parent / "podium.svg"), size="large")
    cache.use_store(store_url)
    chosen = st.navigation(
        [st.Page(ROOT / "pages" / file, title=title, url_path=address, icon=icon, default=address is None) for file, title, address, icon in PAGES]
    )
    show_header(chosen.title)
    chosen.run()


@st.fragment(run_every=REFRESH)
def show_header(title: str) -> None:
    """Show the page's name, the engine's state and the banners."""
    live.run_clock(cache.current_time(), REFRESH)
    try:
        status = cache.fetch_status()
    except StoreUnreadable as error:
        word = {"missing": "starting", "locked": "degraded"}.get(error.kind, "down")
        shown = [] if error.kind == "missing" else [banners.Banner(_WORDS.get(error.kind, "Store unreadable."), _unreadable_for(), theme.HARM)]
        head = f'<div class="pd-head"><h1>{escape(title)}</h1><span class="pd-right">{tables.render_chip(word)}</span></div>'
        widgets.show_html(f'<div class="pd">{head}{banners.render_banners(shown)}</div>')
        return
    st.session_state.pop("unreadable_since", None)
    now = cache.current_time()
    verdict = banners.judge_status(status, now)
    shown = banners.build_banners(status, verdict, now)
    facts = "".join(f"<span>{fact}</span>" for fact in _facts(status, now))
    state = tables.render_chip(banners.health_word(verdict))
    line = f'<div class="pd-head"><h1>{escape(title)}</h1><span class="pd-right">{state}</span>{facts}</div>'
    widgets.show_html(f'<div class="pd">{line}{banners.render_banners(shown)}</div>')


def _unreadable_for() -> str:
    """Return how long this browser session has been unable to read the store."""
    now = cache.current_time()
    since = st.session_state.setdefault("unreadable_since", now)
    return f"For {ages.ticking_age(since, now)}; the page retries every {REFRESH:g} s"


def _facts(status: EngineStatus, now: int) -> list[str]:
    facts: list[str] = []
    if status.session is not None:
        facts.append(
            f"{escape(status.session.label)} · {len(status.session.symbols)} symbols · {units.format_bar_length(status.session.interval)} bars"
        )
    if status.last is not None:
        facts.append(f"tick <b>{status.last.tick:,}</b>")
        facts.append(f"market {units.format_time(status.last.at, '%Y-%m-%d %H:%M')} UTC")
        when = "at a time in the future" if is_in_future(status.last.wall, now) else f"{ages.ticking_age(status.last.wall, now)} ago"
        facts.append(f'<span class="pd-muted pd-age">decided {when}</span>')
    return facts


def open_page(page: str, **query: str) -> None:
    """Open another page from a page's script."""
    st.switch_page(str(ROOT / "pages" / page), query_params=query)
