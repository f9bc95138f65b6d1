"""Faults of the data, detected bar by bar: a halt, a gap, a stale or filled bar, a stale book, clock skew, a change in the unit of volume.

A fault of the venue is decided across the universe, against the rate at which its symbols are stale in normal trading; stale bars of a thin symbol
are no fault, and neither is a closed market. A fault of one symbol must last three times as long as its longest run before. Prices are never judged:
a change of the market is drift, which is detected elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache

import numpy as np

from engine.domain.incidents import EVERYWHERE, INCIDENT_KINDS, NO_FAULT, DataFaults, Incident, IncidentState, Staleness
from engine.domain.market import Books
from engine.domain.record import Bools, Floats
from engine.domain.trading_config import Event
from engine.evidence import staleness, trading_calendar, volume_level
from engine.evidence.staleness import ABSENT, BOOK, EMPTY, REPEATED

UNIVERSE_KINDS = {ABSENT: "gap", EMPTY: "halt", REPEATED: "stale", BOOK: "stale book"}  # names of staleness of the whole universe
SYMBOL_KINDS = {ABSENT: "gap", EMPTY: "flat-filled", REPEATED: "stale", BOOK: "stale book"}  # and of one symbol
UNIVERSE_TEXTS = {
    ABSENT: "have no bar", EMPTY: "have bars without volume", REPEATED: "repeat their last bar exactly", BOOK: "keep the same book while they trade",
}  # fmt: skip
SYMBOL_TEXTS = {
    ABSENT: "it has no bar while others trade", EMPTY: "its bars have no volume while others trade",
    REPEATED: "it repeats its last bar exactly, volume included", BOOK: "it keeps the same book while it trades",
}  # fmt: skip
VOLUME, CLOCK = "volume-feed change", "clock skew"
MAX_PARTIAL_BARS = 240  # bars with less than half of the universe trading again, after which an incident of the whole universe is over
MAX_LEARNING_BARS = 10 * volume_level.LEARNED_BARS  # bars after which a change of volume is over even where it could not be measured
SECOND = 1e9  # ns
Incidents = tuple[Incident, ...]
SEVERITY = ("volume-feed change", "clock skew", "stale book", "flat-filled", "stale", "halt", "gap")  # rising: of several, the last is shown
STALE, STALE_BOOK = INCIDENT_KINDS.index("stale"), INCIDENT_KINDS.index("stale book")


def initial_incident_state(symbols: int) -> IncidentState:
    """The state before the first bar."""
    return IncidentState(
        0,
        trading_calendar.initial_calendar(),
        staleness.initial_runs(symbols),
        volume_level.initial_volume_level(symbols),
        (),
        (),
        no_faults(symbols),
    )


def update_incidents(
    before: IncidentState, at: int, interval: int, symbols: tuple[str, ...], fresh: Bools, bar: Floats, events: Sequence[Event] = (),
    books: Books | None = None,
) -> IncidentState:  # fmt: skip
    """Update incidents with the bar (5, S: open, high, low, close, volume) that closes `at` (ns UTC) and the books at its close.

    `fresh` (S,) marks the symbols that traded, `events` are the feed's own; `interval` is in ns.
    """
    opens = at - interval
    traded = int(np.count_nonzero(fresh)) / len(symbols)
    calendar = trading_calendar.update_calendar(before.calendar, before.at, at, interval, traded)
    own_fault = _find_own_faults(before, symbols)
    everywhere = any(incident.symbol == EVERYWHERE and incident.kind in UNIVERSE_KINDS.values() for incident in before.open)
    begun = _find_jump(before, opens, interval, own_fault) if before.at and opens > before.at and not everywhere else ()
    runs = before.staleness
    if calendar.session_open:
        book = staleness.initial_runs(len(symbols)).book_fingerprint if books is None else staleness.fingerprint_books(books)
        runs = staleness.update_runs(before.staleness, opens, fresh, bar, book, own_fault, everywhere=everywhere)
    ended: Incidents = ()
    if runs.any_run or before.open:
        begun += _find_begun(before, runs, opens, interval, symbols, own_fault) if calendar.session_open else ()
        ended = _find_ended(before, runs, opens, symbols, over=traded >= 0.5 or not calendar.session_open)
    volume, moved = volume_level.update_volume_level(before.volume_level, opens, interval, fresh, bar)
    begun += () if moved is None else _volume_incident(volume.since, moved)
    clock = _find_clock_skew(before, opens, interval, events)
    ended += clock[1] + _end_volume_incidents(before, volume.bars, at, interval)
    after = _apply_changes(IncidentState(at, calendar, runs, volume, before.open, (), before.faults), begun + clock[0], ended)
    momentary = tuple(incident for incident in clock[0] if incident.until is not None)  # of this bar alone
    now = find_faults(after.open + momentary, runs if calendar.session_open else None, at, interval, symbols)
    return after if now is before.faults else replace(after, faults=now)


def skip_bar(before: IncidentState) -> IncidentState:
    """The state after a bar that could not be examined: open incidents stay open, and the bar itself is not judged."""
    nothing = no_faults(len(before.faults.kind))
    return replace(before, changes=(), faults=replace(before.faults, frozen_bar=nothing.frozen_bar, frozen_book=nothing.frozen_book))


@cache
def no_faults(symbols: int) -> DataFaults:
    """No faults."""
    zero, none_frozen = np.zeros(symbols, dtype=np.int64), np.zeros(symbols, dtype=np.bool_)
    return DataFaults(zero + NO_FAULT, zero, none_frozen, none_frozen)


def find_faults(touching: tuple[Incident, ...], runs: Staleness | None, at: int, interval: int, symbols: tuple[str, ...]) -> DataFaults:
    """The faults of the bar that closes `at` (ns UTC), from incidents that touch it and runs of stale bars (None outside of sessions)."""
    suspect = staleness.find_suspect_repeats(runs) if runs is not None and runs.any_run else None
    if not touching and (suspect is None or not suspect.any()):
        return no_faults(len(symbols))
    kind, bars = np.full(len(symbols), NO_FAULT), np.zeros(len(symbols), dtype=np.int64)
    for incident in sorted(touching, key=lambda incident: SEVERITY.index(incident.kind)):
        where = slice(None) if incident.symbol == EVERYWHERE else symbol_positions(symbols)[incident.symbol]
        kind[where], bars[where] = INCIDENT_KINDS.index(incident.kind), max((at - incident.since) // interval, 1)
    if runs is None or suspect is None:
        none_frozen = np.zeros(len(symbols), dtype=np.bool_)
        return DataFaults(kind, bars, none_frozen, none_frozen)
    for offset, fault in ((0, STALE), (1, STALE_BOOK)):
        new = suspect[offset] & (kind == NO_FAULT)
        kind, bars = np.where(new, fault, kind), np.where(new, runs.run_bars[REPEATED + offset], bars)
    frozen = suspect | ((runs.run_bars[REPEATED:] > 0) & (kind == np.array([[STALE], [STALE_BOOK]])))
    return DataFaults(kind, bars, frozen[0], frozen[1])


@lru_cache(8)
def symbol_positions(symbols: tuple[str, ...]) -> dict[str, int]:
    """The position of each symbol."""
    return {symbol: place for place, symbol in enumerate(symbols)}


def _apply_changes(after: IncidentState, begun: Incidents, ended: Incidents) -> IncidentState:
    if not begun and not ended:
        return after
    ended_keys = {(incident.kind, incident.symbol, incident.since) for incident in ended}
    lasting = tuple(incident for incident in after.open if (incident.kind, incident.symbol, incident.since) not in ended_keys)
    return replace(after, open=lasting + tuple(incident for incident in begun if incident.until is None), changes=begun + ended)


def _find_own_faults(before: IncidentState, symbols: tuple[str, ...]) -> Bools:
    """(S,) the symbols with an open fault of their own."""
    out = np.zeros(len(symbols), dtype=np.bool_)
    for incident in before.open:
        if incident.symbol != EVERYWHERE and incident.kind in SYMBOL_KINDS.values():
            out[symbol_positions(symbols)[incident.symbol]] = True
    return out


def _find_begun(before: IncidentState, runs: Staleness, opens: int, interval: int, symbols: tuple[str, ...], own_fault: Bools) -> Incidents:
    """The faults of the universe that begin with this bar; where it has none, those of single symbols."""
    known = {(incident.kind, incident.symbol) for incident in before.open}
    incidents: Incidents = ()
    for way, kind in UNIVERSE_KINDS.items():
        if (kind, EVERYWHERE) not in known and staleness.is_universe_stale(way, runs, own_fault):
            run = int(runs.universe_run_bars[way])
            longest = int(runs.universe_longest[way])
            detail = f"all {len(symbols)} symbols {UNIVERSE_TEXTS[way]}: {run} bars in a row when detected, never more than {longest} before"
            incidents += (Incident(kind, EVERYWHERE, opens - (run - 1) * interval, None, detail),)
    universe_wide = incidents or any((kind, EVERYWHERE) in known for kind in UNIVERSE_KINDS.values())
    if universe_wide or len(symbols) == 1 or bool(runs.universe_run_bars.any()):
        return incidents
    for way, index in np.argwhere(staleness.find_stale_symbols(runs)).tolist():
        if (SYMBOL_KINDS[way], symbols[index]) not in known:
            run, longest = int(runs.run_bars[way, index]), int(runs.longest[way, index])
            detail = f"{SYMBOL_TEXTS[way]}: {run} bars in a row when detected, never more than {longest} before"
            incidents += (Incident(SYMBOL_KINDS[way], symbols[index], int(runs.run_since[way, index]), None, detail),)
    return incidents


def _find_ended(before: IncidentState, runs: Staleness, opens: int, symbols: tuple[str, ...], *, over: bool) -> Incidents:
    """The open faults that end with this bar; `over` when half of the universe trades again, or its session is closed.

    A fault of the universe also ends when a smaller part has traded for long: the rest are faults of single symbols.
    """
    incidents: Incidents = ()
    for incident in before.open:
        kinds = UNIVERSE_KINDS if incident.symbol == EVERYWHERE else SYMBOL_KINDS
        way = next((way for way, kind in kinds.items() if kind == incident.kind), None)
        if way is None:
            continue
        if incident.symbol == EVERYWHERE:
            is_over = over or runs.bars_since_partial_trading >= MAX_PARTIAL_BARS if way in {ABSENT, EMPTY} else not runs.universe_run_bars[way]
        else:
            is_over = not runs.run_bars[way, symbol_positions(symbols)[incident.symbol]]
        if is_over:
            incidents += (replace(incident, until=opens),)
    return incidents


def _find_jump(before: IncidentState, opens: int, interval: int, own_fault: Bools) -> Incidents:
    """A gap that is over when detected: time has jumped while the market should have been open."""
    missing = (opens - before.at) // interval
    known, calendar = before.calendar.traded, before.calendar
    early_close = before.at % trading_calendar.HALF_HOUR == 0 and trading_calendar.has_closed_hours(known)
    if (
        early_close
        or not calendar.session_open
        or not trading_calendar.is_expected_open(known, before.at // trading_calendar.HALF_HOUR % trading_calendar.HALF_HOURS_PER_WEEK)
    ):
        return ()
    if not staleness.is_universe_stale(ABSENT, before.staleness, own_fault, missing):
        return ()
    detail = f"no bar arrived for {missing} bars of {interval / SECOND:g} s while the market should have been open"
    return (Incident("gap", EVERYWHERE, before.at, opens, detail),)


def _volume_incident(since: int, moved: Floats) -> Incidents:
    known = moved[np.isfinite(moved)]
    times = np.exp(np.abs(known))
    direction = "up" if float(np.median(known)) > 0 else "down"
    detail = (
        f"volume is {direction} {float(np.median(times)):.1f} times ({float(times.min()):.1f} to {float(times.max()):.1f}) relative to the range of"
        f" prices, in {len(known)} of {len(moved)} symbols together"
    )
    return (Incident(VOLUME, EVERYWHERE, since, None, detail),)


def _end_volume_incidents(before: IncidentState, bars: int, at: int, interval: int) -> Incidents:
    """End the change of volume that has become normal, or that could not be measured for long."""
    known = bars >= volume_level.LEARNED_BARS
    return tuple(
        replace(incident, until=at)
        for incident in before.open
        if incident.kind == VOLUME and (known or at - incident.since > MAX_LEARNING_BARS * interval)
    )


def _find_clock_skew(before: IncidentState, opens: int, interval: int, events: Sequence[Event]) -> tuple[Incidents, Incidents]:
    """Bars that close off the clock, and clock skew reported by the feed (event clock_skew: seconds, 0 when the clocks agree again)."""
    begun, ended = (), ()  # type: tuple[Incidents, Incidents]
    off = (opens - before.at) % interval
    if before.at and off:
        begun = (Incident(CLOCK, EVERYWHERE, opens, opens, f"this bar closes {off / SECOND:g} s off the clock of {interval / SECOND:g} s"),)
    for event in events:
        if event.kind != "clock_skew":
            continue
        lasting = tuple(
            incident for incident in (*before.open, *begun) if (incident.kind, incident.symbol) == (CLOCK, event.subject) and incident.until is None
        )
        if float(event.detail) and not lasting:
            begun += (Incident(CLOCK, event.subject, opens, None, f"the recorder's clock differs from the venue's by {event.detail} s"),)
        elif not float(event.detail):
            ended += tuple(replace(incident, until=opens) for incident in lasting)
    return begun, ended
