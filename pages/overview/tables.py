"""The tiles of the present and of the session, and the table of reasons for not trading."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from engine import units
from engine.domain.intents import phrase_gate
from engine.store.read.components import CleanRate
from engine.store.read.decisions import GateCounts
from engine.store.read.live_ticks import TickCounts
from engine.store.read.status import EngineStatus, SessionInfo
from pages.ui import skill, theme, tiles
from pages.ui.tables import Cell, Column, TableRow, render_table
from pages.ui.widgets import Tile


@dataclass(frozen=True, slots=True)
class Present:
    """Everything that the tiles on the present show."""

    status: EngineStatus
    positions: pd.DataFrame
    estimates: skill.Estimates
    trends: pd.DataFrame  # of the session, see store.read.recent
    day_open: float | None  # money
    halflife: float | None  # ticks, of recent skill


def build_now_tiles(present: Present) -> list[Tile]:
    """Build the tiles on the present: gain of the day, equity, drawdown, exposure, recent skill and open alerts."""
    status, trends = present.status, present.trends
    last, session, standing = status.last, status.session, skill.judge_current_skill(status, present.estimates)
    if last is None or session is None or standing is None:
        return []
    place, capital = session.horizons.index(standing.horizon), session.settings.get("capital")
    recent, _ = skill.build_skill_tiles(present.estimates, standing.horizon, present.halflife)
    course = tuple(row[place] if place < len(row) else None for row in trends["estimate"])
    return [
        _build_day_tile(last.equity, present.day_open),
        Tile(
            "Equity",
            units.format_percent(tiles.compute_gain(last.equity, capital), 2, signed=True),
            f"since the start, {skill.WARM}; benchmark {units.format_percent(tiles.compute_gain(last.benchmark, capital), 2, signed=True)}",
            trend=_trend(trends, "equity"),
        ),
        replace(tiles.build_drawdown_tile(last), trend=tuple(None if value is None else -value for value in _trend(trends, "drawdown"))),
        _build_exposure_tile(last.gross, last.net, present.positions, _trend(trends, "gross")),
        replace(recent, trend=course if any(units.is_known(value) for value in course) else ()),
        Tile("Open alerts", f"{status.alerts:,}", ", ".join(rule for rule, _ in status.critical[:2]) or "none is critical"),
    ]


def build_engine_tiles(
    status: EngineStatus,
    positions: pd.DataFrame,
    estimates: skill.Estimates,
    session_ticks: TickCounts,
    clean_rate: CleanRate,
    halflife: float | None,
) -> list[Tile]:
    """Build the tiles of the live decisions; those of the warm-up are not counted."""
    last, session, standing = status.last, status.session, skill.judge_current_skill(status, estimates)
    if last is None or session is None or standing is None:
        return []
    acting = [symbol for symbol, action in zip(positions["symbol"].tolist(), positions["action"].tolist(), strict=True) if action != "hold"]
    symbols = len(session.symbols)
    return [
        Tile(
            "Decisions, this session",
            f"{session_ticks.live * symbols:,}",
            f"live, {symbols} per tick; {session_ticks.warm * symbols:,} warm-up decisions not counted",
        ),
        tiles.build_clean_rate_tile(clean_rate),
        Tile("Trading now", f"{len(acting)} of {len(positions)} symbols", ", ".join(acting[:4]) or "no buy or sell at the newest tick"),
        skill.build_skill_tiles(estimates, standing.horizon, halflife)[1],
    ]


def render_gate_shares(counts: GateCounts, session: SessionInfo) -> str:
    """Return the share of decisions of each binding gate, largest first, then of the intents without one."""
    places = {name: place for place, (name, _, _) in enumerate(session.gates)}
    bound = sorted(((gate, n) for gate, n in counts.gates if n), key=lambda pair: -pair[1])
    rows = [_share_row(gate, phrase_gate(gate), n / counts.total, n, theme.gate_colour(places[gate]), f"gate={gate}") for gate, n in bound]
    rows += [_share_row(intent, f"traded: {intent}", n / counts.total, n, theme.UP, f"intent={intent}") for intent, n in counts.intents if n]
    if counts.unbound:
        rows.append(_share_row("none", "held: no gate failed", counts.unbound / counts.total, counts.unbound, theme.FREE, "action=hold&gate=none"))
    columns = (Column("Reason"), Column("Share of decisions", full_width=True), Column("Share", right=True), Column("Decisions", right=True))
    return render_table(columns, rows, label="Share of decisions by binding gate", cards=False)


def _build_day_tile(equity: float | None, day_open: float | None) -> Tile:
    """Build the tile of the gain since the market's day began, at midnight UTC."""
    if equity is None or day_open is None:
        return Tile("P&L today", units.NOT_MEASURED, "since midnight UTC, market time")
    share = units.format_percent(equity / day_open - 1, 2, signed=True)
    return Tile("P&L today", units.format_money(equity - day_open, signed=True), f"{share} since midnight UTC, market time, after costs")


def _build_exposure_tile(gross: float | None, net: float | None, positions: pd.DataFrame, trend: tuple[float | None, ...]) -> Tile:
    """Build the tile of the exposure, with the symbols that are held."""
    amounts = zip(positions["symbol"].tolist(), positions["units"].tolist(), strict=True)
    sides = [f"{symbol} {'long' if amount > 0 else 'short'}" for symbol, amount in amounts if units.is_known(amount) and amount != 0.0]
    named = ", ".join(sides[:2]) + (f" and {len(sides) - 2} more" if len(sides) > 2 else "")
    words = f"net {units.format_percent(net, signed=True)}; {units.format_count(len(sides), 'position')}{': ' if named else ''}{named}"
    return Tile("Exposure", units.format_percent(gross), words, trend=trend, term="gross exposure")


def _trend(trends: pd.DataFrame, column: str) -> tuple[float | None, ...]:
    return tuple(float(value) if units.is_known(value) else None for value in trends[column].tolist())


def _share_row(key: str, name: str, share: float, n: int, colour: str, query: str) -> TableRow:
    return TableRow(key, (Cell(name, colour), Cell("", colour, bar=share), units.format_percent(share), f"{n:,}"), f"/decisions?{query}")
