"""Plays a recorded session as it was decided on, where its bars are not to be built differently."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.domain.market import BackfilledBars, MarketSnapshot
from engine.domain.record import Floats
from engine.feeds._bar_grid import Grid
from engine.feeds._recorded_session import read_bars_decided_on, read_header

_BARS = ("open", "high", "low", "close", "volume")
_SIDES = ("bid_price", "bid_size", "ask_price", "ask_size")


def load_decided_grid(
    path: Path, grid: Grid, folders: tuple[str, ...], since: int | None, until: int | None, latency_ms: float
) -> tuple[Grid, dict[int, BackfilledBars]] | None:
    """The bars of session.parquet in the place of those built from the files, and the past bars that some brought, by time of the snapshot.

    None where the recording has no such table, or the interval or the latency differ, so that bars or fills differ too. Raises BadRecording.
    """
    header = read_header(path)
    if header is None or header.interval != grid.interval or header.latency_ms != latency_ms or not set(folders) <= set(header.folders):
        return None
    by_close = {bar.snapshot.at: bar.snapshot for bar in read_bars_decided_on(path, header)}  # the last one of each time
    chosen = [by_close[at] for at in sorted(by_close) if (since is None or at - header.interval >= since) and (until is None or at <= until)]
    if not chosen:
        return None
    columns = [header.folders.index(name) for name in folders]
    bars = np.stack([_gather(chosen, name, columns) for name in _BARS])
    later = [np.full((len(columns), 4), np.nan) if bar.trades_after_arrival is None else bar.trades_after_arrival[columns] for bar in chosen]
    rates = [np.full(len(columns), np.nan) if bar.funding is None else bar.funding[columns] for bar in chosen]
    without_trades = all(bar.trades_after_arrival is None for bar in chosen)
    decided = replace(
        grid, at=np.array([bar.at for bar in chosen], dtype=np.int64), bars=bars, fresh=np.stack([bar.fresh[columns] for bar in chosen]),
        books=np.stack([np.stack([getattr(bar.books, side)[columns] for bar in chosen]) for side in _SIDES]),
        fill_books=np.stack([np.stack([getattr(bar.fill_books, side)[columns] for bar in chosen]) for side in _SIDES]),
        ofi=_gather(chosen, "ofi", columns), flow=_gather(chosen, "flow", columns),
        later=np.empty((len(chosen), len(columns), 0)) if without_trades else np.stack(later),
        funding=np.empty((len(chosen), 0)) if all(bar.funding is None for bar in chosen) else np.stack(rates),
    )  # fmt: skip
    filled = {bar.at: bar.backfilled for bar in chosen if bar.backfilled is not None}
    return decided, {at: BackfilledBars(bars.at, bars.values[:, :, columns]) for at, bars in filled.items()}


def _gather(bars: list[MarketSnapshot], name: str, columns: list[int]) -> Floats:
    """(K, S, ...) the field of every bar, of the chosen symbols."""
    return np.stack([getattr(bar, name)[columns] for bar in bars])
