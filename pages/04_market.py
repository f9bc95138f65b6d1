"""Market: one symbol's bars, book, flow and regime, what was expected of it, and what was done."""

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
    """Symbol, bars and horizon, in the address so that the view can be kept and sent."""
    horizons = {f"{units.count(one, 'bar')}": one for one in session.horizons}
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        symbol = choices.just_one("Symbol", session.symbols, name="symbol", width=170)
        bars = st.segmented_control("Bars", list(BARS), default="120", key="bars", bind="query-params", required=True)
        ahead = st.segmented_control("Forecast over", list(horizons), default=next(iter(horizons)), key="over", bind="query-params", required=True)
    return symbol, BARS.get(str(bars), 120), horizons.get(str(ahead), session.horizons[0])


@dataclass(frozen=True, slots=True)
class View:
    """All that is shown of one tick, made before the first part is sent."""

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


def make_view(told: MarketTold, shown: int, horizon: int) -> View:
    rules = venue.pairs(reads.knobs(reads.status()), told.session.symbols, told.symbol, told.spread_source, told.micro)
    outlook = reads.outlook()
    frame = told.forecasts[told.forecasts["horizon"] == horizon]
    return View(
        market=told,
        stamp=f"{told.symbol} {rows_market.tick(told)} {shown}",
        tiles=rows_market.tiles(told, shown),
        rules=rules,
        tape=charts_market.tape(told, shown),
        book=rows_market.ladder(told.book, rows_market.tick(told)) if told.book is not None and rows_market.is_two_sided(told.book) else None,
        now=rows_market.now(told),
        foreseen=rows_market.outlook(outlook) if rows_market.is_scored(outlook) else None,
        covered=next((one for one in told.covered if one.horizon == horizon), None),
        expected=charts_market.expected(told, horizon, shown) if frame["mean_bps"].notna().any() else None,
    )


def market(symbol: str, shown: int, horizon: int) -> None:
    """All of it in one live part."""
    with widgets.reading():
        told = reads.market(symbol)
        if told is None:
            widgets.nothing(f"no tick of {symbol} is kept")
            return
        view = make_view(told, shown, horizon)
        live.rows(widgets.tiles_html(view.tiles), key=f"tiles_{symbol}", label=f"Figures of {symbol}", after=view.stamp)
        if view.rules:
            with st.expander("Trading rules and costs"):
                widgets.table(rowsets.PAIR, view.rules, label="Trading rules and costs of the symbol", cards=False)
        lacking = rows_market.without(told)
        if lacking is not None:
            widgets.note(lacking)
        if told.book is None and not told.has_flow:
            drawn(view, shown, horizon)
            return
        left, right = st.columns([8, 4], gap="medium")
        with right:
            book(view)  # sent before the chart, which it waits for: so that both change in one frame
        with left:
            drawn(view, shown, horizon)
        with right:
            if view.now:
                widgets.heading("Cost and flow now", "foreseen for an order filled after the latency; fee apart")
                widgets.table(rowsets.PAIR, view.now, label="What trading costs now and which way the flow leans", cards=False)
            foreseen(view)


def drawn(view: View, shown: int, horizon: int) -> None:
    """The bars with all that goes on beside them, and what was expected of them."""
    told = view.market
    bars = f"{units.bars(told.session.interval)} bars, drawn at their close, UTC; a click opens the decision, drag to zoom"
    widgets.heading("Market", bars)
    label = f"Bars of {told.symbol} with decisions, fills and incidents"
    live.chart(view.tape, key=f"tape_{told.symbol}_{shown}", label=label, clickable=True, stamp=view.stamp)
    forecasts(view, horizon, shown)


def book(view: View) -> None:
    told = view.market
    if told.book is None:
        return
    widgets.heading("Order book", rows_market.levels(told.book))
    if view.book is not None:
        live.rows(view.book, key="book", label="Order book", after=view.stamp)
    else:
        widgets.nothing("the book has no level on one side or on both at this tick")


def foreseen(view: View) -> None:
    widgets.heading("How well it is foreseen", 'the next bar, all symbols, out of sample, against "the same as now"')
    if view.foreseen is None:
        widgets.nothing(f"spread, depth and cost ahead: {units.NOT_MEASURED}")
    else:
        widgets.table(rows_market.OUTLOOK, view.foreseen, label="Forecasts of the book against what came", cards=False)


def forecasts(view: View, horizon: int, shown: int) -> None:
    if view.covered is None:
        widgets.waiting("the first forecast over this horizon")
        return
    widgets.heading(f"Expected and what came, {units.count(horizon, 'bar')}", rows_market.coverage(view.covered))
    if view.expected is not None:
        key = f"expected_{view.market.symbol}_{horizon}_{shown}"
        live.chart(view.expected, key=key, label="Forecasts with their interval against what came", clickable=True)
        widgets.note(
            "Each stands at the time it falls due: line and band are what was expected, points are what came, amber diamonds lay outside the band."
        )
    else:
        widgets.nothing("no forecast yet: models are heard once they are trained")


with widgets.reading(page=True):
    session = reads.status().session
    if session is None or reads.status().last is None:
        widgets.waiting("the first tick")
        widgets.again(reads.version())
        st.stop()
    chosen = filters(session)
    odd = choices.unknown(session.symbols, name="symbol")
    if odd is not None:
        widgets.nothing(f"the address asks for {odd}, which is not followed: shown is {chosen[0]}")
    st.fragment(market, run_every=2)(*chosen)
