"""Past decisions like a stored one, and what those came to."""

from __future__ import annotations

import math

import numpy as np
from sqlalchemy import RowMapping

from engine.domain.record import Floats, Ints
from engine.domain.story import SimilarDecision, SimilarDecisions
from engine.evidence.neighbours import MIN_BLOCK_TICKS, mean_by_blocks, pick_nearest, rank_distances, rank_of
from engine.store.read.reader import Reader
from engine.store.read.similar import ComparableDecisions, read_comparable_decisions

MOST_NEAR = 60


def find_similar_decisions(reader: Reader, tick: int, symbol: str) -> SimilarDecisions:
    """The past decisions nearest to this one in what decided it: edge over cost, agreement, confidence, volatility and regime.

    Volatility is compared with each symbol's own past. Outcomes are price moves over the decision's horizon in the direction of the forecast; the
    mean is after the round-trip cost. Raises NotStored where the decision is not stored.
    """
    known = read_comparable_decisions(reader, tick, symbol)
    if not known.target["edge_bps"] or not known.past:  # no forecast, so no direction
        return SimilarDecisions(tick, symbol, known.horizon, len(known.past), (), 0, 0, None, None, None, None)
    names = sorted({symbol, *(str(row["symbol"]) for row in known.past)})
    code_of = {name: code for code, name in enumerate(names)}
    symbols = np.array([code_of[row["symbol"]] for row in known.past], dtype=np.int64)
    ticks = np.array([row["tick"] for row in known.past], dtype=np.int64)
    distances = _distances(known, symbols, code_of[symbol])
    near = pick_nearest(distances, symbols, ticks, known.horizon, MOST_NEAR)
    rows = [known.past[place] for place in near.tolist()]
    moves = np.array([(row["outcome"] - row["log_price"]) * 1e4 * math.copysign(1.0, row["edge_bps"]) for row in rows])
    costs = np.array([_number(row["cost_bps"]) for row in rows])
    mean, low, high, blocks = mean_by_blocks(moves - costs, ticks[near], max(known.horizon, MIN_BLOCK_TICKS))
    nearest = tuple(
        SimilarDecision(row["tick"], row["symbol"], row["action"], float(distance), row["edge_bps"], float(move))
        for row, distance, move in zip(rows, distances[near], moves, strict=True)
    )
    hits = float((moves > 0).mean()) if len(moves) else None
    return SimilarDecisions(tick, symbol, known.horizon, len(known.past), nearest, len(near), blocks, mean, low, high, hits)


def _distances(known: ComparableDecisions, symbols: Ints, symbol: int) -> Floats:
    """(N,) distances of the past decisions from this one."""
    regimes = {name: code for code, name in enumerate(known.regimes)}
    codes = np.array([regimes.get(row["regime"], -1) for row in known.past], dtype=np.int64)
    sigma = np.array([_number(row["sigma_bps"]) for row in known.past])
    volatility = np.full(len(sigma), np.nan)
    for code in np.unique(symbols):
        own = symbols == code
        volatility[own] = rank_of(sigma[own], sigma[own])
    target_volatility = rank_of(np.array([_number(known.target["sigma_bps"])]), sigma[symbols == symbol])
    space = np.column_stack((np.array([_coordinates(row) for row in known.past]), volatility))
    target = np.concatenate((_coordinates(known.target), target_volatility))
    return rank_distances(space, target, ((codes, regimes.get(known.target["regime"], -1)),))


def _coordinates(row: RowMapping) -> tuple[float, float, float]:
    """Edge over cost, agreement and confidence; NaN where unknown."""
    cost = _number(row["cost_bps"])
    return abs(_number(row["edge_bps"])) / cost if cost > 0 else math.nan, _number(row["agreement"]), _number(row["confidence"])


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
