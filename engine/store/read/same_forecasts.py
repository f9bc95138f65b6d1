"""Skill of the same forecasts by the outcomes that a reader knows: the newest forecasts up to its tick, whenever they are scored."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import orjson
from sqlalchemy import Connection

from engine.evidence import skill
from engine.store.read.past import choose_outcomes
from engine.store.read.reader import Reader, fetch_all, fetch_first
from engine.store.read.status import read_session

MOST_FORECASTS = 3_000  # decisions read at most
_LAST = "SELECT tick, session FROM ticks ORDER BY tick DESC LIMIT 1"
_FORECASTS = """
    SELECT tick, symbol, log_price, forecast, json_extract(votes, '$.trust') AS trust FROM decisions
    WHERE tick > :first AND session = :session AND fresh = 1 AND log_price IS NOT NULL ORDER BY tick, symbol"""
_OUTCOMES = "SELECT tick, symbol, log_price FROM {} WHERE tick > :first AND tick <= :last AND session = :session AND fresh = 1"


_Forecast = tuple[int, str, float, dict[str, list[float | None]], list[list[float | None]]]  # tick, symbol, log price, forecast, trust by model


@dataclass(frozen=True, slots=True)
class ScoredHorizon:
    """R2 of the ensemble's newest forecasts at a horizon (bars) with its 95 % interval; None with fewer than 15 blocks of outcomes."""

    horizon: int
    r2: float | None
    low: float | None
    high: float | None
    n: int  # outcomes


def read_same_forecasts(reader: Reader) -> tuple[ScoredHorizon, ...]:
    """Score the newest forecasts, at most 3,000 decisions, by horizon; () before the first tick."""
    with reader.reading() as connection:
        last = fetch_first(connection, _LAST)
        session = None if last is None else read_session(connection, int(last["session"]))
        if last is None or session is None:
            return ()
        newest, number = int(last["tick"]), session.id
        first = newest - MOST_FORECASTS // max(1, len(session.symbols))
        made = [
            (int(row["tick"]), str(row["symbol"]), float(row["log_price"]), orjson.loads(row["forecast"]), orjson.loads(row["trust"]))
            for row in fetch_all(connection, _FORECASTS, first=first, session=number)
        ]
        prices = _read_prices(connection, first, newest + max(session.horizons, default=0), number)
    return tuple(_score(made, prices, place, session.horizons) for place in range(len(session.horizons)))


def _read_prices(connection: Connection, first: int, last: int, session: int) -> dict[tuple[int, str], float]:
    rows = fetch_all(connection, _OUTCOMES.format(choose_outcomes(connection)), first=first, last=last, session=session)
    return {(int(row["tick"]), str(row["symbol"])): float(row["log_price"]) for row in rows if row["log_price"] is not None}


def _score(made: list[_Forecast], prices: dict[tuple[int, str], float], place: int,
           horizons: tuple[int, ...]) -> ScoredHorizon:  # fmt: skip
    """Score the forecasts at one horizon, in volatilities of that horizon, tick by tick as they fall due."""
    horizon, due = horizons[place], defaultdict(list)
    for tick, symbol, before, forecast, trust in made:
        mean, scale, after = forecast["mean"][place], forecast["scale"][place], prices.get((tick + horizon, symbol))
        counts = any((of_model[place] or 0.0) > 0.0 for of_model in trust)  # as in phase 12: a forecast that some model stands for
        if counts and mean is not None and scale and after is not None:
            due[tick + horizon].append((mean, (after - before) / scale))
    total, rows = skill.empty_skill(1, 1, 1), 0
    for tick in range(min(due, default=0), max(due, default=-1) + 1):
        stated, target = np.array(due.get(tick, []), dtype=float).reshape(-1, 2).T
        gains = target**2 - (target - stated) ** 2
        sums = np.array([gains.sum(), (gains**2).sum(), (target**2).sum(), len(gains)]).reshape(4, 1, 1, 1)
        total, rows = skill.add_scores(total, sums, skill.block_ends(tick, (horizon,))), rows + len(gains)
    r2, half_width, _ = (float(value.item()) for value in skill.confidence_interval(total))
    if not np.isfinite(r2) or not np.isfinite(half_width):
        return ScoredHorizon(horizon, None, None, None, rows)
    return ScoredHorizon(horizon, r2, r2 - half_width, r2 + half_width, rows)
