"""The outside bots of the newest session for the pages: bounded queries."""

from __future__ import annotations

import pandas as pd

from engine.store.read import live_ticks
from engine.store.read.reader import Reader, fetch_first

POINTS = 400  # of each line of a chart


def read_bots(reader: Reader) -> pd.DataFrame:
    """Every bot of the newest session in the order of their numbers (columns of v_bots)."""
    return reader.frame("SELECT * FROM v_bots WHERE session = (SELECT max(id) FROM sessions) ORDER BY state, number")


def read_bot_equity(reader: Reader, points: int = POINTS) -> pd.DataFrame:
    """Equity of every active bot, and of the engine, at evenly spaced ticks since the first of them began: tick, at, name, equity.

    The engine's rows have the name "".
    """
    with reader.reading() as connection:
        ends = fetch_first(
            connection,
            "SELECT min(p.tick) AS first, max(p.tick) AS last FROM bot_ticks p JOIN bots b ON b.id = p.bot "
            "WHERE b.session = (SELECT max(id) FROM sessions) AND b.state = 'active'",
        )
    if ends is None or ends["first"] is None:
        return pd.DataFrame({"tick": [], "at": [], "name": [], "equity": []})
    picked = ",".join(str(tick) for tick in live_ticks.spaced(int(ends["first"]), int(ends["last"]), points))
    return reader.frame(
        f"SELECT tick, at, '' AS name, equity FROM ticks WHERE tick IN ({picked}) UNION ALL "
        "SELECT p.tick, t.at, b.name, p.equity FROM bot_ticks p JOIN bots b ON b.id = p.bot JOIN ticks t ON t.tick = p.tick "
        f"WHERE p.tick IN ({picked}) AND b.session = (SELECT max(id) FROM sessions) AND b.state = 'active' ORDER BY name, tick"
    )
