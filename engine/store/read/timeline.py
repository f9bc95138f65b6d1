"""Events along the equity chart, and comparisons of model versions. The result is bounded however long the session is."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import pandas as pd
from sqlalchemy import RowMapping

from engine.domain.evidence import Agreement
from engine.domain.optimization import describe_trial
from engine.domain.trading_config import Event
from engine.evidence import succession
from engine.store.read.portfolio import read_equity
from engine.store.read.reader import Reader, fetch_all, fetch_scalar

TIMELINE_KINDS = ("acted", "retrained", "incident", "optimized")
# One index look-up per point of the chart: the index of decisions that acted has the condition "action <> 'hold'".
_ACTED = """
    SELECT (SELECT d.tick FROM decisions d WHERE d.action <> 'hold' AND d.tick > json_extract(p.value, '$[0]')
            AND d.tick <= json_extract(p.value, '$[1]') ORDER BY d.tick LIMIT 1) AS tick FROM json_each(:spans) p"""
_RETRAINED = """
    SELECT serves_from, count(*) AS n FROM (SELECT serves_from FROM artifacts ORDER BY id DESC LIMIT 400)
    WHERE serves_from BETWEEN :first AND :last GROUP BY serves_from ORDER BY serves_from"""
_COMPARED = f"SELECT events FROM ticks WHERE tick >= :start AND tick < :until AND events LIKE '%{succession.EVENT_KIND}%' ORDER BY tick LIMIT 1"
_LATE = 24  # ticks after the due one in which versions may have begun to serve
_RUNS = "SELECT at, action, verdict, mode FROM (SELECT * FROM trials ORDER BY id DESC LIMIT 2000) WHERE placebo = 0 ORDER BY at DESC LIMIT 200"


def read_timeline(reader: Reader) -> pd.DataFrame:
    """Events along the equity chart: kind (of TIMELINE_KINDS), at (ns, market time), detail; oldest first.

    "acted" marks each point of the chart at which anything was bought or sold since the previous point.
    """
    line = reader.once(read_equity)
    if line.empty:
        return pd.DataFrame(columns=["kind", "at", "detail"]).astype({"at": "int64"})
    ticks, times, walls = (line[name].to_numpy() for name in ("tick", "at", "wall"))
    points = line["tick"].tolist()
    spans = json.dumps([[before, tick] for before, tick in zip([points[0] - 1, *points[:-1]], points, strict=True)])
    with reader.reading() as connection:
        acted = fetch_all(connection, _ACTED, spans=spans)
        retrained = fetch_all(connection, _RETRAINED, first=points[0], last=points[-1])
        incidents = fetch_all(connection, "SELECT since, kind, symbol FROM incidents ORDER BY id DESC LIMIT 200")
        runs = fetch_all(connection, _RUNS)
    by_tick = [("acted", int(row["tick"]), "bought or sold") for row in acted if row["tick"] is not None]
    by_tick += [("retrained", int(row["serves_from"]), f"{row['n']} models begin to serve") for row in retrained]
    places = np.minimum(np.searchsorted(ticks, [tick for _, tick, _ in by_tick]), len(ticks) - 1)
    events = [(kind, at, detail) for (kind, _, detail), at in zip(by_tick, times[places].tolist(), strict=True)]
    events += [("incident", int(row["since"]), describe_incident(row)) for row in incidents if times[0] <= row["since"] <= times[-1]]
    for run, place in zip(runs, np.searchsorted(walls, [run["at"] for run in runs]).tolist(), strict=True):
        if 0 < place < len(walls):
            events.append(("optimized", int(times[place]), describe_trial(run["action"], run["verdict"], run["mode"])))
    return event_frame(events)


def describe_incident(row: RowMapping) -> str:
    """An incident by its kind and symbol, in words."""
    return f"{row['kind'].replace('_', ' ')} {'everywhere' if row['symbol'] == '*' else row['symbol']}"


def event_frame(events: list[tuple[str, int, str]]) -> pd.DataFrame:
    """Events as a frame: kind, at, detail; oldest first."""
    kinds, times, details = zip(*sorted(events, key=lambda event: event[1]), strict=True) if events else ((), (), ())
    return pd.DataFrame({"kind": list(kinds), "at": np.array(times, dtype=np.int64), "detail": list(details)})


def read_agreements(reader: Reader, starts: Iterable[int]) -> dict[int, Agreement]:
    """Agreement with earlier versions of the versions due to serve from these ticks; versions that were not compared are left out."""
    with reader.reading() as connection:
        texts = {start: fetch_scalar(connection, _COMPARED, start=start, until=start + _LATE) for start in starts}
    events = {start: [Event(*event) for event in json.loads(text)] for start, text in texts.items() if text is not None}
    return {
        start: succession.agreement_from_event(event) for start, listed in events.items() for event in listed if event.kind == succession.EVENT_KIND
    }


def read_inherited_share(reader: Reader) -> float | None:
    """Share of the proven size that the serving versions may use at the newest tick; None where no size is proven."""
    sql = "SELECT limits FROM decisions WHERE tick = (SELECT max(tick) FROM ticks) AND limits IS NOT NULL"
    with reader.reading() as connection:
        names = fetch_scalar(connection, "SELECT limits FROM sessions ORDER BY id DESC LIMIT 1")
        sizes = [json.loads(row["limits"]) for row in fetch_all(connection, sql)]
    limits = json.loads(names) if names else []
    if "new version" not in limits:
        return None
    after = limits.index("new version") + 1
    before, left = (sum(abs(size[place] or 0.0) for size in sizes) for place in (after - 1, after))
    return left / before if before > 0.0 else None
