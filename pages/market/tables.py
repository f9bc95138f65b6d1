"""One symbol's market in words and rows: its tiles, its book, its forecasts' coverage, and how well the book is foreseen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from engine import units
from engine.domain.intents import classify_intent, phrase_gate
from engine.store.read.market import IntervalCoverage, MarketHistory, OrderBook
from pages.decisions import tables
from pages.ui import theme
from pages.ui.tables import Cell, Column, TableRow, render_table
from pages.ui.widgets import Tile

LEVELS = 10  # of a side shown
SKILL_COLUMNS = (Column(""), Column("R²", right=True), Column("95 % interval", right=True), Column("n", right=True))
SOURCES = {
    "setting": "the one set",
    "tick": "one tick, the smallest that can be quoted",
    "Abdi-Ranaldo 2017": "estimated from the ranges of bars (Abdi and Ranaldo 2017)",
}
MEASURES = {"micro_price": "micro-price", "cost_10k": "cost of 10k", "cost_100k": "cost of 100k"}
_LADDER = (
    Column("Price", right=True),
    Column("Size", right=True),
    Column("", full_width=True),
    Column("Money so far", right=True),
    Column("From mid, bps", right=True),
)


def build_market_tiles(told: MarketHistory, shown: int) -> list[Tile]:
    bars = told.bars.tail(shown)
    last = bars.iloc[-1]
    closes = bars["close"].dropna()
    moved = float(closes.iloc[-1] / closes.iloc[0] - 1) if len(closes) > 1 else None
    regime = str(last["regime"]) if isinstance(last["regime"], str) else units.MISSING
    chance = float(last[f"regime {regime}"]) if f"regime {regime}" in bars else None
    position = None if not units.is_known(last["position"]) else float(last["position"])
    action = str(last["action"]) if isinstance(last["action"], str) else units.MISSING
    return [
        Tile(
            "Price",
            units.format_price(_figure(last["price"])),
            f"at tick {get_tick(told):,}; {units.format_percent(moved, 2, signed=True)} over {units.format_count(len(bars), 'bar')}",
        ),
        Tile("Spread", units.format_bps(_figure(last["spread_bps"])), f"from {told.spread_source}"),
        _depth(told, last),
        Tile("Regime", regime, f"probability {units.format_percent(chance, 0)}"),
        _expected(told),
        Tile("Last decision", action, _why(last), state=action),
        Tile("Held", units.format_percent(position, signed=True), f"of equity; target {units.format_percent(_figure(last['target']), signed=True)}"),
    ]


def describe_missing_data(told: MarketHistory) -> str | None:
    """What this feed does not have, in a line; None where it has all."""
    spread = f"the spread is {SOURCES.get(told.spread_source, told.spread_source)}"
    if told.book is None and not told.has_flow:
        return f"This feed has bars only, no order book and no order flow: {spread}."
    if told.book is None:
        return f"This feed has no order book: {spread}."
    return None if told.has_flow else "This feed has no order flow: there is no signed volume and no imbalance."


def render_order_book(book: OrderBook, tick: int) -> str:
    """The best levels of both sides round the mid, the asks above; bars are sizes on one scale."""
    asks = list(zip(book.ask_price, book.ask_size, strict=True))[:LEVELS]
    bids = list(zip(book.bid_price, book.bid_size, strict=True))[:LEVELS]
    most = max(size for _, size in [*asks, *bids])
    mid = (asks[0][0] + bids[0][0]) / 2
    lines = [*_side("ask", asks, most, mid)[::-1], _middle(asks[0][0], bids[0][0], mid, tick), *_side("bid", bids, most, mid)]
    return render_table(_LADDER, lines, label="Order book, asks above bids", cards=False)


NOW = (  # name, what it is called, its unit
    ("next_spread_bps", "Spread in the next bar", "bps"),
    ("next_depth", "Depth at the best prices then", "money"),
    ("next_impact_bps", "Impact then, one way", "bps"),
    ("buy_10k_bps", "Buying 10k costs", "bps"),
    ("sell_10k_bps", "Selling 10k costs", "bps"),
    ("buy_100k_bps", "Buying 100k costs", "bps"),
    ("sell_100k_bps", "Selling 100k costs", "bps"),
    ("imbalance", "Book imbalance, -1..1", ""),
    ("pressure", "Flow over depth", ""),
    ("vpin", "One-sidedness of flow (VPIN), 0..1", ""),
    ("kyle", "Move for 1 M bought net (Kyle)", "bps"),
)

LEANS = frozenset({"imbalance", "pressure"})  # to either side


def list_current_costs(told: MarketHistory) -> list[TableRow]:
    """What phase 3 makes of book and flow at the tick: what is foreseen, what trading costs, which way it leans."""
    lines = []
    for name, words, unit in NOW:
        value = told.micro.get(name)
        if name not in told.micro or (value is None and (told.book is None or not unit)):
            continue  # only a book that does not hold the order is told as missing
        missing = "cannot fill" if name.endswith("k_bps") else units.NOT_ENOUGH
        shown = (
            units.format_money(value, missing=missing)
            if unit == "money"
            else units.format_number(value, 1 if unit else 2, unit, signed=name in LEANS, missing=missing)
        )
        lines.append(TableRow(name, (words, shown)))
    return lines


def get_tick(told: MarketHistory) -> int:
    """The tick that all of it is of."""
    return int(told.bars["tick"].iloc[-1])


def describe_levels(book: OrderBook) -> str:
    """What of the book is shown."""
    there = max(len(book.bid_price), len(book.ask_price))
    return f"best {LEVELS} of {there} levels a side" if there > LEVELS else f"{units.format_count(there, 'level')} a side"


def is_two_sided(book: OrderBook) -> bool:
    return bool(book.bid_price and book.ask_price)


def describe_coverage(told: IntervalCoverage) -> str:
    """How often what came lay inside the interval, with n; a normal answer is that there is not enough data."""
    if not told.n:
        return f"no forecast over {units.format_count(told.horizon, 'bar')} has come due here"
    share = f"{told.covered:,} of {told.n:,} inside the 90 % interval"
    if not units.is_known(told.low) or not units.is_known(told.high) or told.low is None or told.high is None:
        return f"{share}; share: {units.NOT_ENOUGH}"
    apart = "" if told.horizon == 1 else f", {told.n_effective:,.0f} of them apart"
    return f"{share}, {units.format_percent(told.covered / told.n)} ({told.low * 100:.1f}..{told.high * 100:.1f} %, n={told.n:,}{apart})"


def is_scored(frame: pd.DataFrame) -> bool:
    return bool(len(frame) and (frame["n"] > 0).any())


def list_forecast_skill(frame: pd.DataFrame) -> list[TableRow]:
    lines = []
    for one in _each(frame):
        sure = units.is_known(one.low) and units.is_known(one.high)
        lines.append(
            TableRow(
                str(one.measure),
                (
                    MEASURES.get(str(one.measure), str(one.measure).replace("_", " ")),
                    units.format_percent(one.r2, 1, signed=True, missing=units.NOT_ENOUGH) if sure else units.NOT_ENOUGH,
                    f"{units.format_number(one.low * 100, 1)}..{units.format_number(one.high * 100, 1)} %" if sure else units.MISSING,
                    Cell(f"{int(one.n):,}", small=f"{one.n_effective:,.0f} apart" if units.is_known(one.n_effective) else ""),
                ),
            )
        )
    return lines


def _side(name: str, levels: list[tuple[float, float]], most: float, mid: float) -> list[TableRow]:
    lines, money = [], 0.0
    colour = theme.UP if name == "bid" else theme.DOWN
    for place, (price, size) in enumerate(levels):
        money += price * size
        cells = (
            Cell(units.format_price(price), colour),
            units.format_quantity(size),
            Cell("", colour, bar=size / most),
            units.format_money(money),
            units.format_number((price / mid - 1) * 1e4, 1, signed=True),
        )
        lines.append(TableRow(f"{name} {place}", cells))
    return lines


def _middle(ask: float, bid: float, mid: float, tick: int) -> TableRow:
    spread = (ask - bid) / mid * 1e4
    return TableRow("mid", (units.format_price(mid), "mid", f"tick {tick:,}", "spread, bps", units.format_number(spread, 1)), highlighted=True)


def _depth(told: MarketHistory, last: pd.Series) -> Tile:
    if told.book is None:
        return Tile("Depth", "no book", "this feed has none")
    bid, ask = _figure(last["bid_depth"]), _figure(last["ask_depth"])
    both = None if bid is None or ask is None else bid + ask
    return Tile("Depth, money", units.format_money(both, missing=units.MISSING), f"bid {units.format_money(bid)}, ask {units.format_money(ask)}")


def _expected(told: MarketHistory) -> Tile:
    horizon = told.session.horizons[0]
    newest = told.forecasts[(told.forecasts["horizon"] == horizon) & (told.forecasts["tick"] == get_tick(told))]
    label = f"Expected, {units.format_count(horizon, 'bar')}"
    if newest.empty or not units.is_known(newest["mean_bps"].iloc[0]):
        return Tile(label, units.NOT_ENOUGH, "no forecast yet")
    one = newest.iloc[0]
    return Tile(
        label, units.format_bps(float(one["mean_bps"]), signed=True), f"90 %: {units.format_interval(one['low_bps'], one['high_bps'], 1, 'bps')}"
    )


def _why(last: pd.Series) -> str:
    if isinstance(last["binding_gate"], str):
        reason = tables.get_data_fault(last)
        return phrase_gate(last["binding_gate"]) + (f" ({reason})" if reason else "")
    return "no gate failed" if last["action"] == "hold" else f"to {classify_intent(_figure(last['position']), _figure(last['target']))}"


def _figure(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and units.is_known(value) else None


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
