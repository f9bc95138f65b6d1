"""Overview: health, the latest decisions, and the reasons for not trading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from engine import units
from engine.store.read import components, decisions, portfolio, timeline
from engine.store.read.decisions import DecisionFilter
from engine.store.read.status import EngineStatus, SessionInfo
from pages.overview import charts, tables, text, visit
from pages.ui import cache, equity_chart, evolution_text, hindsight, live, now_cache, skill, tiles, trading_tables, updates, widgets
from pages.ui.charts import Figure
from pages.ui.shared import build_every, build_once
from pages.ui.updates import PageParts
from pages.ui.wire import Payload

TITLE = "Overview"
STRIP = 120  # ticks
LATEST = 16  # decisions
EVOLUTIONS = 60  # newest, as on Models
REFRESH = 2.0  # s
AGEING = 10.0  # s after which what depends on the time is built again, also without a tick
GATES = 10  # rows of what bound and what was done


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """The page as every browser shows it; without `status` there is no tick yet."""

    live: PageParts
    status: EngineStatus | None = None
    strip: Figure | None = None
    equity: Figure | None = None  # None before there are two points
    now: Sequence[tuple[str, str]] = ()  # lines on what is going on


@st.fragment
def show_overview() -> None:
    """Draw the whole page; the browser asks for what changes, and this runs again where a part comes or goes."""
    frame = updates.AGAIN
    with widgets.reading_store():
        page = build_page()
        if page.status is None:
            widgets.show_text(text.WHAT_IT_IS)
            widgets.show_waiting("the first tick", "figures and charts fill as soon as the engine has decided once")
        else:
            show_page(page, page.status)
        frame = page.live.frame
    updates.show_frame("page", frame)


def show_page(page: OverviewPage, status: EngineStatus) -> None:
    looked = visit.remember_visit() if cache.past_tick() is None else visit.Visit(None, toured=True)
    show_first_look(page, status, looked)
    show_present(page)
    updates.show_markup(replace(page.live, parts=build_own_parts(page, looked.since)), "now")
    if status.session is not None:
        hindsight.show_gap(status.session.horizons)
    left, right = st.columns([5, 7], gap="medium")
    with left:
        show_gate_shares(page)
        show_machine(page)
    with right:
        show_charts(page)
    updates.show_markup(page.live, "latest_heading")
    live.show_live_table(page.live.parts["latest"], key="latest", part=True)


def build_page() -> OverviewPage:
    """Build what all browsers share of the page; raises StoreUnreadable."""
    return build_once("overview: page", _build_page, seconds=REFRESH)


def _build_page() -> OverviewPage:
    with cache.read_snapshot():
        status = cache.fetch_status()
        session = status.session
        if status.last is None or session is None:
            return OverviewPage(PageParts("no tick"))
        warming = text.describe_warmup(status, now_cache.fetch_warmup_pace() if status.last.warm else None)
        verdict, present = build_once("overview: present", lambda: build_present(status), seconds=AGEING)
        gates_heading, gates = build_once("overview: gates", lambda: build_gate_shares(session), seconds=AGEING)
        machine_heading, machine = build_once("overview: machine", build_machine, seconds=2 * REFRESH)
        strip = build_once("overview: strip", lambda: charts.plot_gate_strip(now_cache.read_now(decisions.read_gate_strip, STRIP), session))
        equity_heading, equity = build_once("overview: equity", lambda: plot_equity(session))
        latest_heading, latest = build_once("overview: latest", render_latest_decisions)
        markup = {
            "warming": "" if warming is None else f'<div class="pd-note">{widgets.escape_html(f"{text.WHAT_IT_IS} {warming}")}</div>',
            "verdict": verdict, "gates_heading": gates_heading, "machine_heading": machine_heading, "equity_heading": equity_heading,
            "latest_heading": latest_heading,
        }  # fmt: skip
        payloads = {"present": present, "gates": gates, "machine": machine, "strip": strip.to_payload(), "latest": latest}
        if equity is not None:
            payloads["equity"] = equity.to_payload()
        now = build_once("overview: now", lambda: build_now_list(status), seconds=AGEING)
        comes_and_goes = [bool(warming), bool(verdict), bool(machine_heading), equity is not None, strip.height, equity and equity.height]
        shown = {name: updates.prepare_markup(part) for name, part in markup.items()} | payloads
        return OverviewPage(PageParts(" ".join(map(str, comes_and_goes)), shown), status, strip, equity, now)


def show_first_look(page: OverviewPage, status: EngineStatus, looked: visit.Visit) -> None:
    """Show what this is while it warms up, and the tour to a browser that has not had it."""
    with widgets.keyed_container("warming"):
        if page.live.parts["warming"].value:
            updates.show_markup(page.live, "warming")
    with widgets.keyed_container("first_look"):
        visit.show_tour(looked, status, lambda: text.explain_newest(read_newest()))


def show_present(page: OverviewPage) -> None:
    """Show whether skill is proven, and the tiles on the present and on the session."""
    if page.live.parts["verdict"].value:
        updates.show_markup(page.live, "verdict")
    live.show_live_table(page.live.parts["present"], key="present", label="Figures of now and of this session", part=True)


def build_present(status: EngineStatus) -> tuple[str, Payload]:
    """Build the verdict on skill ("" before one), and the tiles on the present and on the session."""
    estimates, positions = now_cache.read_now(decisions.read_skill), now_cache.read_now(portfolio.read_positions)
    halflife = cache.fetch_config(status).get("recent_skill_halflife")
    standing, verdict = skill.judge_current_skill(status, estimates), ""
    if standing is not None and status.last is not None and status.session is not None:
        outcomes = skill.count_outcomes(estimates, standing, len(status.session.symbols))
        verdict = skill.render_skill_banner(standing, status.last.verdict, outcomes)
    present = tables.Present(
        status, positions, estimates, build_every("overview: trends", now_cache.fetch_trends, seconds=AGEING), now_cache.fetch_day_open(), halflife
    )
    clean_rate = build_every("overview: clean rate", lambda: now_cache.read_now(components.read_clean_rate, cache.current_time()), seconds=AGEING)
    counts = now_cache.read_now(decisions.read_session_ticks), clean_rate
    session_tiles = tables.build_engine_tiles(status, positions, estimates, *counts, halflife)
    markup = widgets.render_tiles(tables.build_now_tiles(present), detail_lines=3) + widgets.render_tiles(session_tiles, detail_lines=2)
    return verdict, live.prepare_table(markup)


def build_own_parts(page: OverviewPage, since: int | None) -> dict[str, Payload]:
    """Build the part that differs by the end of the browser's previous visit, ns UTC: what is recommended, what changed since, and more."""
    recommended, *others = page.now
    lines = [recommended]
    if cache.past_tick() is None:
        lines.append(build_every(f"overview: news since {since}", lambda: visit.describe_news(visit.fetch_news_of(since), since), seconds=AGEING))
    else:
        others = [line for line in others if line[0] != "Evolution"]
    rows = "".join(f"<div>{widgets.escape_html(f'{name}: {words}.')}</div>" for name, words in (*lines, *others))
    return {"now": updates.prepare_markup(f'<div class="pd-now" role="group" aria-label="Now">{rows}</div>')}


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


def show_gate_shares(page: OverviewPage) -> None:
    updates.show_markup(page.live, "gates_heading")
    live.show_live_table(page.live.parts["gates"], key="gates", reserved=GATES, part=True)


def build_gate_shares(session: SessionInfo) -> tuple[str, Payload]:
    counts = cache.fetch_binding_gates()
    which = f"{'warm-up' if counts.is_warmup else 'live'} decisions"
    more = "; no live decision yet" if counts.is_warmup else f", the newest {counts.total:,}" if counts.is_truncated else ""
    heading = widgets.render_heading("Why not trading?", f"{which} of the last 24 h{more}")
    return heading, live.prepare_table(tables.render_gate_shares(counts, session))


def show_machine(page: OverviewPage) -> None:
    if page.live.parts["machine_heading"].value:
        updates.show_markup(page.live, "machine_heading")
        live.show_live_table(page.live.parts["machine"], key="machine", label="Figures of the machine", part=True)
        return
    widgets.show_heading("Machine")
    if cache.past_tick() is not None:
        widgets.show_empty("single readings from that time are no longer stored; Resources shows their means")
    else:
        widgets.show_waiting("the first readings of the machine")


def build_machine() -> tuple[str, Payload]:
    """Build the heading with the words on how current the readings are, and the tiles of the machine; "" before the first reading."""
    now, clock = cache.fetch_readings(), cache.current_time()
    if now.empty:
        return "", live.prepare_table("")
    latency = build_every("overview: latency", cache.fetch_latency, seconds=AGEING)
    trends = cache.fetch_reading_series(tables.TRENDS, 900, points=90)
    shown = widgets.render_tiles(tables.build_machine_tiles(now, trends, latency, clock), detail_lines=2)
    return widgets.render_heading("Machine", tables.describe_freshness(now, clock)), live.prepare_table(shown)


def show_charts(page: OverviewPage) -> None:
    """Show the gate strip, and the equity where there are two points."""
    if page.strip is not None:
        widgets.show_heading("Gate strip", f"last {STRIP} ticks; bright blue: bought, bright orange: sold, muted: the binding gate")
        live.show_chart(page.strip, key="strip", label="Binding gate of each symbol over the last ticks", clickable=True, part=True)
    if page.equity is not None:
        updates.show_markup(page.live, "equity_heading")
        live.show_chart(page.equity, key="equity", label="Equity of Podium and of two benchmarks over time", part=True)


def plot_equity(session: SessionInfo) -> tuple[str, Figure | None]:
    """Return the heading of the equity chart, and the chart with its events, None before there are two points."""
    frame = cache.get_reader().once(portfolio.read_equity)  # its events are read from the same line
    matched, step = now_cache.fetch_equal_exposure()
    how = "at every tick" if step == 1 else f"every {step:,} ticks"
    heading = widgets.render_heading("Equity", f"gain after costs, warm-up included; equal exposure: the benchmark as invested as Podium, set {how}")
    if len(frame) < 2:
        return heading, None
    marks = build_every("overview: marks", lambda: now_cache.read_now(timeline.read_timeline), seconds=AGEING)
    return heading, equity_chart.plot_equity(frame, session.settings.get("capital"), marks, matched)


def read_newest() -> pd.DataFrame:
    """Read the newest decisions, once for all parts that show them."""
    return build_once("overview: newest", lambda: decisions.read_latest_decisions(cache.get_reader(), DecisionFilter(), limit=LATEST)[0])


def render_latest_decisions() -> tuple[str, Payload]:
    """Return the heading with the time of the newest decisions, and their table."""
    frame = read_newest()
    newest = units.format_time(int(frame["at"].iloc[0]), "%Y-%m-%d %H:%M")
    heading = widgets.render_heading("Latest decisions", f"market time in UTC; newest {newest}")
    return heading, live.prepare_table(trading_tables.render_decisions(frame))
