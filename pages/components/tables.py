"""Tables and tiles of the page Components: states, times per phase, fallbacks, incidents, and the traces of every part."""

from __future__ import annotations

import pandas as pd

from engine import units
from engine.store.read.components import CleanRate, LatencyStats, Liveness, PhaseLatency
from engine.store.read.past import NOT_STORED
from engine.store.read.status import EngineStatus
from pages.ui import ages, banners, theme, tiles, trading_rules
from pages.ui.command_table import WHEN, readable_name
from pages.ui.forest_plot import finite_or_none, iterate_rows
from pages.ui.tables import Cell, Column, TableRow, render_table
from pages.ui.trading_tables import link_to_decision
from pages.ui.widgets import Tile

TASKS = {
    "engine": "decides once per tick",
    "feed": "delivers bars, books and flow",
    "trainer": "fits models in worker processes",
    "store": "stores decisions and prunes old ones",
    "probes": "read the machine",
    "optimizer": "keeps the machine healthy",
    "alerts": "notify people of faults",
}
STATES = (Column("Component"), Column("State"), Column("For", right=True), Column("Last error"))
TIMES = (
    Column("Phase", nowrap=True), Column("p50", right=True), Column("p99", right=True), Column("95 % interval of p99", right=True, full_width=True),
    Column("Longest", right=True), Column("Fallbacks", right=True), Column("Share of all phases", full_width=True),
    Column("Median over time", full_width=True),
)  # fmt: skip
_COUNTS = (Column("Phase"), Column("Fallbacks", right=True), Column("Last tick", right=True))
_FALLBACKS = (Column("Tick", right=True), Column("Time", nowrap=True), Column("Phase"), Column("Error", full_width=True))
INCIDENTS = (
    Column("Kind", nowrap=True),
    Column("Symbol"),
    Column("Since", nowrap=True),
    Column("Until", nowrap=True),
    Column("Detail", full_width=True),
)
RECOVERIES = (
    Column("Component", nowrap=True), Column("Failed", nowrap=True), Column("Fault", full_width=True), Column("Recovery", full_width=True),
    Column("Attempts", right=True),
)  # fmt: skip


def build_component_tiles(
    status: EngineStatus, clean_rate: CleanRate, latency: LatencyStats | None, liveness: Liveness, incidents: pd.DataFrame, now: int
) -> list[Tile]:
    open_count = int(incidents["until"].isna().sum()) if len(incidents) else 0
    stale = units.format_percent(clean_rate.stale / clean_rate.decisions, 2) if clean_rate.decisions else units.NOT_ENOUGH
    return [
        tiles.build_clean_rate_tile(clean_rate),
        Tile("Data age", "no tick yet" if status.last is None else ages.ticking_age(status.last.wall, now), _fresh_symbols(status, liveness)),
        Tile("Stale bars", stale, f"{clean_rate.stale:,} of the last {clean_rate.decisions:,} live decisions"),
        tiles.build_tick_p99_tile(latency),
        Tile(
            "Incidents",
            f"{open_count} open" if open_count else "none open",
            f"{len(incidents) - open_count} past",
            state="open" if open_count else "ok",
        ),
        Tile("Alerts", f"{status.alerts:,} open" if status.alerts else "none open", "listed on Alerts", state="open" if status.alerts else "ok"),
        Tile("Commands waiting", f"{liveness.commands_waiting:,}", "for the engine"),
    ]


def list_states(status: EngineStatus, now: int, *, is_past: bool = False) -> list[TableRow]:
    """Return each component with the state it last reported; when no engine runs, every component counts as down.

    In the past, a state that was replaced later is not known, and there is no last error.
    """
    if is_past:
        return [TableRow(name, _state_then(name, state, since, now)) for name, state, since, _ in status.components]
    alive = banners.judge_status(status, now).alive
    lines = []
    for name, state, since, error in status.components:
        lost = not alive and state != "down"
        cell = Cell("down", theme.state_colour("down"), small=f"last reported {state}") if lost else Cell(state, theme.state_colour(state))
        lines.append(TableRow(name, (Cell(name, small=TASKS.get(name, "")), cell, ages.ticking_age(since, now), error or "none")))
    return lines


def _state_then(name: str, state: str, since: int, now: int) -> tuple[Cell | str, ...]:
    known = state != NOT_STORED
    shown = Cell(state, theme.state_colour(state) if known else theme.NEUTRAL)
    return Cell(name, small=TASKS.get(name, "")), shown, ages.ticking_age(since, now) if known else units.MISSING


def list_phase_times(latency: LatencyStats) -> list[TableRow]:
    return [_phase_time(phase, is_total=place == 0) for place, phase in enumerate(latency.phases)]


def render_fallback_counts(frame: pd.DataFrame) -> str:
    """Return the number of fallbacks per phase; each row opens the degraded decisions."""
    lines = [
        TableRow(str(row.phase), (Cell(str(row.phase), theme.WARNING), f"{row.n:,}", f"{row.tick:,}"), "/decisions?degraded=yes")
        for row in iterate_rows(frame)
    ]
    return render_table(_COUNTS, lines, label="Fallbacks by phase", cards=False, empty="no phase has fallen back")


def render_fallbacks(frame: pd.DataFrame) -> str:
    """Return the newest fallbacks; each row opens its decision."""
    lines = []
    for row in iterate_rows(frame):
        link = link_to_decision(int(row.tick), str(row.symbol)) if isinstance(row.symbol, str) else None
        error = row.error if isinstance(row.error, str) and row.error else "no error recorded"
        cells = (f"{row.tick:,}", units.format_time(int(row.wall), WHEN), Cell(str(row.phase), theme.WARNING), error)
        lines.append(TableRow(f"{row.tick} {row.phase}", cells, link))
    return render_table(_FALLBACKS, lines, label="Fallbacks, newest first", empty="no phase has fallen back")


def list_incidents(frame: pd.DataFrame) -> list[TableRow]:
    lines = []
    for row in iterate_rows(frame):
        is_open = not units.is_known(row.until)
        until = Cell("open", theme.state_colour("open")) if is_open else units.format_time(int(row.until), WHEN)
        symbol = "all" if row.symbol in {"*", ""} else row.symbol
        cells = (readable_name(row.kind), symbol, units.format_time(int(row.since), WHEN), until, row.detail)
        lines.append(TableRow(str(row.id), cells, highlighted=is_open))
    return lines


def list_recoveries(frame: pd.DataFrame, now: int) -> list[TableRow]:
    """Return each fault with its time to recovery; faults that last are marked."""
    lines = []
    for row in iterate_rows(frame):
        is_open = False
        if units.is_known(row.recovered_at):
            duration = units.format_duration((row.recovered_at - row.at) / units.SECOND)
            recovery = Cell(f"recovered automatically in {duration}", theme.GOOD, small=row.how if isinstance(row.how, str) else "")
        elif isinstance(row.how, str):
            recovery = Cell(row.how, theme.NEUTRAL)
        else:
            is_open = True
            recovery = Cell(f"not yet, for {ages.ticking_age(int(row.at), now)}", theme.WARNING)
        lines.append(
            TableRow(
                str(row.id), (row.component, units.format_time(int(row.at), WHEN), row.fault, recovery, f"{int(row.tries):,}"), highlighted=is_open
            )
        )
    return lines


def list_jobs(status: EngineStatus, liveness: Liveness, now: int) -> list[TableRow]:
    """Return the scheduler's jobs with the newest trace of each in the store."""
    interval = banners.tick_interval(status)
    traces = (
        (f"Ticks, every {interval:g} s" if interval else "Ticks", None if status.last is None else status.last.wall),
        ("Heartbeat", status.beat),
        ("Probes", liveness.readings),
        ("Component states", liveness.heartbeat),
    )
    return [TableRow(name, (name, "never" if at is None else f"{ages.ticking_age(at, now)} ago")) for name, at in traces]


def list_feed(status: EngineStatus, liveness: Liveness) -> list[TableRow]:
    if status.session is None or status.last is None:
        return []
    stale = liveness.stale_now
    pairs = (
        ("Feed", status.session.label),
        ("Symbols", f"{len(status.session.symbols)}, {units.format_bar_length(status.session.interval)} bars"),
        ("Newest bar", f"{units.format_time(status.last.at)} UTC, market time"),
        ("Without a bar now", ", ".join(stale[:8]) + (f" and {len(stale) - 8} more" if len(stale) > 8 else "") if stale else "none"),
        ("Spread from", trading_rules.describe_spread_sources(status.last.spread_sources)),
    )
    return [TableRow(name, (name, value)) for name, value in pairs]


def describe_recording(status: EngineStatus) -> list[str]:
    """Return, as sentences, what was not read from the recording and what is unknown about it."""
    return [f"{line[:1].upper()}{line[1:]}." for line in status.meta.get("recording", "").splitlines()]


def list_store(status: EngineStatus, liveness: Liveness, readings: pd.DataFrame, *, is_past: bool = False) -> list[TableRow]:
    """List size, limit and stored ticks; who writes is known of the present only."""
    size = readings[readings["name"] == "store_bytes"]["value"].tolist() if len(readings) else []
    limit = finite_or_none(None if status.session is None else status.session.settings.get("retention_bytes"))
    ticks = units.MISSING if liveness.first_tick is None or status.last is None else f"{liveness.first_tick:,} to {status.last.tick:,}"
    pairs = (
        ("Size", units.format_bytes(size[0] if size else None, missing=units.NOT_MEASURED)),
        ("Size limit", "none" if limit is None else units.format_bytes(limit)),
        ("Stored ticks", ticks),
        ("Newest checkpoint", units.MISSING if liveness.checkpoint is None else f"tick {liveness.checkpoint:,}"),
        ("Written by", status.holder or "no engine now"),
    )
    return [TableRow(name, (name, value)) for name, value in (pairs[:-1] if is_past else pairs)]


def list_training(liveness: Liveness, latency: LatencyStats | None, now: int) -> list[TableRow]:
    events = {} if latency is None else {kind: n for kind, n, _ in latency.events}
    ticks = 0 if latency is None else latency.phases[0].n
    if liveness.trained is None:
        newest = [("Newest model", "none trained yet")]
    else:
        at, version, seconds, rows, serves_from = liveness.trained
        newest = [
            ("Newest model", f"{version}, {ages.ticking_age(at, now)} ago"),
            ("Training time", f"{units.format_duration(seconds)} on {rows:,} rows"),
            ("Serves from", f"tick {serves_from:,}"),
        ]
    adopted, late, failed = (events.get(kind, 0) for kind in ("model_adopted", "training_late", "training_failed"))
    pairs = (
        *newest,
        ("Waiting to serve", units.format_count(liveness.models_waiting, "model")),
        (f"In the last {ticks:,} ticks", f"{adopted} adopted, {late} late, {failed} failed"),
    )
    return [TableRow(name, (name, value)) for name, value in pairs]


def _fresh_symbols(status: EngineStatus, liveness: Liveness) -> str:
    if status.session is None or status.last is None:
        return ""
    symbols = len(status.session.symbols)
    return f"since the last tick; {symbols - len(liveness.stale_now)} of {symbols} symbols had a bar"


def _phase_time(phase: PhaseLatency, *, is_total: bool) -> TableRow:
    cells = (
        phase.name,
        units.format_ms(phase.p50),
        units.format_ms(phase.p99),
        units.format_reading_interval(phase.low, phase.high, "ms"),
        units.format_ms(phase.longest),
        Cell(f"{phase.fallbacks:,} of {phase.n:,}", theme.WARNING if phase.fallbacks else None),
        "" if is_total else Cell(units.format_percent(phase.share), theme.UP, bar=phase.share),
        Cell("", trend=phase.trend),
    )
    return TableRow(phase.name, cells, highlighted=is_total)
