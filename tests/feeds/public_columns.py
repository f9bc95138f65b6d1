"""Everything visible of a market with books and flow at a bar's close, as columns from which one may try to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import lightgbm
import numpy as np
from numpy.typing import NDArray

from engine.domain.market import MarketSnapshot
from engine.domain.record import Floats

Singles = NDArray[np.float32]
Learner = Callable[[Singles, Floats, Singles], Floats]  # known columns (n, F), their targets (n,), columns asked (m, F) -> forecasts (m,)
BATCH = 2000  # bars stacked at once
LAGS = 8
FIELDS = ("open", "high", "low", "close", "volume")


def gather(slices: Iterator[MarketSnapshot]) -> dict[str, Floats]:
    """(T, S) or (T, S, D): the fields of the slices, the books taken apart."""
    parts: list[dict[str, Floats]] = []
    while batch := list(islice(slices, BATCH)):
        arrays = {name: np.stack([getattr(bar, name) for bar in batch]) for name in (*FIELDS, "ofi", "flow")}
        for name in ("bid_price", "bid_size", "ask_price", "ask_size"):
            arrays[name] = np.stack([getattr(bar.books, name) for bar in batch])
        parts.append(arrays)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def mids(arrays: dict[str, Floats]) -> Floats:
    """(T, S) log of the mid at each close."""
    return np.asarray(np.log(0.5 * (arrays["bid_price"][:, :, 0] + arrays["ask_price"][:, :, 0])))


def columns(arrays: dict[str, Floats]) -> Singles:
    """(T, S, F), without a look ahead."""
    mid = mids(arrays)
    returns = np.diff(mid, axis=0, prepend=mid[:1])
    signed, trades, vwap, spread, depth = np.moveaxis(arrays["flow"], 2, 0)
    bid, ask = arrays["bid_size"], arrays["ask_size"]
    share, flow = signed / arrays["volume"], arrays["ofi"] / depth[:, :, None]
    span = np.maximum(arrays["high"] - arrays["low"], 1e-12)
    sigma = np.sqrt(trailing(returns**2, 60) + 1e-12)
    money = np.log(arrays["volume"] * arrays["close"])
    market = np.broadcast_to(returns.mean(axis=1, keepdims=True), returns.shape)
    pressure = np.broadcast_to(flow[:, :, 0].mean(axis=1, keepdims=True), returns.shape)
    micro = (arrays["bid_price"] * ask + arrays["ask_price"] * bid)[:, :, 0] / (bid + ask)[:, :, 0]
    bar = [
        *(before(returns / sigma, lag) for lag in range(LAGS)),
        *(trailing(returns / sigma, length) for length in (3, 12, 48, 240)),
        *(before(market, lag) for lag in range(3)), trailing(market, 12), before(returns[:, :1] + 0.0 * returns, 1),
        (arrays["close"] - arrays["low"]) / span, np.log(arrays["high"] / arrays["low"]) / sigma, np.log(arrays["close"] / arrays["open"]) / sigma,
        np.log(vwap) - mid, np.log(arrays["close"]) - mid, np.log(micro) - mid, sigma, money - trailing(money, 48),
        *(before(share, lag) for lag in range(3)), trailing(share, 12), np.log(trades), spread / arrays["close"], np.log(depth * arrays["close"]),
        *(flow[:, :, level] for level in range(flow.shape[2])), before(flow[:, :, 0], 1), trailing(flow[:, :, 0], 12), pressure,
        *((bid - ask)[:, :, level] / (bid + ask)[:, :, level] for level in range(bid.shape[2])),
        *(np.log(arrays[name][:, :, -1]) - mid for name in ("bid_price", "ask_price")),
        *(np.log(side.sum(axis=2) * arrays["close"]) for side in (bid, ask)),
    ]  # fmt: skip
    return np.stack([part.astype(np.float32) for part in bar], axis=2)


def before(values: Floats, lag: int) -> Floats:
    return np.concatenate([np.zeros_like(values[:lag]), values[: len(values) - lag]])


def trailing(values: Floats, length: int) -> Floats:
    """Mean of the last `length` rows, of those there are at the start."""
    sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    count = np.minimum(np.arange(1, len(values) + 1), length)
    return np.asarray((sums[1:] - sums[np.arange(1, len(values) + 1) - count]) / count[:, None])


def ahead(mid: Floats, horizon: int) -> Floats:
    """(T - horizon, S) log return of the mid over the bars that follow."""
    return np.asarray(mid[horizon:] - mid[:-horizon])


def ridge(known: Singles, target: Floats, query: Singles) -> Floats:
    """Forecasts for `asked` (m, F) by a ridge fitted on `known` (n, F)."""
    centre, scale = known.mean(axis=0), known.std(axis=0) + 1e-12
    x = (known - centre) / scale
    weights = np.linalg.solve((x.T @ x).astype(np.float64) + 1000.0 * np.eye(x.shape[1]), (x.T @ target.astype(np.float32)).astype(np.float64))
    return np.asarray(((query - centre) / scale) @ weights)


def trees(known: Singles, target: Floats, query: Singles) -> Floats:
    """The same by boosted trees that learn slowly."""
    settings = {
        "objective": "regression", "num_leaves": 15, "learning_rate": 0.03, "min_data_in_leaf": 500, "feature_fraction": 0.5, "bagging_freq": 1,
        "bagging_fraction": 0.7, "max_bin": 63, "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": 1, "verbosity": -1,
    }  # fmt: skip
    booster = lightgbm.train(settings, lightgbm.Dataset(known, target), num_boost_round=100)
    return np.asarray(booster.predict(query), dtype=np.float64)
