"""The present on Overview: the first look, the verdict on skill, the tiles, and the lines on what to do and what changed."""

from __future__ import annotations

import pandas as pd

from engine.store.read import components, decisions, portfolio
from engine.store.read.decisions import DecisionFilter
from engine.store.read.status import EngineStatus
from pages.overview import tables, text, visit
from pages.ui import cache, evolution_text, live, now_cache, skill, tiles, widgets
from pages.ui.shared import build_every, build_once
from pages.ui.wire import Payload

LATEST = 16  # decisions
EVOLUTIONS = 60  # newest, as on Models
AGEING = 10.0  # s after which what depends on the time is built again, also without a tick


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


def read_newest() -> pd.DataFrame:
    """Read the newest decisions, once for all parts that show them."""
    return build_once("overview: newest", lambda: decisions.read_latest_decisions(cache.get_reader(), DecisionFilter(), limit=LATEST)[0])
