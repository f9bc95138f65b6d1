"""Market: bars, order book, flow and regime of one symbol, with its forecasts and trades."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from engine.store.market_query import Covered, MarketTold
from engine.store.status_query import Session
from pages.parts import charts_market, choices, live, reads, rows_market, rowsets, units, venue, widgets
from pages.parts.figure import Figure
from pages.parts.tables import Line
from pages.parts.widgets import Tile

BARS = {"60": 60, "120": 120, "300": 300}


def filters(session: Session) -> tuple[str, int, int]:
    """Draw the choice of symbol, bars and horizon, which are in the address, so that a view can be saved and sent."""
    horizons = {f"{units.count(horizon, 'bar')}": horizon for horizon in session.horizons}
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        symbol = choices.just_one("Symbol", session.symbols, name="symbol", width=170)
        bars = st.segmented_control("Bars", list(BARS), default="120", key="bars", bind="query-params", required=True)
        ahead = st.segmented_control("Forecast horizon", list(horizons), default=next(iter(horizons)), key="over", bind="query-params", required=True)
    return symbol, BARS.get(str(bars), 120), horizons.get(str(ahead), session.horizons[0])


@dataclass(frozen=True, slots=True)
class View:
    """Everything shown of one tick, built before the first part is sent."""

    market: MarketTold
    stamp: str  # what the chart is of: tiles and book change together with it
    tiles: list[Tile]
    rules: list[Line]
    tape: Figure
    book: str | None  # None where the book is not two-sided
    now: list[Line]
    foreseen: list[Line] | None  # None where no forecast of the book is scored yet
    covered: Covered | None  # None where a new session with other horizons has not decided yet
    expected: Figure | None  # None without a forecast


def make_view(history: MarketTold, shown: int, horizon: int) -> View:
    rules = venue.pairs(reads.knobs(reads.status()), history.session.symbols, history.symbol, history.spread_source, history.micro)
    outlook = reads.outlook()
    frame = history.forecasts[history.forecasts["horizon"] == horizon]
    return View(
        market=history,
        stamp=f"{history.symbol} {rows_market.tick(history)} {shown}",
        tiles=rows_market.tiles(history, shown),
        rules=rules,
        tape=charts_market.tape(history, shown),
        book=rows_market.ladder(history.book, rows_market.tick(history))
        if history.book is not None and rows_market.is_two_sided(history.book)
        else None,
        now=rows_market.now(history),
        foreseen=rows_market.outlook(outlook) if rows_market.is_scored(outlook) else None,
        covered=next((entry for entry in history.covered if entry.horizon == horizon), None),
        expected=charts_market.expected(history, horizon, shown) if frame["mean_bps"].notna().any() else None,
    )


def market(symbol: str, shown: int, horizon: int) -> None:
    """Draw the whole page as one live fragment."""
    with widgets.reading():
        history = reads.market(symbol)
        if history is None:
            widgets.nothing(f"no tick of {symbol} is stored")
            return
        view = make_view(history, shown, horizon)
        live.rows(widgets.tiles_html(view.tiles), key=f"tiles_{symbol}", label=f"Figures of {symbol}", after=view.stamp)
        if view.rules:
            with st.expander("Trading rules and costs"):
                widgets.table(rowsets.PAIR, view.rules, label="Trading rules and costs of the symbol", cards=False)
        lacking = rows_market.without(history)
        if lacking is not None:
            widgets.note(lacking)
        if history.book is None and not history.has_flow:
            drawn(view, shown, horizon)
            return
        left, right = st.columns([8, 4], gap="medium")
        with right:
            book(view)  # sent before the chart, which it waits for: so that both change in one frame
        with left:
            drawn(view, shown, horizon)
        with right:
            if view.now:
                widgets.heading("Cost and flow now", "forecast for an order filled after the latency; fees not included")
                widgets.table(rowsets.PAIR, view.now, label="Cost of trading and direction of the flow now", cards=False)
            foreseen(view)


def drawn(view: View, shown: int, horizon: int) -> None:
    """Draw the bars with everything on their time axis, and the forecasts below."""
    history = view.market
    bars = f"{units.bars(history.session.interval)} bars at their close, UTC; click to open the decision, drag to zoom"
    widgets.heading("Market", bars)
    label = f"Bars of {history.symbol} with decisions, fills and incidents"
    live.chart(view.tape, key=f"tape_{history.symbol}_{shown}", label=label, clickable=True, stamp=view.stamp)
    forecasts(view, horizon, shown)


def book(view: View) -> None:
    history = view.market
    if history.book is None:
        return
    widgets.heading("Order book", rows_market.levels(history.book))
    if view.book is not None:
        live.rows(view.book, key="book", label="Order book", after=view.stamp)
    else:
        widgets.nothing("the book is empty on at least one side at this tick")


def foreseen(view: View) -> None:
    widgets.heading("Liquidity forecast skill", "next bar, all symbols, out of sample, against a forecast of no change")
    if view.foreseen is None:
        widgets.nothing(f"spread, depth and cost of the next bar: {units.NOT_MEASURED}")
    else:
        widgets.table(rows_market.OUTLOOK, view.foreseen, label="Skill of the liquidity forecasts", cards=False)


def forecasts(view: View, horizon: int, shown: int) -> None:
    if view.covered is None:
        widgets.waiting("the first forecast over this horizon")
        return
    widgets.heading(f"Forecast and outcome, {units.count(horizon, 'bar')}", rows_market.coverage(view.covered))
    if view.expected is not None:
        key = f"expected_{view.market.symbol}_{horizon}_{shown}"
        live.chart(view.expected, key=key, label="Forecasts with their interval, and outcomes", clickable=True)
        widgets.note(
            "Shown at the time each falls due. Line and band: forecast with its 90 % interval. "
            "Points: outcomes; amber diamonds lie outside the interval."
        )
    else:
        widgets.nothing("no forecast yet: the models are not trained")


with widgets.reading(page=True):
    session = reads.status().session
    if session is None or reads.status().last is None:
        widgets.waiting("the first tick")
        widgets.again(reads.version())
        st.stop()
    chosen = filters(session)
    odd = choices.unknown(session.symbols, name="symbol")
    if odd is not None:
        widgets.nothing(f"{odd} in the address is not one of the symbols; {chosen[0]} is shown")
    st.fragment(market, run_every=2)(*chosen)
