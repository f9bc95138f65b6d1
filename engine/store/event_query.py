"""What happened along the line of equity, as marks for its time axis: bounded, however long the session."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from engine.domain.tuning import described
from engine.store.page_queries import equity
from engine.store.reader import Reader, told_all

KINDS = ("acted", "retrained", "incident", "optimized")
# One look into an index for each point of the line: "action <> 'hold'" is what the index of decisions acted on is made by.
_ACTED = """
    SELECT (SELECT d.tick FROM decisions d WHERE d.action <> 'hold' AND d.tick > json_extract(p.value, '$[0]')
            AND d.tick <= json_extract(p.value, '$[1]') ORDER BY d.tick LIMIT 1) FROM json_each(:spans) p"""
_RETRAINED = """
    SELECT serves_from, count(*) FROM (SELECT serves_from FROM artifacts ORDER BY id DESC LIMIT 400)
    WHERE serves_from BETWEEN :first AND :last GROUP BY serves_from ORDER BY serves_from"""
_RUNS = "SELECT at, action, verdict, mode FROM (SELECT * FROM trials ORDER BY id DESC LIMIT 2000) WHERE placebo = 0 ORDER BY at DESC LIMIT 200"


def marks(reader: Reader) -> pd.DataFrame:
    """What happened along the line of equity: kind (of KINDS), at (ns, market time), detail; oldest first.

    "acted" is one mark for each of the line's points at which anything was bought or sold since the point before.
    """
    line = equity(reader)
    if line.empty:
        return pd.DataFrame(columns=["kind", "at", "detail"]).astype({"at": "int64"})
    ends = {"first": int(line["tick"].iloc[0]), "last": int(line["tick"].iloc[-1])}
    points = line["tick"].tolist()
    spans = json.dumps([[before, tick] for before, tick in zip([points[0] - 1, *points[:-1]], points, strict=True)])
    with reader.reading() as connection:
        found = [("acted", int(tick), "bought or sold") for tick, *_ in told_all(connection, _ACTED, spans=spans) if tick is not None]
        found += [("retrained", int(tick), f"{n} models begin to serve") for tick, n in told_all(connection, _RETRAINED, **ends)]
        faults = told_all(connection, "SELECT since, kind, symbol FROM incidents ORDER BY id DESC LIMIT 200")
        runs = told_all(connection, _RUNS)
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
            told.append(("optimized", int(times[place]), described(action, verdict, mode)))
    return pd.DataFrame(told, columns=["kind", "at", "detail"]).astype({"at": "int64"}).sort_values("at", kind="stable").reset_index(drop=True)
