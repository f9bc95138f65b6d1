"""The streams of a live market, and how old the inputs of its ticks were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import orjson
import pandas as pd

from engine.store.read.reader import Reader, fetch_all

TIMED_TICKS = 300  # the newest ticks whose inputs are shown


@dataclass(frozen=True, slots=True)
class TickDelay:
    """How old the inputs of a live tick were; ms, None where unknown."""

    tick: int
    at: int  # ns UTC, the bar's close by the exchange's clock
    trade_age: float | None  # of the symbol whose newest trade was the oldest
    book_age: float | None
    decision_delay: float | None  # from the bar's close to the decision, both by the exchange's clock


def read_streams(reader: Reader) -> pd.DataFrame:
    """The rows of v_streams, by symbol and stream."""
    return reader.frame("SELECT * FROM v_streams ORDER BY symbol, stream")


def read_tick_delays(reader: Reader) -> tuple[TickDelay, ...]:
    """The newest live ticks whose inputs have times, oldest first."""
    with reader.reading() as connection:
        rows = fetch_all(
            connection,
            "SELECT tick, at, wall, read_at, clock_offset, input_ages FROM (SELECT * FROM ticks ORDER BY tick DESC LIMIT :ticks) "
            "WHERE read_at IS NOT NULL ORDER BY tick",
            ticks=TIMED_TICKS,
        )
    delays = []
    for row in rows:
        trades, books = (_oldest(ages) for ages in orjson.loads(row["input_ages"]))
        delays.append(
            TickDelay(int(row["tick"]), int(row["at"]), trades, books, (int(row["wall"]) + int(row["clock_offset"]) - int(row["at"])) / 1e6)
        )
    return tuple(delays)


def _oldest(ages: list[float | None]) -> float | None:
    known = np.array([age for age in ages if age is not None])
    return float(known.max()) if len(known) else None
