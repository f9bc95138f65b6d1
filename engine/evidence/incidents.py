"""Faults of the data, told bar by bar from what the feed hands over: a halt, a gap, a stale or filled bar, a stale book, a clock, another way of
counting volume.

A fault of the venue is decided across the universe, against how often its symbols are quiet by themselves; a thin symbol's quiet bars are none, and
neither is a market that is closed. A fault of one symbol must last three times as long as it was ever quiet before. Nothing here looks at prices to
call them strange: that the market has become another is drift, and told elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.domain.incidents import EVERYWHERE, Incident, IncidentState, Staleness
from engine.domain.market import Books
from engine.domain.record import Bools, Floats
from engine.domain.trading_config import Event
from engine.evidence import faults, staleness, trading_calendar, volume_level
from engine.evidence.fingerprint import fingerprint_books
from engine.evidence.staleness import ABSENT, BOOK, EMPTY, REPEATED

WIDE = {ABSENT: "gap", EMPTY: "halt", REPEATED: "stale", BOOK: "stale book"}  # what being quiet is called where it is the universe's
LONE = {ABSENT: "gap", EMPTY: "flat-filled", REPEATED: "stale", BOOK: "stale book"}  # and where it is one symbol's
WORDS = {
    ABSENT: "have no bar", EMPTY: "have bars without volume", REPEATED: "repeat their last bar exactly", BOOK: "keep the same book while they trade",
}  # fmt: skip
LONE_WORDS = {
    ABSENT: "it has no bar while others trade", EMPTY: "its bars have no volume while others trade",
    REPEATED: "it repeats its last bar exactly, volume included", BOOK: "it keeps the same book while it trades",
}  # fmt: skip
VOLUME, CLOCK = "volume-feed change", "clock skew"
MAX_PARTIAL_BARS = 240  # bars in which a part of the universe trades again, though less than half: the incident of the whole of it is over
MAX_LEARNING_BARS = 10 * volume_level.LEARNED_BARS  # bars of time after which a change of volume is over even where it could not be measured
SECOND = 1e9  # ns
Told = tuple[Incident, ...]


def initial_incident_state(symbols: int) -> IncidentState:
    """Before the first bar."""
    return IncidentState(
        0,
        trading_calendar.initial_calendar(),
        staleness.initial_runs(symbols),
        volume_level.initial_volume_level(symbols),
        (),
        (),
        faults.no_faults(symbols),
    )


def update_incidents(
    before: IncidentState, at: int, interval: int, symbols: tuple[str, ...], fresh: Bools, bar: Floats, events: Sequence[Event] = (),
    books: Books | None = None,
) -> IncidentState:  # fmt: skip
    """What is known of faults after the bar (5, S: open, high, low, close, volume) that closes `at` ns, and the books at its close.

    `fresh` marks the symbols that traded.
    """
    opens = at - interval
    traded = int(np.count_nonzero(fresh)) / len(symbols)
    calendar = trading_calendar.update_calendar(before.calendar, before.at, at, interval, traded)
    lone = _lone(before, symbols)
    everywhere = any(one.symbol == EVERYWHERE and one.kind in WIDE.values() for one in before.open)
    begun = _jumped(before, opens, interval, lone) if before.at and opens > before.at and not everywhere else ()
    runs = before.staleness
    if calendar.session_open:
        book = staleness.initial_runs(len(symbols)).book_fingerprint if books is None else fingerprint_books(books)
        runs = staleness.update_runs(before.staleness, opens, fresh, bar, book, lone, everywhere=everywhere)
    ended: Told = ()
    if runs.any_run or before.open:
        begun += _begun(before, runs, opens, interval, symbols, lone) if calendar.session_open else ()
        ended = _ended(before, runs, opens, symbols, over=traded >= 0.5 or not calendar.session_open)
    volume, moved = volume_level.update_volume_level(before.volume_level, opens, interval, fresh, bar)
    begun += () if moved is None else _counted_anew(volume.since, moved)
    clock = _clock(before, opens, interval, events)
    ended += clock[1] + _learnt(before, volume.bars, at, interval)
    after = _told(IncidentState(at, calendar, runs, volume, before.open, (), before.faults), begun + clock[0], ended)
    off = tuple(one for one in clock[0] if one.until is not None)  # of this bar alone
    now = faults.find_faults(after.open + off, runs if calendar.session_open else None, at, interval, symbols)
    return after if now is before.faults else replace(after, faults=now)


def skip_bar(before: IncidentState) -> IncidentState:
    """Where a bar could not be looked at: what was open stays open, and nothing is known of the bar itself."""
    nothing = faults.no_faults(len(before.faults.kind))
    return replace(before, changes=(), faults=replace(before.faults, frozen_bar=nothing.frozen_bar, frozen_book=nothing.frozen_book))


def _told(after: IncidentState, begun: Told, ended: Told) -> IncidentState:
    if not begun and not ended:
        return after
    gone = {(one.kind, one.symbol, one.since) for one in ended}
    lasting = tuple(one for one in after.open if (one.kind, one.symbol, one.since) not in gone)
    return replace(after, open=lasting + tuple(one for one in begun if one.until is None), changes=begun + ended)


def _lone(before: IncidentState, symbols: tuple[str, ...]) -> Bools:
    """(S,) the symbols with a fault of their own."""
    out = np.zeros(len(symbols), dtype=np.bool_)
    for one in before.open:
        if one.symbol != EVERYWHERE and one.kind in LONE.values():
            out[faults.symbol_positions(symbols)[one.symbol]] = True
    return out


def _begun(before: IncidentState, runs: Staleness, opens: int, interval: int, symbols: tuple[str, ...], lone: Bools) -> Told:
    """The faults of the universe that show with this bar; where it has none, those of single symbols."""
    known = {(one.kind, one.symbol) for one in before.open}
    told: Told = ()
    for way, kind in WIDE.items():
        if (kind, EVERYWHERE) not in known and staleness.is_universe_stale(way, runs, lone):
            run = int(runs.universe_run_bars[way])
            longest = int(runs.universe_longest[way])
            detail = f"all {len(symbols)} symbols {WORDS[way]}: {run} bars in a row when told, never more than {longest} before"
            told += (Incident(kind, EVERYWHERE, opens - (run - 1) * interval, None, detail),)
    wide = told or any((kind, EVERYWHERE) in known for kind in WIDE.values())
    if wide or len(symbols) == 1 or bool(runs.universe_run_bars.any()):
        return told
    for way, index in np.argwhere(staleness.find_stale_symbols(runs)).tolist():
        if (LONE[way], symbols[index]) not in known:
            run, longest = int(runs.run_bars[way, index]), int(runs.longest[way, index])
            detail = f"{LONE_WORDS[way]}: {run} bars in a row when told, never more than {longest} before"
            told += (Incident(LONE[way], symbols[index], int(runs.run_since[way, index]), None, detail),)
    return told


def _ended(before: IncidentState, runs: Staleness, opens: int, symbols: tuple[str, ...], *, over: bool) -> Told:
    """The faults that this bar is free of; `over` when half of the universe trades again, or its session is closed.

    What is left of a fault of the universe when a smaller part has traded for long is that of single symbols.
    """
    told: Told = ()
    for one in before.open:
        way = next((way for way, kind in (WIDE if one.symbol == EVERYWHERE else LONE).items() if kind == one.kind), None)
        if way is None:
            continue
        if one.symbol == EVERYWHERE:
            gone = over or runs.bars_since_partial_trading >= MAX_PARTIAL_BARS if way in {ABSENT, EMPTY} else not runs.universe_run_bars[way]
        else:
            gone = not runs.run_bars[way, faults.symbol_positions(symbols)[one.symbol]]
        if gone:
            told += (replace(one, until=opens),)
    return told


def _jumped(before: IncidentState, opens: int, interval: int, lone: Bools) -> Told:
    """A gap that is over when it is told: the feed was silent, and time has jumped, while the session should have gone on."""
    missing = (opens - before.at) // interval
    known, calendar = before.calendar.traded, before.calendar
    early = before.at % trading_calendar.HALF_HOUR == 0 and trading_calendar.has_closed_hours(known)
    if (
        early
        or not calendar.session_open
        or not trading_calendar.is_expected_open(known, before.at // trading_calendar.HALF_HOUR % trading_calendar.HALF_HOURS_PER_WEEK)
    ):
        return ()
    if not staleness.is_universe_stale(ABSENT, before.staleness, lone, missing):
        return ()
    detail = f"nothing came for {missing} bars of {interval / SECOND:g} s while the market should have been open"
    return (Incident("gap", EVERYWHERE, before.at, opens, detail),)


def _counted_anew(since: int, moved: Floats) -> Told:
    known = moved[np.isfinite(moved)]
    times = np.exp(np.abs(known))
    way = "up" if float(np.median(known)) > 0 else "down"
    detail = (
        f"volume is {way} {float(np.median(times)):.1f} times ({float(times.min()):.1f} to {float(times.max()):.1f}) beside the range that prices"
        f" travel, in {len(known)} of {len(moved)} symbols together"
    )
    return (Incident(VOLUME, EVERYWHERE, since, None, detail),)


def _learnt(before: IncidentState, bars: int, at: int, interval: int) -> Told:
    """The change of volume that has become the normal one, or that could not be measured for long."""
    known = bars >= volume_level.LEARNED_BARS
    return tuple(replace(one, until=at) for one in before.open if one.kind == VOLUME and (known or at - one.since > MAX_LEARNING_BARS * interval))


def _clock(before: IncidentState, opens: int, interval: int, events: Sequence[Event]) -> tuple[Told, Told]:
    """Bars that close off the clock, and clocks that the feed says differ (event clock_skew: seconds, 0 when they agree again)."""
    begun, ended = (), ()  # type: tuple[Told, Told]
    off = (opens - before.at) % interval
    if before.at and off:
        begun = (Incident(CLOCK, EVERYWHERE, opens, opens, f"this bar closes {off / SECOND:g} s off the clock of {interval / SECOND:g} s"),)
    for event in events:
        if event.kind != "clock_skew":
            continue
        lasting = tuple(one for one in (*before.open, *begun) if (one.kind, one.symbol) == (CLOCK, event.subject) and one.until is None)
        if float(event.detail) and not lasting:
            begun += (Incident(CLOCK, event.subject, opens, None, f"the clock of what is recorded differs from the venue's by {event.detail} s"),)
        elif not float(event.detail):
            ended += tuple(replace(one, until=opens) for one in lasting)
    return begun, ended
