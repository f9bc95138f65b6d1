"""The parts of the engine in words and rows: their state, their times, what fell back, and signs of life."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from engine import units
from engine.store.read.components import CleanRate, LatencyStats, Liveness, PhaseLatency
from engine.store.read.status import EngineStatus
from pages.decisions import tables
from pages.ui import ages, banners, theme, tiles, trading_rules
from pages.ui.tables import Cell, Column, TableRow, render_table
from pages.ui.widgets import Tile

WHEN = "%m-%d %H:%M:%S"
DOES = {
    "engine": "decides a tick at a time",
    "feed": "brings bars, books and flow",
    "trainer": "fits models in other processes",
    "store": "keeps what was decided, and drops what is old",
    "probes": "read the machine",
    "optimizer": "keeps the machine healthy",
    "alerts": "tells people what is wrong",
}
STATES = (Column("Part"), Column("State"), Column("For", right=True), Column("Last error"))
TIMES = (
    Column("Phase", nowrap=True), Column("p50", right=True), Column("p99", right=True), Column("95 % interval of the p99", right=True, full_width=True),
    Column("Longest", right=True), Column("Fell back", right=True), Column("Share of the phases' time", full_width=True),
    Column("Median through time", full_width=True),
)  # fmt: skip
_COUNTS = (Column("Phase"), Column("Times", right=True), Column("Last at tick", right=True))
_FALLEN = (Column("Tick", right=True), Column("When", nowrap=True), Column("Phase"), Column("Error", full_width=True))
INCIDENTS = (
    Column("Kind", nowrap=True),
    Column("Symbol"),
    Column("Since", nowrap=True),
    Column("Until", nowrap=True),
    Column("Detail", full_width=True),
)


def build_component_tiles(
    status: EngineStatus, honest: CleanRate, told: LatencyStats | None, alive: Liveness, incidents: pd.DataFrame, now: int
) -> list[Tile]:
    lasting = int(incidents["until"].isna().sum()) if len(incidents) else 0
    return [
        tiles.build_clean_rate_tile(honest),
        Tile("Data's age", "no tick yet" if status.last is None else ages.ticking_age(status.last.wall, now), _age(status, alive)),
        Tile(
            "Stale bars",
            units.format_percent(honest.stale / honest.decisions, 2) if honest.decisions else units.NOT_ENOUGH,
            f"{honest.stale:,} of the last {honest.decisions:,} live decisions",
        ),
        tiles.build_tick_p99_tile(told),
        Tile("Incidents", f"{lasting} open" if lasting else "none open", f"{len(incidents) - lasting} past", state="open" if lasting else "ok"),
        Tile("Alerts", f"{status.alerts} open" if status.alerts else "none open", "listed on Alerts", state="open" if status.alerts else "ok"),
        Tile("Commands waiting", f"{alive.commands_waiting}", "for the engine to take them up"),
    ]


def list_states(status: EngineStatus, now: int) -> list[TableRow]:
    """Each part as it last said of itself; of an engine that is gone nothing is said to be well."""
    living = banners.judge_status(status, now).alive
    lines = []
    for name, state, since, error in status.components:
        gone = not living and state != "down"
        shown = (
            Cell("down", theme.state_colour("down"), small=f"said {state} when it was last heard of")
            if gone
            else Cell(state, theme.state_colour(state))
        )
        lines.append(TableRow(name, (Cell(name, small=DOES.get(name, "")), shown, ages.ticking_age(since, now), error or "none")))
    return lines


def list_phase_times(told: LatencyStats) -> list[TableRow]:
    return [_times(one, whole=place == 0) for place, one in enumerate(told.phases)]


def render_fallback_counts(frame: pd.DataFrame) -> str:
    """How often each phase fell back; each leads to the degraded decisions."""
    lines = [
        TableRow(str(one.phase), (Cell(str(one.phase), theme.WARNING), f"{one.n:,}", f"{one.tick:,}"), "/decisions?degraded=yes")
        for one in _each(frame)
    ]
    return render_table(_COUNTS, lines, label="How often each phase fell back", cards=False, empty="no phase has fallen back")


def render_fallbacks(frame: pd.DataFrame) -> str:
    """The newest fallbacks; each leads to its decisions."""
    lines = []
    for one in _each(frame):
        link = tables.link_to_decision(int(one.tick), str(one.symbol)) if isinstance(one.symbol, str) else None
        cells = (f"{one.tick:,}", units.format_time(int(one.wall), WHEN), Cell(str(one.phase), theme.WARNING), _text(one.error, "no error told"))
        lines.append(TableRow(f"{one.tick} {one.phase}", cells, link))
    return render_table(_FALLEN, lines, label="Phases that fell back, newest first", empty="no phase has fallen back")


def list_incidents(frame: pd.DataFrame) -> list[TableRow]:
    lines = []
    for one in _each(frame):
        lasting = not units.is_known(one.until)
        until = Cell("lasting", theme.state_colour("open")) if lasting else units.format_time(int(one.until), WHEN)
        cells = (
            one.kind.replace("_", " "),
            "all" if one.symbol in {"*", ""} else one.symbol,
            units.format_time(int(one.since), WHEN),
            until,
            one.detail,
        )
        lines.append(TableRow(str(one.id), cells, highlighted=lasting))
    return lines


def list_jobs(status: EngineStatus, alive: Liveness, now: int) -> list[TableRow]:
    """What the scheduler runs, by the traces it leaves."""
    pace = banners.tick_interval(status)
    told = (
        (f"Ticks, every {pace:g} s" if pace else "Ticks", None if status.last is None else status.last.wall),
        ("Heartbeat", status.beat),
        ("Probes", alive.readings),
        ("State of the parts", alive.heartbeat),
    )
    return [TableRow(name, (name, "never" if at is None else f"{ages.ticking_age(at, now)} ago")) for name, at in told]


def list_feed(status: EngineStatus, alive: Liveness) -> list[TableRow]:
    if status.session is None or status.last is None:
        return []
    stale = alive.stale_now
    pairs = (
        ("Feed", status.session.label),
        ("Symbols", f"{len(status.session.symbols)}, bars of {units.format_bar_length(status.session.interval)}"),
        ("Newest bar", f"{units.format_time(status.last.at)} UTC, market time"),
        ("Without a bar now", ", ".join(stale[:8]) + (f" and {len(stale) - 8} more" if len(stale) > 8 else "") if stale else "none"),
        ("Spread from", trading_rules.describe_spread_sources(status.last.spread_sources)),
    )
    return [TableRow(name, (name, value)) for name, value in pairs]


def describe_recording(status: EngineStatus) -> list[str]:
    """What was not read of the recording that is played, and what is not known of it, as sentences."""
    return [f"{line[:1].upper()}{line[1:]}." for line in status.meta.get("recording", "").splitlines()]


def list_store(status: EngineStatus, alive: Liveness, readings: pd.DataFrame) -> list[TableRow]:
    size = readings[readings["name"] == "store_bytes"]["value"].tolist() if len(readings) else []
    limit = None if status.session is None else status.session.settings.get("retention_bytes")
    kept = units.MISSING if alive.first_tick is None or status.last is None else f"{alive.first_tick:,} to {status.last.tick:,}"
    pairs = (
        ("Size", units.format_bytes(size[0] if size else None, missing=units.NOT_MEASURED)),
        ("Kept up to", units.format_bytes(float(limit)) if units.is_known(limit) and limit is not None else "no limit"),
        ("Ticks kept", kept),
        ("Newest checkpoint", units.MISSING if alive.checkpoint is None else f"tick {alive.checkpoint:,}"),
        ("Written by", status.holder or "no engine now"),
    )
    return [TableRow(name, (name, value)) for name, value in pairs]


def list_training(alive: Liveness, told: LatencyStats | None, now: int) -> list[TableRow]:
    events = {} if told is None else {kind: n for kind, n, _ in told.events}
    n = 0 if told is None else told.phases[0].n
    if alive.trained is None:
        newest = [("Newest model", "none trained yet")]
    else:
        at, version, seconds, rows, serves = alive.trained
        newest = [
            ("Newest model", f"{version}, {ages.ticking_age(at, now)} ago"),
            ("It took", f"{units.format_ms(None if seconds is None else seconds * 1000)} on {rows:,} rows"),
            ("It serves from", f"tick {serves:,}"),
        ]
    pairs = (
        *newest,
        ("Waiting to serve", units.format_count(alive.models_waiting, "model")),
        (
            f"In the last {n:,} ticks",
            f"{events.get('model_adopted', 0)} adopted, {events.get('training_late', 0)} late, {events.get('training_failed', 0)} failed",
        ),
    )
    return [TableRow(name, (name, value)) for name, value in pairs]


def _age(status: EngineStatus, alive: Liveness) -> str:
    if status.session is None or status.last is None:
        return ""
    return f"since the last tick; {len(status.session.symbols) - len(alive.stale_now)} of {len(status.session.symbols)} symbols had a bar"


def _times(one: PhaseLatency, *, whole: bool) -> TableRow:
    band = units.NOT_ENOUGH if one.low is None or one.high is None else f"{units.format_number(one.low, 2)}..{units.format_ms(one.high)}"
    cells = (
        one.name,
        units.format_ms(one.p50),
        units.format_ms(one.p99),
        band,
        units.format_ms(one.longest),
        Cell(f"{one.fallbacks:,} of {one.n:,}", theme.WARNING if one.fallbacks else None),
        "" if whole else Cell(units.format_percent(one.share), theme.UP, bar=one.share),
        Cell("", trend=one.trend),
    )
    return TableRow(one.name, cells, highlighted=whole)


def _text(value: object, missing: str) -> str:
    return value if isinstance(value, str) and value else missing


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
