"""Overview: health, the latest decisions, and the reasons for not trading."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.decisions import DecisionFilter
from engine.store.read.status import EngineStatus, SessionInfo
from pages.overview import charts, tables, text, visit
from pages.ui import cache, equity_chart, evolution_text, live, now_cache, skill, tiles, trading_tables, widgets

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
            widgets.show_text(text.WHAT_IT_IS)
            widgets.show_waiting("the first tick", "figures and charts fill as soon as the engine has decided once")
            return
        looked = visit.remember_visit()
        show_first_look(status, looked)
        show_present(status)
        show_now_list(status, looked)
        left, right = st.columns([5, 7], gap="medium")
        with left:
            show_gate_shares(status.session)
            show_machine()
        with right:
            show_gate_strip(status.session)
            show_equity(status.session)
        show_latest_decisions()


def show_first_look(status: EngineStatus, looked: visit.Visit) -> None:
    """Show what this is while it warms up, and the tour to a browser that has not had it."""
    warming = text.describe_warmup(status, now_cache.fetch_warmup_pace() if status.last is not None and status.last.warm else None)
    with widgets.keyed_container("warming"):
        if warming is not None:
            widgets.show_note(f"{text.WHAT_IT_IS} {warming}")
    newest, _ = cache.fetch_decisions(DecisionFilter(), limit=LATEST)
    with widgets.keyed_container("first_look"):
        visit.show_tour(looked, status, text.explain_newest(newest))


def show_present(status: EngineStatus) -> None:
    """Show whether skill is proven, and the tiles on the present and on the session."""
    estimates, positions, halflife = cache.fetch_skill(), cache.fetch_positions(), cache.fetch_config(status).get("recent_skill_halflife")
    standing = skill.judge_current_skill(status, estimates)
    if standing is not None and status.last is not None and status.session is not None:
        outcomes = skill.count_outcomes(estimates, standing, len(status.session.symbols))
        widgets.show_html(skill.render_skill_banner(standing, status.last.verdict, outcomes))
    present = tables.Present(status, positions, estimates, now_cache.fetch_trends(), now_cache.fetch_day_open(), halflife)
    widgets.show_tiles(tables.build_now_tiles(present), detail_lines=3)
    counts = cache.fetch_session_ticks(), cache.fetch_clean_rate()
    widgets.show_tiles(tables.build_engine_tiles(status, positions, estimates, *counts, halflife), detail_lines=2)


def show_now_list(status: EngineStatus, looked: visit.Visit) -> None:
    """Show in a line each: what is recommended, what changed since the last look, alerts, evolution and the newest drill."""
    activity, last = now_cache.fetch_activity(), status.last
    evolved = cache.fetch_evolution(limit=EVOLUTIONS)
    proven, what = tiles.describe_drill(cache.fetch_last_drill(), cache.current_time())
    is_stopped = last is not None and (last.paused or last.flattening)
    lines = (
        ("Recommended", text.describe_recommendation(activity, is_trading_stopped=is_stopped)),
        ("Since you last looked", visit.describe_news(visit.fetch_news_of(looked), looked.since)),
        ("Alerts", text.describe_alerts(activity, status.alerts)),
        ("Evolution", evolution_text.summarise_evolution(evolved.evolutions, evolved.standings)),
        (f"Safety drill ({what})", proven),
    )
    rows = "".join(f"<div>{widgets.escape_html(f'{name}: {words}.')}</div>" for name, words in lines)
    widgets.show_html(f'<div class="pd pd-now" role="group" aria-label="Now">{rows}</div>')


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
        matched, step = now_cache.fetch_equal_exposure()
        how = "at every tick" if step == 1 else f"every {step:,} ticks"
        widgets.show_heading(
            "Equity",
            f"gain after costs, warm-up included; equal exposure: the benchmark as invested as Podium, set {how}",
        )
        figure = equity_chart.plot_equity(frame, session.settings.get("capital"), cache.fetch_marks(), matched)
        live.show_chart(figure, key="equity", label="Equity of Podium and of two benchmarks over time")


def show_latest_decisions() -> None:
    frame, _ = cache.fetch_decisions(DecisionFilter(), limit=LATEST)
    widgets.show_heading("Latest decisions", f"market time in UTC; newest {units.format_time(int(frame['at'].iloc[0]), '%Y-%m-%d %H:%M')}")
    live.show_live_table(trading_tables.render_decisions(frame), key="latest")
