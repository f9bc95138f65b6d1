"""Tables and tiles of the page Components: states, times per phase, fallbacks, incidents, and the traces of every part."""

from __future__ import annotations

import pandas as pd

from engine.store.component_queries import Honesty, Latency, Life, PhaseTime
from engine.store.status_query import Status
from pages.parts import ages, glance, rowsets, theme, units, venue, wellness
from pages.parts.estimates import each, known
from pages.parts.tables import Cell, Column, Line, html
from pages.parts.widgets import Tile

WHEN = "%m-%d %H:%M:%S"
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
    Column("Phase", nowrap=True), Column("p50", right=True), Column("p99", right=True), Column("95 % interval of p99", right=True, whole=True),
    Column("Longest", right=True), Column("Fallbacks", right=True), Column("Share of all phases", whole=True),
    Column("Median over time", whole=True),
)  # fmt: skip
_COUNTS = (Column("Phase"), Column("Fallbacks", right=True), Column("Last tick", right=True))
_FALLBACKS = (Column("Tick", right=True), Column("Time", nowrap=True), Column("Phase"), Column("Error", whole=True))
INCIDENTS = (Column("Kind", nowrap=True), Column("Symbol"), Column("Since", nowrap=True), Column("Until", nowrap=True), Column("Detail", whole=True))


def tiles(status: Status, honest: Honesty, latency: Latency | None, liveness: Life, incidents: pd.DataFrame, now: int) -> list[Tile]:
    open_count = int(incidents["until"].isna().sum()) if len(incidents) else 0
    stale = units.percent(honest.stale / honest.decisions, 2) if honest.decisions else units.NOT_ENOUGH
    return [
        glance.honest_rate(honest),
        Tile("Data age", "no tick yet" if status.last is None else ages.since(status.last.wall, now), _fresh_symbols(status, liveness)),
        Tile("Stale bars", stale, f"{honest.stale:,} of the last {honest.decisions:,} live decisions"),
        glance.tick_p99(latency),
        Tile(
            "Incidents",
            f"{open_count} open" if open_count else "none open",
            f"{len(incidents) - open_count} past",
            state="open" if open_count else "ok",
        ),
        Tile("Alerts", f"{status.alerts} open" if status.alerts else "none open", "listed on Alerts", state="open" if status.alerts else "ok"),
        Tile("Commands waiting", f"{liveness.commands_waiting}", "for the engine"),
    ]


def states(status: Status, now: int) -> list[Line]:
    """Return each component with the state it last reported; when the engine is gone, every component counts as down."""
    alive = wellness.health(status, now).alive
    lines = []
    for name, state, since, error in status.components:
        lost = not alive and state != "down"
        cell = Cell("down", theme.state("down"), small=f"last reported {state}") if lost else Cell(state, theme.state(state))
        lines.append(Line(name, (Cell(name, small=TASKS.get(name, "")), cell, ages.since(since, now), error or "none")))
    return lines


def times(latency: Latency) -> list[Line]:
    return [_phase_time(phase, is_total=place == 0) for place, phase in enumerate(latency.phases)]


def counts(frame: pd.DataFrame) -> str:
    """Return the number of fallbacks per phase; each row opens the degraded decisions."""
    lines = [
        Line(str(row.phase), (Cell(str(row.phase), theme.WARNING), f"{row.n:,}", f"{row.tick:,}"), "/decisions?degraded=yes") for row in each(frame)
    ]
    return html(_COUNTS, lines, label="Fallbacks by phase", cards=False, empty="no phase has fallen back")


def fallen(frame: pd.DataFrame) -> str:
    """Return the newest fallbacks; each row opens its decision."""
    lines = []
    for row in each(frame):
        link = rowsets.link(int(row.tick), str(row.symbol)) if isinstance(row.symbol, str) else None
        error = row.error if isinstance(row.error, str) and row.error else "no error recorded"
        cells = (f"{row.tick:,}", units.moment(int(row.wall), WHEN), Cell(str(row.phase), theme.WARNING), error)
        lines.append(Line(f"{row.tick} {row.phase}", cells, link))
    return html(_FALLBACKS, lines, label="Fallbacks, newest first", empty="no phase has fallen back")


def incidents(frame: pd.DataFrame) -> list[Line]:
    lines = []
    for row in each(frame):
        is_open = not units.known(row.until)
        until = Cell("open", theme.state("open")) if is_open else units.moment(int(row.until), WHEN)
        symbol = "all" if row.symbol in {"*", ""} else row.symbol
        cells = (row.kind.replace("_", " "), symbol, units.moment(int(row.since), WHEN), until, row.detail)
        lines.append(Line(str(row.id), cells, marked=is_open))
    return lines


def jobs(status: Status, liveness: Life, now: int) -> list[Line]:
    """Return the scheduler's jobs with the newest trace of each in the store."""
    interval = wellness.pace(status)
    traces = (
        (f"Ticks, every {interval:g} s" if interval else "Ticks", None if status.last is None else status.last.wall),
        ("Heartbeat", status.beat),
        ("Probes", liveness.readings),
        ("Component states", liveness.board),
    )
    return [Line(name, (name, "never" if at is None else f"{ages.since(at, now)} ago")) for name, at in traces]


def feed(status: Status, liveness: Life) -> list[Line]:
    if status.session is None or status.last is None:
        return []
    stale = liveness.stale_now
    pairs = (
        ("Feed", status.session.label),
        ("Symbols", f"{len(status.session.symbols)}, {units.bars(status.session.interval)} bars"),
        ("Newest bar", f"{units.moment(status.last.at)} UTC, market time"),
        ("Without a bar now", ", ".join(stale[:8]) + (f" and {len(stale) - 8} more" if len(stale) > 8 else "") if stale else "none"),
        ("Spread from", venue.sources_in_words(status.last.spread_sources)),
    )
    return [Line(name, (name, value)) for name, value in pairs]


def recording(status: Status) -> list[str]:
    """Return, as sentences, what was not read from the recording and what is unknown about it."""
    return [f"{line[:1].upper()}{line[1:]}." for line in status.meta.get("recording", "").splitlines()]


def store(status: Status, liveness: Life, readings: pd.DataFrame) -> list[Line]:
    size = readings[readings["name"] == "store_bytes"]["value"].tolist() if len(readings) else []
    limit = known(None if status.session is None else status.session.settings.get("keep_bytes"))
    ticks = units.MISSING if liveness.first_tick is None or status.last is None else f"{liveness.first_tick:,} to {status.last.tick:,}"
    pairs = (
        ("Size", units.data(size[0] if size else None, missing=units.NOT_MEASURED)),
        ("Size limit", "none" if limit is None else units.data(limit)),
        ("Stored ticks", ticks),
        ("Newest checkpoint", units.MISSING if liveness.checkpoint is None else f"tick {liveness.checkpoint:,}"),
        ("Written by", status.holder or "no engine now"),
    )
    return [Line(name, (name, value)) for name, value in pairs]


def training(liveness: Life, latency: Latency | None, now: int) -> list[Line]:
    events = {} if latency is None else {kind: n for kind, n, _ in latency.events}
    ticks = 0 if latency is None else latency.phases[0].n
    if liveness.trained is None:
        newest = [("Newest model", "none trained yet")]
    else:
        at, version, seconds, rows, serves_from = liveness.trained
        newest = [
            ("Newest model", f"{version}, {ages.since(at, now)} ago"),
            ("Training time", f"{units.format_duration(seconds)} on {rows:,} rows"),
            ("Serves from", f"tick {serves_from:,}"),
        ]
    adopted, late, failed = (events.get(kind, 0) for kind in ("model_adopted", "training_late", "training_failed"))
    pairs = (
        *newest,
        ("Waiting to serve", units.count(liveness.models_waiting, "model")),
        (f"In the last {ticks:,} ticks", f"{adopted} adopted, {late} late, {failed} failed"),
    )
    return [Line(name, (name, value)) for name, value in pairs]


def _fresh_symbols(status: Status, liveness: Life) -> str:
    if status.session is None or status.last is None:
        return ""
    symbols = len(status.session.symbols)
    return f"since the last tick; {symbols - len(liveness.stale_now)} of {symbols} symbols had a bar"


def _phase_time(phase: PhaseTime, *, is_total: bool) -> Line:
    cells = (
        phase.name,
        units.ms(phase.p50),
        units.ms(phase.p99),
        units.format_reading_interval(phase.low, phase.high, "ms"),
        units.ms(phase.longest),
        Cell(f"{phase.fallbacks:,} of {phase.n:,}", theme.WARNING if phase.fallbacks else None),
        "" if is_total else Cell(units.percent(phase.share), theme.UP, bar=phase.share),
        Cell("", trend=phase.trend),
    )
    return Line(phase.name, cells, marked=is_total)
