"""Overview: health, the latest decisions, and the reasons for not trading."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from engine import units
from engine.store.read import components, decisions, portfolio, timeline
from engine.store.read.decisions import DecisionFilter, GateCounts
from engine.store.read.status import EngineStatus, SessionInfo
from pages.overview import charts, tables, text, visit
from pages.ui import cache, equity_chart, evolution_text, hindsight, live, now_cache, skill, tiles, trading_tables, travel, widgets
from pages.ui.charts import Figure
from pages.ui.frame import REFRESH
from pages.ui.shared import build_every, build_once
from pages.ui.widgets import Tile
from pages.ui.wire import Payload

STRIP = 120  # ticks
LATEST = 16  # decisions
EVOLUTIONS = 60  # newest, as on Models
AGEING = 10.0  # s after which what depends on the time is built again, also without a tick
GATES = 10  # rows of what bound and what was done


@travel.live_part(REFRESH)
def show_overview() -> None:
    """Draw the whole page as one live fragment: a fragment costs more than its contents."""
    with widgets.reading_store():
        status = build_once("overview: status", cache.fetch_status, seconds=REFRESH)
        if status.last is None or status.session is None:
            widgets.show_text(text.WHAT_IT_IS)
            widgets.show_waiting("the first tick", "figures and charts fill as soon as the engine has decided once")
            return
        looked = visit.remember_visit() if cache.past_tick() is None else visit.Visit(None, toured=True)
        show_first_look(status, looked)
        show_present(status)
        show_now_list(status, looked)
        hindsight.show_gap(status.session.horizons)
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
    with widgets.keyed_container("first_look"):
        visit.show_tour(looked, status, lambda: text.explain_newest(read_newest()))


def show_present(status: EngineStatus) -> None:
    """Show whether skill is proven, and the tiles on the present and on the session."""
    verdict, shown = build_once("overview: present", lambda: build_present(status), seconds=AGEING)
    if verdict:
        widgets.show_html(verdict)
    live.show_live_table(shown, key="present", label="Figures of now and of this session")


def build_present(status: EngineStatus) -> tuple[str, Payload]:
    """Build the verdict on skill ("" before one), and the tiles on the present and on the session."""
    estimates, positions = now_cache.read_now(decisions.read_skill), now_cache.read_now(portfolio.read_positions)
    halflife = cache.fetch_config(status).get("recent_skill_halflife")
    standing, verdict = skill.judge_current_skill(status, estimates), ""
    if standing is not None and status.last is not None and status.session is not None:
        outcomes = skill.count_outcomes(estimates, standing, len(status.session.symbols))
        verdict = skill.render_skill_banner(standing, status.last.verdict, outcomes)
    present = tables.Present(status, positions, estimates, now_cache.fetch_trends(), now_cache.fetch_day_open(), halflife)
    counts = now_cache.read_now(decisions.read_session_ticks), now_cache.read_now(components.read_clean_rate, cache.current_time())
    session_tiles = tables.build_engine_tiles(status, positions, estimates, *counts, halflife)
    markup = widgets.render_tiles(tables.build_now_tiles(present), detail_lines=3) + widgets.render_tiles(session_tiles, detail_lines=2)
    return verdict, live.prepare_table(markup)


def show_now_list(status: EngineStatus, looked: visit.Visit) -> None:
    """Show in a line each: what is recommended, what changed since the last look, alerts, evolution and the newest drill."""
    recommended, *others = build_once("overview: now", lambda: build_now_list(status), seconds=AGEING)
    if cache.past_tick() is not None:
        others = [line for line in others if line[0] != "Evolution"]
    news = visit.describe_news(visit.fetch_news_of(looked), looked.since)
    lines = [recommended, *([news] if cache.past_tick() is None else []), *others]
    rows = "".join(f"<div>{widgets.escape_html(f'{name}: {words}.')}</div>" for name, words in lines)
    widgets.show_html(f'<div class="pd pd-now" role="group" aria-label="Now">{rows}</div>')


def build_now_list(status: EngineStatus) -> list[tuple[str, str]]:
    """Build the lines that are the same for every browser."""
    activity, last = now_cache.fetch_activity(), status.last
    evolutions, standings = build_every("overview: evolution", lambda: now_cache.fetch_contests(limit=EVOLUTIONS), seconds=AGEING)
    proven, what = tiles.describe_drill(cache.fetch_last_drill(), cache.current_time())
    is_stopped = last is not None and (last.paused or last.flattening)
    return [
        ("Recommended", text.describe_recommendation(activity, is_trading_stopped=is_stopped)),
        ("Alerts", text.describe_alerts(activity, status.alerts)),
        ("Evolution", evolution_text.summarise_evolution(evolutions, standings)),
        (f"Safety drill ({what})", proven),
    ]


def show_gate_shares(session: SessionInfo) -> None:
    counts, table = build_once("overview: gates", lambda: build_gate_shares(session), seconds=AGEING)
    which = f"{'warm-up' if counts.is_warmup else 'live'} decisions"
    more = "; no live decision yet" if counts.is_warmup else f", the newest {counts.total:,}" if counts.is_truncated else ""
    widgets.show_heading("Why not trading?", f"{which} of the last 24 h{more}")
    live.show_live_table(table, key="gates", reserved=GATES)


def build_gate_shares(session: SessionInfo) -> tuple[GateCounts, Payload]:
    counts = cache.fetch_binding_gates()
    return counts, live.prepare_table(tables.render_gate_shares(counts, session))


def show_machine() -> None:
    freshness, shown = build_once("overview: machine", build_machine, seconds=2 * REFRESH)
    widgets.show_heading("Machine", freshness)
    if shown:
        widgets.show_tiles(shown, detail_lines=2)
    elif cache.past_tick() is not None:
        widgets.show_empty("single readings from that time are no longer stored; Resources shows their means")
    else:
        widgets.show_waiting("the first readings of the machine")


def build_machine() -> tuple[str, list[Tile]]:
    """Build the words on how current the readings are, and the tiles of the machine; none before the first reading."""
    now, clock = cache.fetch_readings(), cache.current_time()
    if now.empty:
        return "", []
    latency = build_every("overview: latency", cache.fetch_latency, seconds=AGEING)
    trends = cache.fetch_reading_series(tables.TRENDS, 900, points=90)
    return tables.describe_freshness(now, clock), tables.build_machine_tiles(now, trends, latency, clock)


def show_gate_strip(session: SessionInfo) -> None:
    widgets.show_heading("Gate strip", f"last {STRIP} ticks; bright blue: bought, bright orange: sold, muted: the binding gate")
    figure = build_once("overview: strip", lambda: charts.plot_gate_strip(now_cache.read_now(decisions.read_gate_strip, STRIP), session))
    live.show_chart(figure, key="strip", label="Binding gate of each symbol over the last ticks", clickable=True)


def show_equity(session: SessionInfo) -> None:
    figure, step = build_once("overview: equity", lambda: plot_equity(session))
    if figure is not None:
        how = "at every tick" if step == 1 else f"every {step:,} ticks"
        widgets.show_heading("Equity", f"gain after costs, warm-up included; equal exposure: the benchmark as invested as Podium, set {how}")
        live.show_chart(figure, key="equity", label="Equity of Podium and of two benchmarks over time")


def plot_equity(session: SessionInfo) -> tuple[Figure | None, int]:
    """Return the equity chart with its events, None before there are two points, and the ticks between two changes of the benchmark's exposure."""
    frame = cache.get_reader().once(portfolio.read_equity)  # its events are read from the same line
    matched, step = now_cache.fetch_equal_exposure()
    if len(frame) < 2:
        return None, step
    marks = now_cache.read_now(timeline.read_timeline)
    return equity_chart.plot_equity(frame, session.settings.get("capital"), marks, matched), step


def show_latest_decisions() -> None:
    newest, table = build_once("overview: latest", render_latest_decisions)
    widgets.show_heading("Latest decisions", f"market time in UTC; newest {newest}")
    live.show_live_table(table, key="latest")


def read_newest() -> pd.DataFrame:
    """Read the newest decisions, once for all parts that show them."""
    return build_once("overview: newest", lambda: decisions.read_latest_decisions(cache.get_reader(), DecisionFilter(), limit=LATEST)[0])


def render_latest_decisions() -> tuple[str, Payload]:
    """Return the time of the newest decisions, and their table."""
    frame = read_newest()
    return units.format_time(int(frame["at"].iloc[0]), "%Y-%m-%d %H:%M"), live.prepare_table(trading_tables.render_decisions(frame))
