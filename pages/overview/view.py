"""Overview: health, the latest decisions, and the reasons for not trading."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.decisions import DecisionFilter, GateCounts
from engine.store.read.status import EngineStatus, SessionInfo
from pages.overview import charts, tables
from pages.ui import cache, equity_chart, evolution_text, live, skill, tiles, trading_tables, widgets
from pages.ui.charts import Figure
from pages.ui.frame import REFRESH
from pages.ui.shared import build_every, build_once
from pages.ui.widgets import Tile
from pages.ui.wire import Payload

STRIP = 120  # ticks
LATEST = 16  # decisions
EVOLUTIONS = 60  # newest, as on Models, so that both read them once
AGEING = 10.0  # s after which what depends on the time is built again, also without a tick
GATES = 10  # rows of what bound and what was done


@st.fragment(run_every=REFRESH)
def show_overview() -> None:
    """Draw the whole page as one live fragment: a fragment costs more than its contents."""
    with widgets.reading_store():
        status = build_once("overview: status", cache.fetch_status, seconds=REFRESH)
        if status.last is None or status.session is None:
            widgets.show_waiting("the first tick", "figures and charts fill as soon as the engine has decided once")
            return
        verdict, shown, drill = build_once("overview: engine", lambda: build_engine(status), seconds=AGEING)
        if verdict:
            widgets.show_html(verdict)
        widgets.show_tiles(shown, detail_lines=3)
        widgets.show_note(drill)
        widgets.show_html(build_every("overview: evolution", render_evolution, seconds=AGEING))
        left, right = st.columns([5, 7], gap="medium")
        with left:
            show_gate_shares(status.session)
            show_machine()
        with right:
            show_gate_strip(status.session)
            show_equity(status.session)
        show_latest_decisions()


def build_engine(status: EngineStatus) -> tuple[str, list[Tile], str]:
    """Build the verdict on skill, the tiles of the live decisions and the sentence on the last drill."""
    estimates = cache.fetch_skill()
    standing = skill.judge_current_skill(status, estimates)
    verdict = "" if standing is None or status.last is None else skill.render_skill_banner(standing, status.last.verdict)
    halflife = cache.fetch_config(status).get("recent_skill_halflife")
    shown = tables.build_engine_tiles(status, cache.fetch_positions(), estimates, cache.fetch_session_ticks(), cache.fetch_clean_rate(), halflife)
    proven, what = tiles.describe_drill(cache.fetch_last_drill(), cache.current_time())
    return verdict, shown, f"Safety drill ({what}): {proven}."


def render_evolution() -> str:
    evolved = cache.fetch_evolution(limit=EVOLUTIONS)
    return evolution_text.render_summary(evolved.evolutions, evolved.standings)


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
    figure = build_once("overview: strip", lambda: charts.plot_gate_strip(cache.fetch_gate_strip(STRIP), session))
    live.show_chart(figure, key="strip", label="Binding gate of each symbol over the last ticks", clickable=True)


def show_equity(session: SessionInfo) -> None:
    figure = build_once("overview: equity", lambda: plot_equity(session))
    if figure is not None:
        widgets.show_heading("Equity", "gain since the start after costs, warm-up included; benchmark: equal-weight buy and hold; events below")
        live.show_chart(figure, key="equity", label="Equity of Podium and of the benchmark over time")


def plot_equity(session: SessionInfo) -> Figure | None:
    """Return the equity chart with its events; None before there are two points."""
    frame = cache.fetch_equity()
    return equity_chart.plot_equity(frame, session.settings.get("capital"), cache.fetch_marks()) if len(frame) > 1 else None


def show_latest_decisions() -> None:
    newest, table = build_once("overview: latest", render_latest_decisions)
    widgets.show_heading("Latest decisions", f"market time in UTC; newest {newest}")
    live.show_live_table(table, key="latest")


def render_latest_decisions() -> tuple[str, Payload]:
    """Return the time of the newest decisions, and their table."""
    frame, _ = cache.fetch_decisions(DecisionFilter(), limit=LATEST)
    return units.format_time(int(frame["at"].iloc[0]), "%Y-%m-%d %H:%M"), live.prepare_table(trading_tables.render_decisions(frame))
