"""The frame of every page: theme, navigation, the line with the engine's state, and banners."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import streamlit as st

from engine import units
from engine.domain.access import VIEW
from engine.health import is_in_future
from engine.service.clock import WallClock
from engine.store.read.past import PastTick
from engine.store.read.reader import StoreUnreadable
from engine.store.read.status import EngineStatus
from pages.ui import ages, banners, cache, live, now_cache, palette, refresh, state_bar, state_controls, theme, travel, updates, visitors, widgets
from pages.ui.command_table import readable_name
from pages.ui.navigation import PAGES
from pages.ui.updates import PageParts

ROOT = Path(__file__).resolve().parents[2]
REFRESH = 2.0  # s
NOT_LOGGED_IN = '<p role="alert">You are not logged in. <a href="/login" target="_self">Log in</a></p>'
_WORDS = {"locked": "Store locked.", "corrupt": "Store damaged."}


def run_page(store_url: str) -> None:
    """Run the chosen page in its frame; the script calls this at every run."""
    st.set_page_config(page_title="Podium", page_icon=str(Path(__file__).parent / "icon.svg"), layout="wide", initial_sidebar_state="auto")
    if not visitors.may(VIEW):  # such as a log-in that ended while the browser was away
        st.html(NOT_LOGGED_IN)
        return
    visitors.claim_session()
    st.html(f"<style>{theme.load_css()}</style>")
    st.logo(str(Path(__file__).parent / "podium.svg"), size="large")
    chosen = st.navigation(
        [st.Page(ROOT / "pages" / file, title=title, url_path=address, icon=icon, default=address is None) for file, title, address, icon in PAGES],
        expanded=True,  # what stands below the menu would fold it
    )
    travel.begin_run(store_url, chosen.title)
    palette.show_palette()
    visitors.show_account()
    refresh.show_timer()
    show_header(chosen.title)
    travel.show_controls(chosen.title)
    chosen.run()


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a page as every browser shows it."""

    status: EngineStatus
    is_alive: bool
    tab: live.TabState
    live: PageParts


@st.fragment
def show_header(title: str) -> None:
    """Show the page's name, the state bar with its buttons, and the banners; the browser asks for what changes of them."""
    try:
        with cache.read_snapshot():
            past = cache.past_tick()
            if past is not None:
                _show_past(title, cache.fetch_status(), past)
                return
            header = build_header(title)  # everything is read before anything is drawn
            _show_status(title, header)
    except StoreUnreadable as error:
        _show_unreadable(title, error)


def build_header(title: str) -> Header:
    """Build the header as of now; raises StoreUnreadable."""
    status, now = cache.fetch_status(), cache.current_time()
    verdict = banners.judge_status(status, now)
    state = state_bar.judge_state(status, verdict, now)
    critical = tuple((readable_name(rule), message) for rule, message in status.critical)
    facts = "".join(f"<span>{fact}</span>" for fact in _facts(status, now))
    parts = {
        "head": f'<div class="pd-head"><h1>{escape(title)}</h1>{facts}</div>',
        "bar": state_bar.render_bar(status, state, now_cache.fetch_activity(), now),
        "banners": banners.render_banners(banners.build_banners(status, verdict, now)),
    }
    return Header(
        status, verdict.alive, live.TabState(state.word, state.since, title, status.alerts, critical),
        PageParts(state_controls.describe_buttons(status, alive=verdict.alive), {name: updates.prepare_markup(text) for name, text in parts.items()}),
    )  # fmt: skip


def _show_status(title: str, header: Header) -> None:
    st.session_state.pop("unreadable_since", None)
    live.run_clock(cache.current_time(), REFRESH, header.tab, updates=updates.page_address(title))
    is_own = travel.is_lost() or state_controls.is_answering()
    updates.show_frame("header", updates.AGAIN if is_own else header.live.frame)
    updates.show_markup(header.live, "head")
    with st.container(key="state_bar"):
        with st.container(horizontal=True, vertical_alignment="center", key="state_row"):
            updates.show_markup(header.live, "bar")
            if travel.is_lost():
                state_controls.show_buttons(header.status, alive=False, why=travel.LOST)
            else:
                state_controls.show_buttons(header.status, alive=header.is_alive)
        state_controls.show_dialogue(header.status)
    updates.show_markup(header.live, "banners")


def _show_past(title: str, status: EngineStatus, past: PastTick) -> None:
    """Show the header as of a past tick: no age counts on, and every button is off."""
    st.session_state.pop("unreadable_since", None)
    live.run_clock(past.wall, REFRESH, live.TabState(f"tick {past.tick:,}", None, title, None), is_still=True)
    facts = "".join(f"<span>{fact}</span>" for fact in _facts(status, past.wall))
    widgets.show_html(f'<div class="pd"><div class="pd-head"><h1>{escape(title)}</h1>{facts}</div></div>')
    with st.container(key="state_bar"), st.container(horizontal=True, vertical_alignment="center", key="state_row"):
        widgets.show_html(state_bar.render_past(status, travel.describe_past(past)))
        state_controls.show_buttons(status, alive=False, why="Off in the past: go back to now first.")
    known = "judged by what is known now" if past.knows_now else "with only what was known then"
    text = f"This page is {travel.describe_past(past)}, {known}. Nothing on it refreshes"
    widgets.show_html(f'<div class="pd">{banners.render_banners([banners.Banner("Travelling.", text, theme.UP)])}</div>')


def _show_unreadable(title: str, error: StoreUnreadable) -> None:
    past, now = cache.past_tick(), WallClock().now()  # of the present while travelling too
    word = {"missing": "starting", "locked": "degraded"}.get(error.kind, "down")
    is_missing = error.kind == "missing"
    since = None if is_missing else st.session_state.setdefault("unreadable_since", now)
    live.run_clock(now, REFRESH, live.TabState(word, since, title, None), is_still=past is not None, updates=updates.page_address(title))
    updates.show_frame("header", updates.AGAIN)
    widgets.show_html(f'<div class="pd"><div class="pd-head"><h1>{escape(title)}</h1></div></div>')
    words = "no store yet" if is_missing else _WORDS.get(error.kind, "Store unreadable.").rstrip(".").lower()
    with st.container(key="state_bar"), st.container(horizontal=True, vertical_alignment="center", key="state_row"):
        widgets.show_html(state_bar.render_unreadable(state_bar.BarState(word, since), words, now))
        state_controls.show_buttons(None, alive=False)
    if is_missing:
        shown = banners.Banner("No store yet.", "The engine sets it up when it starts", theme.NEUTRAL)
    else:
        shown = banners.Banner(_WORDS.get(error.kind, "Store unreadable."), _unreadable_for(), theme.HARM)
    widgets.show_html(f'<div class="pd">{banners.render_banners([shown])}</div>')


def _unreadable_for() -> str:
    """Return how long this browser session has been unable to read the store."""
    now = WallClock().now()
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
        if is_in_future(status.last.wall, now):  # else the state bar shows its age
            facts.append('<span class="pd-muted pd-age">decided at a time in the future</span>')
    return facts


def open_page(page: str, **query: str) -> None:
    """Open another page from a page's script."""
    st.switch_page(str(ROOT / "pages" / page), query_params=travel.carry_address(query))
