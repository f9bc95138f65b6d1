"""The tiles and tables of one symbol's market: order book, current costs, forecast coverage and liquidity forecast skill."""

from __future__ import annotations

import pandas as pd

from engine import units
from engine.domain.intents import classify_intent, phrase_gate
from engine.store.read.market import IntervalCoverage, MarketHistory, OrderBook
from pages.ui import theme
from pages.ui.forest_plot import iterate_rows
from pages.ui.tables import Cell, Column, TableRow, number_columns, render_table
from pages.ui.trading_tables import get_data_fault
from pages.ui.widgets import Tile

LEVELS = 10  # shown per side
SKILL_COLUMNS = (Column(""), *number_columns("R²", "95 % interval", "n"))
SOURCES = {
    "setting": "the configured one",
    "tick": "one tick, the smallest possible",
    "Abdi-Ranaldo 2017": "estimated from the bars' ranges (Abdi and Ranaldo 2017)",
}
MEASURES = {"micro_price": "micro-price", "cost_10k": "cost of 10k", "cost_100k": "cost of 100k"}
_LADDER = (*number_columns("Price", "Size"), Column("", full_width=True), *number_columns("Depth", "From mid, bps"))


def build_market_tiles(history: MarketHistory, shown: int) -> list[Tile]:
    bars = history.bars.tail(shown)
    last = bars.iloc[-1]
    closes = bars["close"].dropna()
    moved = float(closes.iloc[-1] / closes.iloc[0] - 1) if len(closes) > 1 else None
    change = "" if moved is None else f"; {units.format_percent(moved, 2, signed=True)} over {units.format_count(len(bars), 'bar')}"
    regime = str(last["regime"]) if isinstance(last["regime"], str) else units.MISSING
    chance = float(last[f"regime {regime}"]) if f"regime {regime}" in bars else None
    position = None if not units.is_known(last["position"]) else float(last["position"])
    action = str(last["action"]) if isinstance(last["action"], str) else units.MISSING
    return [
        Tile(
            "Price",
            units.format_price(_finite_or_none(last["price"])),
            f"at tick {get_tick(history):,}{change}",
        ),
        Tile("Spread", units.format_bps(_finite_or_none(last["spread_bps"])), f"from {history.spread_source}"),
        _build_depth_tile(history, last),
        Tile("Regime", regime, f"probability {units.format_percent(chance, 0)}"),
        _build_forecast_tile(history),
        Tile("Last decision", action, _describe_reason(last), state=action),
        Tile(
            "Position",
            units.format_percent(position, signed=True),
            f"of equity; target {units.format_percent(_finite_or_none(last['target']), signed=True)}",
        ),
    ]


def describe_missing_data(history: MarketHistory) -> str | None:
    """Name the data that this feed lacks; None where it has all."""
    spread = f"the spread is {SOURCES.get(history.spread_source, history.spread_source)}"
    if history.book is None and not history.has_flow:
        return f"This feed has bars only, no order book and no order flow: {spread}."
    if history.book is None:
        return f"This feed has no order book: {spread}."
    return None if history.has_flow else "This feed has no order flow, so signed volume and imbalance are unknown."


def render_order_book(book: OrderBook, tick: int) -> str:
    """Return the best levels of both sides around the mid, asks above; the bars show sizes on one scale."""
    asks = list(zip(book.ask_price, book.ask_size, strict=True))[:LEVELS]
    bids = list(zip(book.bid_price, book.bid_size, strict=True))[:LEVELS]
    largest = max(size for _, size in [*asks, *bids])
    mid = (asks[0][0] + bids[0][0]) / 2
    rows = [*_list_side("ask", asks, largest, mid)[::-1], _mid_row(asks[0][0], bids[0][0], mid, tick), *_list_side("bid", bids, largest, mid)]
    return render_table(_LADDER, rows, label="Order book, asks above bids", cards=False)


NOW = (  # name, label, unit
    ("next_spread_bps", "Spread, next bar", "bps"),
    ("next_depth", "Depth at the touch, next bar", "money"),
    ("next_impact_bps", "Impact, next bar, one way", "bps"),
    ("buy_10k_bps", "Cost of buying 10k", "bps"),
    ("sell_10k_bps", "Cost of selling 10k", "bps"),
    ("buy_100k_bps", "Cost of buying 100k", "bps"),
    ("sell_100k_bps", "Cost of selling 100k", "bps"),
    ("imbalance", "Book imbalance, within ±1", ""),
    ("pressure", "Flow pressure", ""),
    ("vpin", "VPIN, 0 to 1", ""),
    ("kyle", "Kyle's lambda, per 1M of money", "bps"),
)

LEANS = frozenset({"imbalance", "pressure"})  # signed


def list_current_costs(history: MarketHistory) -> list[TableRow]:
    """List the estimates of the microstructure phase at the tick: forecasts, cost of trading, and direction of the flow."""
    rows = []
    for name, label, unit in NOW:
        value = history.micro.get(name)
        if name not in history.micro or (value is None and (history.book is None or not unit)):
            continue  # "not filled" is shown only of a book too thin for the order
        missing = "not filled" if name.endswith("k_bps") else units.NOT_ENOUGH
        shown = (
            units.format_money(value, missing=missing)
            if unit == "money"
            else units.format_number(value, 1 if unit else 2, unit, signed=name in LEANS, missing=missing)
        )
        rows.append(TableRow(name, (label, shown)))
    return rows


def get_tick(history: MarketHistory) -> int:
    """Return the tick of everything shown."""
    return int(history.bars["tick"].iloc[-1])


def describe_levels(book: OrderBook) -> str:
    """Say how many levels are shown."""
    levels_shown = max(len(book.bid_price), len(book.ask_price))
    return f"best {LEVELS} of {levels_shown} levels per side" if levels_shown > LEVELS else f"{units.format_count(levels_shown, 'level')} per side"


def is_two_sided(book: OrderBook) -> bool:
    return bool(book.bid_price and book.ask_price)


def describe_coverage(covered: IntervalCoverage) -> str:
    """Return the share of outcomes inside the 90 % interval, with n, or that there is not enough data."""
    if not covered.n:
        return f"no forecast over {units.format_count(covered.horizon, 'bar')} has fallen due here"
    share = f"{covered.covered:,} of {covered.n:,} outcomes inside the 90 % interval"
    if not units.is_known(covered.low) or not units.is_known(covered.high) or covered.low is None or covered.high is None:
        return f"{share}; share: {units.NOT_ENOUGH}"
    effective = "" if covered.horizon == 1 else f", effective n={covered.n_effective:,.0f}"
    interval = units.format_interval(covered.low * 100, covered.high * 100, 1, "%")
    return f"{share}: {units.format_percent(covered.covered / covered.n)} (95 %: {interval}, n={covered.n:,}{effective})"


def is_scored(frame: pd.DataFrame) -> bool:
    return bool(len(frame) and (frame["n"] > 0).any())


def list_forecast_skill(frame: pd.DataFrame) -> list[TableRow]:
    rows = []
    for row in iterate_rows(frame):
        has_interval = units.is_known(row.low) and units.is_known(row.high)
        rows.append(
            TableRow(
                str(row.measure),
                (
                    MEASURES.get(str(row.measure), str(row.measure).replace("_", " ")),
                    units.format_percent(row.r2, 1, signed=True, missing=units.NOT_ENOUGH) if has_interval else units.NOT_ENOUGH,
                    units.format_interval(row.low * 100, row.high * 100, 1, "%") if has_interval else units.MISSING,
                    Cell(f"{int(row.n):,}", small=f"effective {row.n_effective:,.0f}" if units.is_known(row.n_effective) else ""),
                ),
            )
        )
    return rows


def _list_side(name: str, levels: list[tuple[float, float]], largest: float, mid: float) -> list[TableRow]:
    rows, money = [], 0.0
    colour = theme.UP if name == "bid" else theme.DOWN
    for place, (price, size) in enumerate(levels):
        money += price * size
        cells = (
            Cell(units.format_price(price), colour),
            units.format_quantity(size),
            Cell("", colour, bar=size / largest),
            units.format_money(money),
            units.format_number((price / mid - 1) * 1e4, 1, signed=True),
        )
        rows.append(TableRow(f"{name} {place}", cells))
    return rows


def _mid_row(ask: float, bid: float, mid: float, tick: int) -> TableRow:
    spread = (ask - bid) / mid * 1e4
    return TableRow("mid", (units.format_price(mid), "mid", f"tick {tick:,}", "spread, bps", units.format_number(spread, 1)), highlighted=True)


def _build_depth_tile(history: MarketHistory, last: pd.Series) -> Tile:
    if history.book is None:
        return Tile("Depth", "no book", "not in this feed")
    bid, ask = _finite_or_none(last["bid_depth"]), _finite_or_none(last["ask_depth"])
    both = None if bid is None or ask is None else bid + ask
    return Tile("Depth, money", units.format_money(both, missing=units.MISSING), f"bid {units.format_money(bid)}, ask {units.format_money(ask)}")


def _build_forecast_tile(history: MarketHistory) -> Tile:
    horizon = history.session.horizons[0]
    newest = history.forecasts[(history.forecasts["horizon"] == horizon) & (history.forecasts["tick"] == get_tick(history))]
    label = f"Expected move, {units.format_count(horizon, 'bar')}"
    if newest.empty or not units.is_known(newest["mean_bps"].iloc[0]):
        return Tile(label, units.NOT_ENOUGH, "no forecast yet")
    forecast = newest.iloc[0]
    return Tile(
        label,
        units.format_bps(float(forecast["mean_bps"]), signed=True),
        f"90 %: {units.format_interval(forecast['low_bps'], forecast['high_bps'], 1, 'bps')}",
    )


def _describe_reason(last: pd.Series) -> str:
    if isinstance(last["binding_gate"], str):
        reason = get_data_fault(last)
        return phrase_gate(last["binding_gate"]) + (f" ({reason})" if reason else "")
    return (
        "no gate failed"
        if last["action"] == "hold"
        else f"intent: {classify_intent(_finite_or_none(last['position']), _finite_or_none(last['target']))}"
    )


def _finite_or_none(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and units.is_known(value) else None
