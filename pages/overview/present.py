"""The present on Overview: the first look, the verdict on skill, the tiles, and the lines on what to do and what changed."""

from __future__ import annotations

import pandas as pd

from engine.store.read import components, decisions, portfolio
from engine.store.read.decisions import DecisionFilter
from engine.store.read.status import EngineStatus
from pages.overview import tables, text, visit
from pages.ui import cache, evolution_text, live, now_cache, skill, tiles, updates, widgets
from pages.ui.shared import build_every, build_once
from pages.ui.updates import PageParts
from pages.ui.wire import Payload

LATEST = 16  # decisions
EVOLUTIONS = 60  # newest, as on Models
AGEING = 10.0  # s after which what depends on the time is built again, also without a tick


def show_first_look(page: PageParts, status: EngineStatus, looked: visit.Visit) -> None:
    """Show what this is while it warms up, and the tour to a browser that has not had it."""
    with widgets.keyed_container("warming"):
        if page.parts["warming"].value:
            updates.show_markup(page, "warming")
    with widgets.keyed_container("first_look"):
        visit.show_tour(looked, status, lambda: text.explain_newest(read_newest()))


def show_present(page: PageParts) -> None:
    """Show whether skill is proven, and the tiles on the present and on the session."""
    if page.parts["verdict"].value:
        updates.show_markup(page, "verdict")
    live.show_live_table(page.parts["present"], key="present", label="Figures of now and of this session", part=True)


def build_present(status: EngineStatus) -> tuple[str, Payload]:
    """Build the verdict on skill ("" before one), and the tiles on the present and on the session."""
    estimates = skill.index_figures(now_cache.read_now(decisions.read_skill, "ensemble"))  # once for all that show them
    positions = now_cache.read_now(portfolio.read_positions)
    halflife = None if status.last is None else now_cache.fetch_skill_halflife(status.last.config_digest)
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


def build_now_list(status: EngineStatus) -> list[tuple[str, str]]:
    """Build the lines that are the same for every browser."""
    activity, last = now_cache.fetch_activity(), status.last
    racing = build_every(
        "overview: evolution", lambda: evolution_text.summarise_evolution(*now_cache.fetch_contests(limit=EVOLUTIONS)), seconds=AGEING
    )
    proven, what = tiles.describe_drill(cache.fetch_last_drill(), cache.current_time())
    is_stopped = last is not None and (last.paused or last.flattening)
    return [
        ("Recommended", text.describe_recommendation(activity, is_trading_stopped=is_stopped)),
        ("Alerts", text.describe_alerts(activity, status.alerts)),
        ("Evolution", racing),
        (f"Safety drill ({what})", proven),
    ]


def read_newest() -> pd.DataFrame:
    """Read the newest decisions, once for all parts that show them."""
    return build_once("overview: newest", lambda: decisions.read_latest_decisions(cache.get_reader(), DecisionFilter(), limit=LATEST)[0])
