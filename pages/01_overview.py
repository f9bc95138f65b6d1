"""Overview: is it well, what did it just decide, and what kept it from trading."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.decisions import DecisionFilter
from engine.store.read.status import SessionInfo
from pages.alerts import tables
from pages.decisions import tables as decisions_tables
from pages.overview import charts
from pages.ui import alert_cache, cache, live, tiles, widgets
from pages.ui import skill as ui_skill

STRIP = 120  # ticks
LATEST = 16  # decisions
GATES = 10  # rows of what bound and what was done


@st.fragment(run_every=2)
def overview() -> None:
    """All of it in one live part: a part costs more than what is in it."""
    with widgets.reading_store():
        status = cache.fetch_status()
        if status.last is None or status.session is None:
            widgets.show_waiting("the first tick", "figures and charts fill as soon as the engine has decided once")
            return
        skill, standing = cache.fetch_skill(), ui_skill.judge_current_skill(status, cache.fetch_skill())
        if standing is not None:
            widgets.show_html(ui_skill.render_skill_banner(standing, status.last.verdict))
        halflife = cache.fetch_config(status).get("lapse_halflife")
        widgets.show_tiles(
            tiles.build_engine_tiles(status, cache.fetch_positions(), skill, cache.fetch_session_ticks(), cache.fetch_clean_rate(), halflife),
            detail_lines=3,
        )
        proven, what = tables.describe_drill(alert_cache.fetch_last_drill(), cache.current_time())
        widgets.show_note(f"Drill of {what}: {proven}.")
        left, right = st.columns([5, 7], gap="medium")
        with left:
            why(status.session)
            machine()
        with right:
            strip(status.session)
            money(status.session)
        latest()


def why(session: SessionInfo) -> None:
    told = cache.fetch_binding_gates()
    which = f"{'warm-up' if told.is_warmup else 'live'} decisions"
    more = ", decided over history: none is live yet" if told.is_warmup else f", the newest {told.total:,}" if told.is_truncated else ""
    widgets.show_heading("Why not trading?", f"{which} of the last 24 h{more}")
    live.show_live_table(decisions_tables.render_gate_shares(told, session), key="gates", reserved=GATES)


def machine() -> None:
    now = cache.fetch_readings()
    if now.empty:
        widgets.show_heading("Machine")
        widgets.show_waiting("the first readings of the machine")
        return
    widgets.show_heading("Machine", tiles.describe_freshness(now, cache.current_time()))
    widgets.show_tiles(
        tiles.build_machine_tiles(now, cache.fetch_reading_series(tiles.TRENDS, 900, points=90), cache.fetch_latency(), cache.current_time()),
        detail_lines=2,
    )


def strip(session: SessionInfo) -> None:
    widgets.show_heading("Gate strip", f"last {STRIP} ticks; bright blue bought, bright orange sold, quiet colours name the gate that bound")
    figure = charts.plot_gate_strip(cache.fetch_gate_strip(STRIP), session)
    live.show_chart(figure, key="strip", label="The gate that bound for each symbol over the last ticks", clickable=True)


def money(session: SessionInfo) -> None:
    told = cache.fetch_equity()
    if len(told) > 1:
        widgets.show_heading(
            "Equity", "gain since the start after costs, warm-up included, against buying all in equal parts and holding; below it, what happened"
        )
        figure = charts.plot_equity(told, session.settings.get("capital"), cache.fetch_marks())
        live.show_chart(figure, key="equity", label="Equity of Podium and of buying and holding over time")


def latest() -> None:
    told, _ = cache.fetch_decisions(DecisionFilter(), limit=LATEST)
    widgets.show_heading("Latest decisions", f"market time in UTC; the newest was for {units.format_time(int(told['at'].iloc[0]), '%Y-%m-%d %H:%M')}")
    live.show_live_table(decisions_tables.render_decisions(told), key="latest")


overview()
