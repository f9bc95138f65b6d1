"""What happened along the line of equity, as marks for its time axis, and how versions compared: bounded, however long the session."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import pandas as pd

from engine.domain.optimization import describe_trial
from engine.domain.succession import Agreement
from engine.domain.trading_config import Event
from engine.evidence import succession
from engine.store.read.decisions import read_equity
from engine.store.read.reader import Reader, fetch_all, fetch_first

TIMELINE_KINDS = ("acted", "retrained", "incident", "optimized")
# One look into an index for each point of the line: "action <> 'hold'" is what the index of decisions acted on is made by.
_ACTED = """
    SELECT (SELECT d.tick FROM decisions d WHERE d.action <> 'hold' AND d.tick > json_extract(p.value, '$[0]')
            AND d.tick <= json_extract(p.value, '$[1]') ORDER BY d.tick LIMIT 1) FROM json_each(:spans) p"""
_RETRAINED = """
    SELECT serves_from, count(*) FROM (SELECT serves_from FROM artifacts ORDER BY id DESC LIMIT 400)
    WHERE serves_from BETWEEN :first AND :last GROUP BY serves_from ORDER BY serves_from"""
_COMPARED = f"SELECT events FROM ticks WHERE tick >= :start AND tick < :until AND events LIKE '%{succession.EVENT_KIND}%' ORDER BY tick LIMIT 1"
_LATE = 24  # ticks after the one they are due at, in which versions are looked for that began to serve
_RUNS = "SELECT at, action, verdict, mode FROM (SELECT * FROM trials ORDER BY id DESC LIMIT 2000) WHERE placebo = 0 ORDER BY at DESC LIMIT 200"


def read_timeline(reader: Reader) -> pd.DataFrame:
    """What happened along the line of equity: kind (of KINDS), at (ns, market time), detail; oldest first.

    "acted" is one mark for each of the line's points at which anything was bought or sold since the point before.
    """
    line = read_equity(reader)
    if line.empty:
        return pd.DataFrame(columns=["kind", "at", "detail"]).astype({"at": "int64"})
    ends = {"first": int(line["tick"].iloc[0]), "last": int(line["tick"].iloc[-1])}
    points = line["tick"].tolist()
    spans = json.dumps([[before, tick] for before, tick in zip([points[0] - 1, *points[:-1]], points, strict=True)])
    with reader.reading() as connection:
        found = [("acted", int(tick), "bought or sold") for tick, *_ in fetch_all(connection, _ACTED, spans=spans) if tick is not None]
        found += [("retrained", int(tick), f"{n} models begin to serve") for tick, n in fetch_all(connection, _RETRAINED, **ends)]
        faults = fetch_all(connection, "SELECT since, kind, symbol FROM incidents ORDER BY id DESC LIMIT 200")
        runs = fetch_all(connection, _RUNS)
    ticks, times, walls = (line[name].to_numpy() for name in ("tick", "at", "wall"))
    told = [(kind, int(times[min(int(np.searchsorted(ticks, tick)), len(ticks) - 1)]), detail) for kind, tick, detail in found]
    told += [
        ("incident", int(since), f"{kind.replace('_', ' ')} {'everywhere' if symbol == '*' else symbol}")
        for since, kind, symbol in faults
        if times[0] <= since <= times[-1]
    ]
    for wall, action, verdict, mode in runs:
        place = int(np.searchsorted(walls, wall))
        if 0 < place < len(walls):
            told.append(("optimized", int(times[place]), describe_trial(action, verdict, mode)))
    return pd.DataFrame(told, columns=["kind", "at", "detail"]).astype({"at": "int64"}).sort_values("at", kind="stable").reset_index(drop=True)


def read_agreements(reader: Reader, starts: Iterable[int]) -> dict[int, Agreement]:
    """How far the versions that were to serve from these ticks agree with earlier ones; those that were not compared are left out."""
    with reader.reading() as connection:
        found = {start: fetch_first(connection, _COMPARED, start=start, until=start + _LATE) for start in starts}
    events = {start: [Event(*event) for event in json.loads(row[0])] for start, row in found.items() if row is not None}
    return {start: succession.agreement_from_event(event) for start, told in events.items() for event in told if event.kind == succession.EVENT_KIND}


def read_inherited_share(reader: Reader) -> float | None:
    """Share of the proven size that the serving versions may use at the newest tick; None where no size is proven."""
    sql = "SELECT limits FROM decisions WHERE tick = (SELECT max(tick) FROM ticks) AND limits IS NOT NULL"
    with reader.reading() as connection:
        named = fetch_first(connection, "SELECT limits FROM sessions ORDER BY id DESC LIMIT 1")
        sizes = [json.loads(text) for (text,) in fetch_all(connection, sql)]
    limits = json.loads(named[0]) if named is not None and named[0] else []
    if "new version" not in limits:
        return None
    after = limits.index("new version") + 1
    before, left = (sum(abs(size[place] or 0.0) for size in sizes) for place in (after - 1, after))
    return left / before if before > 0.0 else None
