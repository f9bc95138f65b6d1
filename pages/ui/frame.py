"""The frame of every page: theme, navigation, the line with the engine's state, and banners."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from engine import units
from engine.health import is_in_future
from engine.store.read.activity import Activity
from engine.store.read.past import PastTick
from engine.store.read.reader import StoreUnreadable
from engine.store.read.status import EngineStatus
from pages.ui import ages, banners, cache, live, now_cache, palette, state_bar, state_controls, theme, travel, widgets
from pages.ui.command_table import readable_name
from pages.ui.navigation import PAGES

ROOT = Path(__file__).resolve().parents[2]
REFRESH = 2.0  # s
_WORDS = {"locked": "Store locked.", "corrupt": "Store damaged."}


def run_page(store_url: str) -> None:
    """Run the chosen page in its frame; the script calls this at every run."""
    st.set_page_config(page_title="Podium", page_icon=str(Path(__file__).parent / "icon.svg"), layout="wide", initial_sidebar_state="auto")
    st.html(f"<style>{theme.load_css()}</style>")
    st.logo(str(Path(__file__).parent / "podium.svg"), size="large")
    chosen = st.navigation(
        [st.Page(ROOT / "pages" / file, title=title, url_path=address, icon=icon, default=address is None) for file, title, address, icon in PAGES],
        expanded=True,  # what stands below the menu would fold it
    )
    travel.begin_run(store_url, chosen.title)
    palette.show_palette()
    show_header(chosen.title)
    travel.show_controls(chosen.title)
    chosen.run()


@travel.live_part(REFRESH)
def show_header(title: str) -> None:
    """Show the page's name, the state bar with its buttons, and the banners."""
    try:
        with cache.read_snapshot():
            status, activity = cache.fetch_status(), now_cache.fetch_activity()
            cache.fetch_config(status)  # everything is read before anything is drawn
            past = cache.past_tick()
            if past is not None:
                _show_past(title, status, past)
                return
            _show_status(title, status, activity)
    except StoreUnreadable as error:
        _show_unreadable(title, error)


def _show_status(title: str, status: EngineStatus, activity: Activity) -> None:
    st.session_state.pop("unreadable_since", None)
    now = cache.current_time()
    verdict = banners.judge_status(status, now)
    state = state_bar.judge_state(status, verdict, now)
    critical = tuple((readable_name(rule), message) for rule, message in status.critical)
    live.run_clock(now, REFRESH, live.TabState(state.word, state.since, title, status.alerts, critical))
    facts = "".join(f"<span>{fact}</span>" for fact in _facts(status, now))
    widgets.show_html(f'<div class="pd"><div class="pd-head"><h1>{escape(title)}</h1>{facts}</div></div>')
    with st.container(key="state_bar"):
        with st.container(horizontal=True, vertical_alignment="center", key="state_row"):
            widgets.show_html(state_bar.render_bar(status, state, activity, now))
            if travel.is_lost():
                state_controls.show_buttons(status, alive=False, why=travel.LOST)
            else:
                state_controls.show_buttons(status, alive=verdict.alive)
        state_controls.show_dialogue(status)
    widgets.show_html(f'<div class="pd">{banners.render_banners(banners.build_banners(status, verdict, now))}</div>')


def _show_past(title: str, status: EngineStatus, past: PastTick) -> None:
    """Show the header as of a past tick: no age counts on, and every button is off."""
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
    now = cache.current_time()
    word = {"missing": "starting", "locked": "degraded"}.get(error.kind, "down")
    is_missing = error.kind == "missing"
    since = None if is_missing else st.session_state.setdefault("unreadable_since", now)
    live.run_clock(now, REFRESH, live.TabState(word, since, title, None))
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
        if is_in_future(status.last.wall, now):  # else the state bar shows its age
            facts.append('<span class="pd-muted pd-age">decided at a time in the future</span>')
    return facts


def open_page(page: str, **query: str) -> None:
    """Open another page from a page's script."""
    st.switch_page(str(ROOT / "pages" / page), query_params=travel.carry_address(query))
