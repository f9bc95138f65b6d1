"""The parts of the engine in words and rows: their state, their times, what fell back, and signs of life."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from engine.store.component_queries import Honesty, Latency, Life, PhaseTime
from engine.store.status_query import Status
from pages.parts import ages, glance, rowsets, theme, units, venue, wellness
from pages.parts.tables import Cell, Column, Line, html
from pages.parts.widgets import Tile

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
    Column("Phase", nowrap=True), Column("p50", right=True), Column("p99", right=True), Column("95 % interval of the p99", right=True, whole=True),
    Column("Longest", right=True), Column("Fell back", right=True), Column("Share of the phases' time", whole=True),
    Column("Median through time", whole=True),
)  # fmt: skip
_COUNTS = (Column("Phase"), Column("Times", right=True), Column("Last at tick", right=True))
_FALLEN = (Column("Tick", right=True), Column("When", nowrap=True), Column("Phase"), Column("Error", whole=True))
INCIDENTS = (Column("Kind", nowrap=True), Column("Symbol"), Column("Since", nowrap=True), Column("Until", nowrap=True), Column("Detail", whole=True))


def tiles(status: Status, honest: Honesty, told: Latency | None, alive: Life, incidents: pd.DataFrame, now: int) -> list[Tile]:
    lasting = int(incidents["until"].isna().sum()) if len(incidents) else 0
    return [
        glance.honest_rate(honest),
        Tile("Data's age", "no tick yet" if status.last is None else ages.since(status.last.wall, now), _age(status, alive)),
        Tile(
            "Stale bars",
            units.percent(honest.stale / honest.decisions, 2) if honest.decisions else units.NOT_ENOUGH,
            f"{honest.stale:,} of the last {honest.decisions:,} live decisions",
        ),
        glance.tick_p99(told),
        Tile("Incidents", f"{lasting} open" if lasting else "none open", f"{len(incidents) - lasting} past", state="open" if lasting else "ok"),
        Tile("Alerts", f"{status.alerts} open" if status.alerts else "none open", "listed on Alerts", state="open" if status.alerts else "ok"),
        Tile("Commands waiting", f"{alive.commands_waiting}", "for the engine to take them up"),
    ]


def states(status: Status, now: int) -> list[Line]:
    """Each part as it last said of itself; of an engine that is gone nothing is said to be well."""
    living = wellness.health(status, now).alive
    lines = []
    for name, state, since, error in status.components:
        gone = not living and state != "down"
        shown = Cell("down", theme.state("down"), small=f"said {state} when it was last heard of") if gone else Cell(state, theme.state(state))
        lines.append(Line(name, (Cell(name, small=DOES.get(name, "")), shown, ages.since(since, now), error or "none")))
    return lines


def times(told: Latency) -> list[Line]:
    return [_times(one, whole=place == 0) for place, one in enumerate(told.phases)]


def counts(frame: pd.DataFrame) -> str:
    """How often each phase fell back; each leads to the degraded decisions."""
    lines = [
        Line(str(one.phase), (Cell(str(one.phase), theme.WARNING), f"{one.n:,}", f"{one.tick:,}"), "/decisions?degraded=yes") for one in _each(frame)
    ]
    return html(_COUNTS, lines, label="How often each phase fell back", cards=False, empty="no phase has fallen back")


def fallen(frame: pd.DataFrame) -> str:
    """The newest fallbacks; each leads to its decisions."""
    lines = []
    for one in _each(frame):
        link = rowsets.link(int(one.tick), str(one.symbol)) if isinstance(one.symbol, str) else None
        cells = (f"{one.tick:,}", units.moment(int(one.wall), WHEN), Cell(str(one.phase), theme.WARNING), _text(one.error, "no error told"))
        lines.append(Line(f"{one.tick} {one.phase}", cells, link))
    return html(_FALLEN, lines, label="Phases that fell back, newest first", empty="no phase has fallen back")


def incidents(frame: pd.DataFrame) -> list[Line]:
    lines = []
    for one in _each(frame):
        lasting = not units.known(one.until)
        until = Cell("lasting", theme.state("open")) if lasting else units.moment(int(one.until), WHEN)
        cells = (one.kind.replace("_", " "), "all" if one.symbol in {"*", ""} else one.symbol, units.moment(int(one.since), WHEN), until, one.detail)
        lines.append(Line(str(one.id), cells, marked=lasting))
    return lines


def jobs(status: Status, alive: Life, now: int) -> list[Line]:
    """What the scheduler runs, by the traces it leaves."""
    pace = wellness.pace(status)
    told = (
        (f"Ticks, every {pace:g} s" if pace else "Ticks", None if status.last is None else status.last.wall),
        ("Heartbeat", status.beat),
        ("Probes", alive.readings),
        ("State of the parts", alive.board),
    )
    return [Line(name, (name, "never" if at is None else f"{ages.since(at, now)} ago")) for name, at in told]


def feed(status: Status, alive: Life) -> list[Line]:
    if status.session is None or status.last is None:
        return []
    stale = alive.stale_now
    pairs = (
        ("Feed", status.session.label),
        ("Symbols", f"{len(status.session.symbols)}, bars of {units.bars(status.session.interval)}"),
        ("Newest bar", f"{units.moment(status.last.at)} UTC, market time"),
        ("Without a bar now", ", ".join(stale[:8]) + (f" and {len(stale) - 8} more" if len(stale) > 8 else "") if stale else "none"),
        ("Spread from", venue.sources_in_words(status.last.spread_sources)),
    )
    return [Line(name, (name, value)) for name, value in pairs]


def recording(status: Status) -> list[str]:
    """What was not read of the recording that is played, and what is not known of it, as sentences."""
    return [f"{line[:1].upper()}{line[1:]}." for line in status.meta.get("recording", "").splitlines()]


def store(status: Status, alive: Life, readings: pd.DataFrame) -> list[Line]:
    size = readings[readings["name"] == "store_bytes"]["value"].tolist() if len(readings) else []
    limit = None if status.session is None else status.session.settings.get("keep_bytes")
    kept = units.MISSING if alive.first_tick is None or status.last is None else f"{alive.first_tick:,} to {status.last.tick:,}"
    pairs = (
        ("Size", units.data(size[0] if size else None, missing=units.NOT_MEASURED)),
        ("Kept up to", units.data(float(limit)) if units.known(limit) and limit is not None else "no limit"),
        ("Ticks kept", kept),
        ("Newest checkpoint", units.MISSING if alive.checkpoint is None else f"tick {alive.checkpoint:,}"),
        ("Written by", status.holder or "no engine now"),
    )
    return [Line(name, (name, value)) for name, value in pairs]


def training(alive: Life, told: Latency | None, now: int) -> list[Line]:
    events = {} if told is None else {kind: n for kind, n, _ in told.events}
    n = 0 if told is None else told.phases[0].n
    if alive.trained is None:
        newest = [("Newest model", "none trained yet")]
    else:
        at, version, seconds, rows, serves = alive.trained
        newest = [
            ("Newest model", f"{version}, {ages.since(at, now)} ago"),
            ("It took", f"{units.ms(None if seconds is None else seconds * 1000)} on {rows:,} rows"),
            ("It serves from", f"tick {serves:,}"),
        ]
    pairs = (
        *newest,
        ("Waiting to serve", units.count(alive.models_waiting, "model")),
        (
            f"In the last {n:,} ticks",
            f"{events.get('model_adopted', 0)} adopted, {events.get('training_late', 0)} late, {events.get('training_failed', 0)} failed",
        ),
    )
    return [Line(name, (name, value)) for name, value in pairs]


def _age(status: Status, alive: Life) -> str:
    if status.session is None or status.last is None:
        return ""
    return f"since the last tick; {len(status.session.symbols) - len(alive.stale_now)} of {len(status.session.symbols)} symbols had a bar"


def _times(one: PhaseTime, *, whole: bool) -> Line:
    band = units.format_reading_interval(one.low, one.high, "ms")
    cells = (
        one.name,
        units.ms(one.p50),
        units.ms(one.p99),
        band,
        units.ms(one.longest),
        Cell(f"{one.fallbacks:,} of {one.n:,}", theme.WARNING if one.fallbacks else None),
        "" if whole else Cell(units.percent(one.share), theme.UP, bar=one.share),
        Cell("", trend=one.trend),
    )
    return Line(one.name, cells, marked=whole)


def _text(value: object, missing: str) -> str:
    return value if isinstance(value, str) and value else missing


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
