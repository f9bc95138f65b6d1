"""Which rows of a recording describe no market, why, and how many of them are too many."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.domain.record import Bools, Floats

MOST_FAULTY = 0.01  # share of a file's rows above which the file is refused: it is read wrongly, or it is not what it is taken for
_LOOSE = 1e-9  # relative slack before an open or close outside high..low is a fault and not rounding


def bar_faults(values: Floats) -> dict[str, Bools]:
    """(n,) by cause, of (5, n) open, high, low, close and volume; volume may be NaN where it is NaN in every row: unknown."""
    first_price, high, low, last_price, volume = values
    known = np.isfinite(values[:4]).all(axis=0)
    has_volume = bool((~np.isnan(volume)).any())
    with np.errstate(invalid="ignore"):
        wide = (high * (1.0 + _LOOSE) >= np.maximum(first_price, last_price)) & (low * (1.0 - _LOOSE) <= np.minimum(first_price, last_price))
        return {
            "a price that is missing or not finite": ~known,
            "a price of 0": known & (values[:4] <= 0.0).any(axis=0),
            "an open or close outside of low to high": known & ~wide,
            "a volume that is missing, infinite or below 0": has_volume & ~(np.isfinite(volume) & (volume >= 0.0)),
        }


def trade_faults(price: Floats, size: Floats) -> dict[str, Bools]:
    """(n,) by cause."""
    return {
        "a price that is missing, not finite or 0": ~(np.isfinite(price) & (price > 0.0)),
        "a size that is missing, not finite, 0 or below": ~(np.isfinite(size) & (size > 0.0)),
    }


def sound_rows(faults: Mapping[str, Bools]) -> Bools:
    """(n,) the rows without any fault."""
    return np.asarray(~np.logical_or.reduce(list(faults.values())))


def explain_refusal(faults: Mapping[str, Bools], counted: Bools) -> str | None:
    """Why so many of the `counted` rows are faulty that none of them is to be trusted; None where the share is small enough to leave them out."""
    faulty = ~sound_rows(faults) & counted
    count, rows = int(faulty.sum()), int(counted.sum())
    if count <= MOST_FAULTY * rows:
        return None
    cause, hit = max(faults.items(), key=lambda item: int((item[1] & counted).sum()))
    first = int(np.flatnonzero(hit & counted)[0]) + 1
    how_many = "no sound row" if count == rows else f"{count:,} faulty rows of {rows:,}, more than {MOST_FAULTY:.0%}"
    return f"has {how_many}: {int((hit & counted).sum()):,} have {cause}, the first is row {first:,}: correct them"


def explain_books(bid: Floats, bid_size: Floats, ask: Floats, ask_size: Floats) -> str | None:
    """Why the (n,) best levels of a file are no book's: a price below 0, or bids above asks in most rows; None where nothing is wrong with them."""
    with np.errstate(invalid="ignore"):
        negative = explain_negative(np.stack([np.where(bid_size > 0.0, bid, np.nan), np.where(ask_size > 0.0, ask, np.nan)]))
        crossed = int(((bid > ask) & (ask > 0.0)).sum())
    if negative is not None or 2 * crossed <= len(bid):
        return negative
    return f"has a best bid above its best ask in {crossed:,} of its {len(bid):,} rows: bid and ask may be exchanged, so correct its columns"


def explain_negative(prices: Floats) -> str | None:
    """Why (k, n) prices cannot be read where one of them is below 0; None where none is."""
    with np.errstate(invalid="ignore"):
        below = prices < 0.0
    rows = np.flatnonzero(below.any(axis=0))
    if not len(rows):
        return None
    first = int(rows[0])
    price = float(prices[below[:, first], first][0])
    return (
        f"has negative prices in {len(rows):,} of its {prices.shape[1]:,} rows, first {price:g} in row {first + 1:,}: "
        "log returns need positive prices, so leave this symbol out"
    )
