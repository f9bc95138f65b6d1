"""Overview: health, the latest decisions, and the reasons for not trading."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read import decisions, portfolio, timeline
from engine.store.read.decisions import GateCounts
from engine.store.read.status import SessionInfo
from pages.overview import charts, machine, present, tables, text, visit
from pages.ui import cache, equity_chart, hindsight, live, now_cache, tiles, trading_tables, travel, widgets
from pages.ui.charts import Figure
from pages.ui.frame import REFRESH
from pages.ui.shared import build_once
from pages.ui.wire import Payload

STRIP = 120  # ticks
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
        present.show_first_look(status, looked)
        present.show_present(status)
        present.show_now_list(status, looked)
        hindsight.show_gap(status.session.horizons)
        left, right = st.columns([5, 7], gap="medium")
        with left:
            show_gate_shares(status.session)
            machine.show_machine()
        with right:
            show_gate_strip(status.session)
            show_equity(status.session)
        show_latest_decisions()


def show_gate_shares(session: SessionInfo) -> None:
    counts, table = build_once("overview: gates", lambda: build_gate_shares(session), seconds=AGEING)
    which = f"{'warm-up' if counts.is_warmup else 'live'} decisions"
    more = "; no live decision yet" if counts.is_warmup else f", the newest {counts.total:,}" if counts.is_truncated else ""
    widgets.show_heading("Why not trading?", f"{which} of the last 24 h{more}")
    if counts.total:
        live.show_live_table(table, key="gates", reserved=GATES)
    else:
        widgets.show_empty("no decision in the last 24 h")


def build_gate_shares(session: SessionInfo) -> tuple[GateCounts, Payload]:
    counts = cache.fetch_binding_gates()
    return counts, live.prepare_table(tables.render_gate_shares(counts, session))


def show_gate_strip(session: SessionInfo) -> None:
    shown = tiles.describe_part(min(charts.MAX_SYMBOLS, len(session.symbols)), len(session.symbols), "symbol")
    widgets.show_heading("Gate strip", f"last {STRIP} ticks{shown}; bright blue: bought, bright orange: sold, muted: the binding gate")
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


def render_latest_decisions() -> tuple[str, Payload]:
    """Return the time of the newest decisions, and their table."""
    frame = present.read_newest()
    return units.format_time(int(frame["at"].iloc[0]), "%Y-%m-%d %H:%M"), live.prepare_table(trading_tables.render_decisions(frame))
