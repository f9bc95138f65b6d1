"""Faults of the data, told bar by bar from what the feed hands over: a halt, a gap, a stale or filled bar, a clock, another way of counting volume.

A fault of the venue is decided across the universe, against how often its symbols are quiet by themselves; a thin symbol's quiet bars are none, and
neither is a market that is closed. A fault of one symbol must last three times as long as it was ever quiet before. Nothing here looks at prices to
call them strange: that the market has become another is drift, and told elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.domain.control import Event
from engine.domain.incidents import EVERYWHERE, Incident, Quiet, Watch
from engine.domain.record import Bools, Floats
from engine.evidence import quiet, sessions, volume_level
from engine.evidence.quiet import ABSENT, EMPTY, REPEATED

WIDE = {ABSENT: "gap", EMPTY: "halt", REPEATED: "stale"}  # what being quiet is called where it is the universe's
LONE = {ABSENT: "gap", EMPTY: "flat-filled", REPEATED: "stale"}  # and where it is one symbol's
WORDS = {ABSENT: "have no bar", EMPTY: "have bars without volume", REPEATED: "repeat their last bar exactly"}
VOLUME, CLOCK = "volume-feed change", "clock skew"
SECOND = 1e9  # ns
Told = tuple[Incident, ...]


def blank(symbols: int) -> Watch:
    """Before the first bar."""
    return Watch(0, sessions.blank(), quiet.blank(symbols), volume_level.blank(symbols), (), ())


def step(before: Watch, at: int, interval: int, symbols: tuple[str, ...], fresh: Bools, bar: Floats, events: Sequence[Event] = ()) -> Watch:
    """What is known of faults after the bar (5, S: open, high, low, close, volume) that closes `at` ns; `fresh` marks the symbols that traded."""
    opens = at - interval
    traded = int(np.count_nonzero(fresh)) / len(symbols)
    calendar = sessions.step(before.calendar, before.at, at, interval, traded)
    lone = _lone(before, symbols)
    everywhere = any(one.symbol == EVERYWHERE and one.kind in WIDE.values() for one in before.open)
    begun = _jumped(before, opens, interval, lone) if before.at and opens > before.at and not everywhere else ()
    runs = quiet.step(before.quiet, opens, fresh, bar, lone, everywhere=everywhere) if calendar.opened else before.quiet
    ended: Told = ()
    if runs.under_way or before.open:
        begun += _begun(before, runs, opens, interval, symbols, lone) if calendar.opened else ()
        ended = _ended(before, runs, opens, symbols, over=traded >= 0.5 or not calendar.opened)
    volume, moved = volume_level.step(before.volume, opens, interval, fresh, bar)
    begun += () if moved is None else _counted_anew(volume.since, moved)
    clock = _clock(before, opens, interval, events)
    after = Watch(at, calendar, runs, volume, before.open, ())
    return _told(after, begun + clock[0], ended + clock[1] + _learnt(before, volume.bars, at))


def _told(after: Watch, begun: Told, ended: Told) -> Watch:
    if not begun and not ended:
        return after
    gone = {(one.kind, one.symbol, one.since) for one in ended}
    lasting = tuple(one for one in after.open if (one.kind, one.symbol, one.since) not in gone)
    return replace(after, open=lasting + tuple(one for one in begun if one.until is None), news=begun + ended)


def _lone(before: Watch, symbols: tuple[str, ...]) -> Bools:
    """(S,) the symbols with a fault of their own."""
    out = np.zeros(len(symbols), dtype=np.bool_)
    for one in before.open:
        if one.symbol != EVERYWHERE and one.kind in LONE.values():
            out[symbols.index(one.symbol)] = True
    return out


def _begun(before: Watch, runs: Quiet, opens: int, interval: int, symbols: tuple[str, ...], lone: Bools) -> Told:
    """The faults of the universe that show with this bar; where it has none, those of single symbols."""
    known = {(one.kind, one.symbol) for one in before.open}
    told: Told = ()
    for way, kind in WIDE.items():
        if (kind, EVERYWHERE) not in known and quiet.universe_is(way, runs, lone):
            run = int(runs.shared[way])
            longest = int(runs.shared_longest[way])
            detail = f"all {len(symbols)} symbols {WORDS[way]}: {run} bars in a row when told, never more than {longest} before"
            told += (Incident(kind, EVERYWHERE, opens - (run - 1) * interval, None, detail),)
    wide = told or any((kind, EVERYWHERE) in known for kind in WIDE.values())
    if wide or len(symbols) == 1 or bool(runs.shared.any()):
        return told
    for way, index in np.argwhere(quiet.lone_symbols(runs)).tolist():
        if (LONE[way], symbols[index]) not in known:
            run, longest = int(runs.run[way, index]), int(runs.longest[way, index])
            detail = f"its bars {WORDS[way]}" if way != ABSENT else "it has no bar"
            detail += f" while others trade: {run} in a row when told, never more than {longest} before"
            told += (Incident(LONE[way], symbols[index], int(runs.began[way, index]), None, detail),)
    return told


def _ended(before: Watch, runs: Quiet, opens: int, symbols: tuple[str, ...], *, over: bool) -> Told:
    """The faults that this bar is free of; `over` when half of the universe trades again, or its session is closed."""
    told: Told = ()
    for one in before.open:
        if one.symbol == EVERYWHERE:
            gone = over if one.kind in {"gap", "halt"} else one.kind == "stale" and not runs.shared[REPEATED]
        else:
            way = next((way for way, kind in LONE.items() if kind == one.kind), None)
            gone = way is not None and not runs.run[way, symbols.index(one.symbol)]
        if gone:
            told += (replace(one, until=opens),)
    return told


def _jumped(before: Watch, opens: int, interval: int, lone: Bools) -> Told:
    """A gap that is over when it is told: the feed was silent, and time has jumped, while the session should have gone on."""
    missing = (opens - before.at) // interval
    known, calendar = before.calendar.traded, before.calendar
    early = before.at % sessions.HALF_HOUR == 0 and sessions.has_nights(known)
    if early or not calendar.opened or not sessions.expected(known, before.at // sessions.HALF_HOUR % sessions.WEEK):
        return ()
    if not quiet.universe_is(ABSENT, before.quiet, lone, missing):
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


def _learnt(before: Watch, bars: int, at: int) -> Told:
    """The change of volume that has become the normal one."""
    if bars < volume_level.LEARNT:
        return ()
    return tuple(replace(one, until=at) for one in before.open if one.kind == VOLUME)


def _clock(before: Watch, opens: int, interval: int, events: Sequence[Event]) -> tuple[Told, Told]:
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
