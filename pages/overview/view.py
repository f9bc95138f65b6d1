"""Overview: health, the latest decisions, and the reasons for not trading."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.decisions import DecisionFilter
from engine.store.read.status import SessionInfo
from pages.overview import charts, tables
from pages.ui import cache, equity_chart, evolution_text, live, skill, tiles, trading_tables, widgets

STRIP = 120  # ticks
LATEST = 16  # decisions
EVOLUTIONS = 60  # newest, as on Models, so that both read them once
GATES = 10  # rows of what bound and what was done


@st.fragment(run_every=2)
def show_overview() -> None:
    """Draw the whole page as one live fragment: a fragment costs more than its contents."""
    with widgets.reading_store():
        status = cache.fetch_status()
        if status.last is None or status.session is None:
            widgets.show_waiting("the first tick", "figures and charts fill as soon as the engine has decided once")
            return
        estimates, standing = cache.fetch_skill(), skill.judge_current_skill(status, cache.fetch_skill())
        if standing is not None:
            widgets.show_html(skill.render_skill_banner(standing, status.last.verdict))
        halflife = cache.fetch_config(status).get("recent_skill_halflife")
        widgets.show_tiles(
            tables.build_engine_tiles(status, cache.fetch_positions(), estimates, cache.fetch_session_ticks(), cache.fetch_clean_rate(), halflife),
            detail_lines=3,
        )
        proven, what = tiles.describe_drill(cache.fetch_last_drill(), cache.current_time())
        widgets.show_note(f"Safety drill ({what}): {proven}.")
        evolved = cache.fetch_evolution(limit=EVOLUTIONS)
        widgets.show_html(evolution_text.render_summary(evolved.evolutions, evolved.standings))
        left, right = st.columns([5, 7], gap="medium")
        with left:
            show_gate_shares(status.session)
            show_machine()
        with right:
            show_gate_strip(status.session)
            show_equity(status.session)
        show_latest_decisions()


def show_gate_shares(session: SessionInfo) -> None:
    counts = cache.fetch_binding_gates()
    which = f"{'warm-up' if counts.is_warmup else 'live'} decisions"
    more = "; no live decision yet" if counts.is_warmup else f", the newest {counts.total:,}" if counts.is_truncated else ""
    widgets.show_heading("Why not trading?", f"{which} of the last 24 h{more}")
    live.show_live_table(tables.render_gate_shares(counts, session), key="gates", reserved=GATES)


def show_machine() -> None:
    now = cache.fetch_readings()
    if now.empty:
        widgets.show_heading("Machine")
        widgets.show_waiting("the first readings of the machine")
        return
    widgets.show_heading("Machine", tables.describe_freshness(now, cache.current_time()))
    widgets.show_tiles(
        tables.build_machine_tiles(now, cache.fetch_reading_series(tables.TRENDS, 900, points=90), cache.fetch_latency(), cache.current_time()),
        detail_lines=2,
    )


def show_gate_strip(session: SessionInfo) -> None:
    widgets.show_heading("Gate strip", f"last {STRIP} ticks; bright blue: bought, bright orange: sold, muted: the binding gate")
    figure = charts.plot_gate_strip(cache.fetch_gate_strip(STRIP), session)
    live.show_chart(figure, key="strip", label="Binding gate of each symbol over the last ticks", clickable=True)


def show_equity(session: SessionInfo) -> None:
    frame = cache.fetch_equity()
    if len(frame) > 1:
        widgets.show_heading("Equity", "gain since the start after costs, warm-up included; benchmark: equal-weight buy and hold; events below")
        figure = equity_chart.plot_equity(frame, session.settings.get("capital"), cache.fetch_marks())
        live.show_chart(figure, key="equity", label="Equity of Podium and of the benchmark over time")


def show_latest_decisions() -> None:
    frame, _ = cache.fetch_decisions(DecisionFilter(), limit=LATEST)
    widgets.show_heading("Latest decisions", f"market time in UTC; newest {units.format_time(int(frame['at'].iloc[0]), '%Y-%m-%d %H:%M')}")
    live.show_live_table(trading_tables.render_decisions(frame), key="latest")
