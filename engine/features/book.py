"""The order book at the decision and the flow of orders in the bars before it; NaN where the feed has neither."""

from __future__ import annotations

import numpy as np

from engine.domain.market import View
from engine.domain.model import Family
from engine.domain.record import Floats

COLUMNS = (
    "imbalance_best",
    "imbalance_levels",
    "micro_offset",
    "spread_ratio_48",
    "ofi_last",
    "ofi_12",
    "signed_last",
    "signed_12",
    "trades_ratio_48",
)


def build(view: View) -> Floats:
    """Imbalance of sizes, offset of the micro-price in volatilities, order-flow imbalance over depth, signed volume over volume."""
    values = np.full((len(view.sigma), len(COLUMNS)), np.nan)
    if view.books.bid_price.shape[1]:
        values[:, :3] = _book(view)
    if view.flow.signed_volume.shape[1]:
        values[:, 3:] = _flow(view)
    return np.where(np.isfinite(values), values, np.nan)


def _book(view: View) -> Floats:
    books = view.books
    bid, ask = books.bid_size, books.ask_size
    best = (bid[:, 0] - ask[:, 0]) / (bid[:, 0] + ask[:, 0])
    levels = (bid.sum(axis=1) - ask.sum(axis=1)) / (bid.sum(axis=1) + ask.sum(axis=1))
    micro = (books.bid_price[:, 0] * ask[:, 0] + books.ask_price[:, 0] * bid[:, 0]) / (bid[:, 0] + ask[:, 0])
    offset = (micro / ((books.bid_price[:, 0] + books.ask_price[:, 0]) / 2.0) - 1.0) / view.sigma
    return np.stack((best, levels, offset), axis=1)


def _flow(view: View) -> Floats:
    flow = view.flow
    late = slice(-48, None)
    spread = flow.spread[:, -1] / _mean(flow.spread[:, late])
    depth = _mean(flow.depth[:, late])
    ofi = flow.ofi[:, -12:, 0] / depth[:, None] if flow.ofi.shape[2] else np.full((len(depth), 12), np.nan)
    signed = flow.signed_volume[:, -12:]
    volume = np.where(view.volume[:, -12:] > 0, view.volume[:, -12:], np.nan)
    trades = flow.trades[:, -1] / _mean(flow.trades[:, late])
    pressed = _total(signed) / _total(volume)
    return np.stack((spread, ofi[:, -1], _total(ofi), signed[:, -1] / volume[:, -1], pressed, np.log(trades + 0.05)), axis=1)


def _mean(values: Floats) -> Floats:
    known = np.isfinite(values)
    return np.asarray(np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def _total(values: Floats) -> Floats:
    return np.asarray(np.where(np.isfinite(values), values, 0.0).sum(axis=1))


FAMILY = Family("book", COLUMNS, build, may_be_blank=True)
