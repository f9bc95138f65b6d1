"""One symbol's market in words and rows: its tiles, its book, its forecasts' coverage, and how well the book is foreseen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from engine.domain.intents import gate_in_words, intent_of
from engine.store.market_query import Book, Covered, MarketTold
from pages.parts import rowsets, theme, units
from pages.parts.tables import Cell, Column, Line, html
from pages.parts.widgets import Tile

LEVELS = 10  # of a side shown
OUTLOOK = (Column(""), Column("R²", right=True), Column("95 % interval", right=True), Column("n", right=True))
SOURCES = {
    "setting": "the one set",
    "tick": "one tick, the smallest that can be quoted",
    "Abdi-Ranaldo 2017": "estimated from the ranges of bars (Abdi and Ranaldo 2017)",
}
MEASURES = {"micro_price": "micro-price", "cost_10k": "cost of 10k", "cost_100k": "cost of 100k"}
_LADDER = (
    Column("Price", right=True),
    Column("Size", right=True),
    Column("", whole=True),
    Column("Money so far", right=True),
    Column("From mid, bps", right=True),
)


def tiles(told: MarketTold, shown: int) -> list[Tile]:
    bars = told.bars.tail(shown)
    last = bars.iloc[-1]
    closes = bars["close"].dropna()
    moved = float(closes.iloc[-1] / closes.iloc[0] - 1) if len(closes) > 1 else None
    regime = str(last["regime"]) if isinstance(last["regime"], str) else units.MISSING
    chance = float(last[f"regime {regime}"]) if f"regime {regime}" in bars else None
    position = None if not units.known(last["position"]) else float(last["position"])
    action = str(last["action"]) if isinstance(last["action"], str) else units.MISSING
    return [
        Tile(
            "Price",
            units.price(_figure(last["price"])),
            f"at tick {tick(told):,}; {units.percent(moved, 2, signed=True)} over {units.count(len(bars), 'bar')}",
        ),
        Tile("Spread", units.bps(_figure(last["spread_bps"])), f"from {told.spread_source}"),
        _depth(told, last),
        Tile("Regime", regime, f"probability {units.percent(chance, 0)}"),
        _expected(told),
        Tile("Last decision", action, _why(last), state=action),
        Tile("Held", units.percent(position, signed=True), f"of equity; target {units.percent(_figure(last['target']), signed=True)}"),
    ]


def without(told: MarketTold) -> str | None:
    """What this feed does not have, in a line; None where it has all."""
    spread = f"the spread is {SOURCES.get(told.spread_source, told.spread_source)}"
    if told.book is None and not told.has_flow:
        return f"This feed has bars only, no order book and no order flow: {spread}."
    if told.book is None:
        return f"This feed has no order book: {spread}."
    return None if told.has_flow else "This feed has no order flow: there is no signed volume and no imbalance."


def ladder(book: Book, tick: int) -> str:
    """The best levels of both sides round the mid, the asks above; bars are sizes on one scale."""
    asks = list(zip(book.ask_price, book.ask_size, strict=True))[:LEVELS]
    bids = list(zip(book.bid_price, book.bid_size, strict=True))[:LEVELS]
    most = max(size for _, size in [*asks, *bids])
    mid = (asks[0][0] + bids[0][0]) / 2
    lines = [*_side("ask", asks, most, mid)[::-1], _middle(asks[0][0], bids[0][0], mid, tick), *_side("bid", bids, most, mid)]
    return html(_LADDER, lines, label="Order book, asks above bids", cards=False)


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


def now(told: MarketTold) -> list[Line]:
    """What phase 3 makes of book and flow at the tick: what is foreseen, what trading costs, which way it leans."""
    lines = []
    for name, words, unit in NOW:
        value = told.micro.get(name)
        if name not in told.micro or (value is None and (told.book is None or not unit)):
            continue  # only a book that does not hold the order is told as missing
        missing = "cannot fill" if name.endswith("k_bps") else units.NOT_ENOUGH
        shown = (
            units.money(value, missing=missing)
            if unit == "money"
            else units.number(value, 1 if unit else 2, unit, signed=name in LEANS, missing=missing)
        )
        lines.append(Line(name, (words, shown)))
    return lines


def tick(told: MarketTold) -> int:
    """The tick that all of it is of."""
    return int(told.bars["tick"].iloc[-1])


def levels(book: Book) -> str:
    """What of the book is shown."""
    there = max(len(book.bid_price), len(book.ask_price))
    return f"best {LEVELS} of {there} levels a side" if there > LEVELS else f"{units.count(there, 'level')} a side"


def is_two_sided(book: Book) -> bool:
    return bool(book.bid_price and book.ask_price)


def coverage(told: Covered) -> str:
    """How often what came lay inside the interval, with n; a normal answer is that there is not enough data."""
    if not told.n:
        return f"no forecast over {units.count(told.horizon, 'bar')} has come due here"
    share = f"{told.inside:,} of {told.n:,} inside the 90 % interval"
    if not units.known(told.low) or not units.known(told.high) or told.low is None or told.high is None:
        return f"{share}; share: {units.NOT_ENOUGH}"
    apart = "" if told.horizon == 1 else f", {told.n_effective:,.0f} of them apart"
    return f"{share}, {units.percent(told.inside / told.n)} ({told.low * 100:.1f}..{told.high * 100:.1f} %, n={told.n:,}{apart})"


def is_scored(frame: pd.DataFrame) -> bool:
    return bool(len(frame) and (frame["n"] > 0).any())


def outlook(frame: pd.DataFrame) -> list[Line]:
    lines = []
    for one in _each(frame):
        sure = units.known(one.low) and units.known(one.high)
        lines.append(
            Line(
                str(one.measure),
                (
                    MEASURES.get(str(one.measure), str(one.measure).replace("_", " ")),
                    units.percent(one.r2, 1, signed=True, missing=units.NOT_ENOUGH) if sure else units.NOT_ENOUGH,
                    f"{units.number(one.low * 100, 1)}..{units.number(one.high * 100, 1)} %" if sure else units.MISSING,
                    Cell(f"{int(one.n):,}", small=f"{one.n_effective:,.0f} apart" if units.known(one.n_effective) else ""),
                ),
            )
        )
    return lines


def _side(name: str, levels: list[tuple[float, float]], most: float, mid: float) -> list[Line]:
    lines, money = [], 0.0
    colour = theme.UP if name == "bid" else theme.DOWN
    for place, (price, size) in enumerate(levels):
        money += price * size
        cells = (
            Cell(units.price(price), colour),
            units.size(size),
            Cell("", colour, bar=size / most),
            units.money(money),
            units.number((price / mid - 1) * 1e4, 1, signed=True),
        )
        lines.append(Line(f"{name} {place}", cells))
    return lines


def _middle(ask: float, bid: float, mid: float, tick: int) -> Line:
    spread = (ask - bid) / mid * 1e4
    return Line("mid", (units.price(mid), "mid", f"tick {tick:,}", "spread, bps", units.number(spread, 1)), marked=True)


def _depth(told: MarketTold, last: pd.Series) -> Tile:
    if told.book is None:
        return Tile("Depth", "no book", "this feed has none")
    bid, ask = _figure(last["bid_depth"]), _figure(last["ask_depth"])
    both = None if bid is None or ask is None else bid + ask
    return Tile("Depth, money", units.money(both, missing=units.MISSING), f"bid {units.money(bid)}, ask {units.money(ask)}")


def _expected(told: MarketTold) -> Tile:
    horizon = told.session.horizons[0]
    newest = told.forecasts[(told.forecasts["horizon"] == horizon) & (told.forecasts["tick"] == tick(told))]
    label = f"Expected, {units.count(horizon, 'bar')}"
    if newest.empty or not units.known(newest["mean_bps"].iloc[0]):
        return Tile(label, units.NOT_ENOUGH, "no forecast yet")
    one = newest.iloc[0]
    return Tile(label, units.bps(float(one["mean_bps"]), signed=True), f"90 %: {units.interval(one['low_bps'], one['high_bps'], 1, 'bps')}")


def _why(last: pd.Series) -> str:
    if isinstance(last["binding_gate"], str):
        reason = rowsets.fault_of(last)
        return gate_in_words(last["binding_gate"]) + (f" ({reason})" if reason else "")
    return "no gate failed" if last["action"] == "hold" else f"to {intent_of(_figure(last['position']), _figure(last['target']))}"


def _figure(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and units.known(value) else None


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
