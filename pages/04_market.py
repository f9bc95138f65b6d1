"""Market: one symbol's bars, book, flow and regime, what was expected of it, and what was done."""

from __future__ import annotations

import streamlit as st

from engine.store.market_query import MarketTold
from engine.store.status_query import Session
from pages.parts import charts_market, choices, live, reads, rows_market, rowsets, units, venue, widgets

BARS = {"60": 60, "120": 120, "300": 300}


def filters(session: Session) -> tuple[str, int, int]:
    """Symbol, bars and horizon, in the address so that the view can be kept and sent."""
    horizons = {f"{units.count(one, 'bar')}": one for one in session.horizons}
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        symbol = choices.just_one("Symbol", session.symbols, name="symbol", width=170)
        bars = st.segmented_control("Bars", list(BARS), default="120", key="bars", bind="query-params", required=True)
        ahead = st.segmented_control("Forecast over", list(horizons), default=next(iter(horizons)), key="over", bind="query-params", required=True)
    return symbol, BARS.get(str(bars), 120), horizons.get(str(ahead), session.horizons[0])


def market(symbol: str, shown: int, horizon: int) -> None:
    """All of it in one live part."""
    with widgets.reading():
        told = reads.market(symbol)
        if told is None:
            widgets.nothing(f"no tick of {symbol} is kept")
            return
        widgets.tiles(rows_market.tiles(told, shown))
        rules(told)
        lacking = rows_market.without(told)
        if lacking is not None:
            widgets.note(lacking)
        if told.book is None and not told.has_flow:
            drawn(told, shown, horizon)
            return
        left, right = st.columns([8, 4], gap="medium")
        with left:
            drawn(told, shown, horizon)
        with right:
            book(told)
            lines = rows_market.now(told)
            if lines:
                widgets.heading("Cost and flow now", "foreseen for an order filled after the latency; fee apart")
                widgets.table(rowsets.PAIR, lines, label="What trading costs now and which way the flow leans", cards=False)
            foreseen()


def rules(told: MarketTold) -> None:
    """What orders of the symbol must keep to and what trading and holding it cost."""
    lines = venue.pairs(reads.knobs(reads.status()), told.session.symbols, told.symbol, told.spread_source, told.micro)
    if lines:
        with st.expander("Trading rules and costs"):
            widgets.table(rowsets.PAIR, lines, label="Trading rules and costs of the symbol", cards=False)


def drawn(told: MarketTold, shown: int, horizon: int) -> None:
    """The bars with all that goes on beside them, and what was expected of them."""
    widgets.heading("Market", f"{units.bars(told.session.interval)} bars, drawn at their close, UTC; a click opens the decision, drag to zoom")
    label = f"Bars of {told.symbol} with decisions, fills and incidents"
    live.chart(charts_market.tape(told, shown), key=f"tape_{told.symbol}_{shown}", label=label, clickable=True)
    forecasts(told, horizon, shown)


def book(told: MarketTold) -> None:
    if told.book is None:
        return
    widgets.heading("Order book", rows_market.levels(told.book))
    if rows_market.is_two_sided(told.book):
        live.rows(rows_market.ladder(told.book), key="book")
    else:
        widgets.nothing("the book has no level on one side or on both at the newest tick")


def foreseen() -> None:
    frame = reads.outlook()
    widgets.heading("How well it is foreseen", 'the next bar, all symbols, out of sample, against "the same as now"')
    if not rows_market.is_scored(frame):
        widgets.nothing(f"spread, depth and cost ahead: {units.NOT_MEASURED}")
    else:
        widgets.table(rows_market.OUTLOOK, rows_market.outlook(frame), label="Forecasts of the book against what came", cards=False)


def forecasts(told: MarketTold, horizon: int, shown: int) -> None:
    covered = next((one for one in told.covered if one.horizon == horizon), None)
    if covered is None:  # a new session with other horizons has begun and not decided yet
        widgets.waiting("the first forecast over this horizon")
        return
    widgets.heading(f"Expected and what came, {units.count(horizon, 'bar')}", rows_market.coverage(covered))
    frame = told.forecasts[told.forecasts["horizon"] == horizon]
    if frame["mean_bps"].notna().any():
        figure = charts_market.expected(told, horizon, shown)
        live.chart(figure, key=f"expected_{told.symbol}_{horizon}_{shown}", label="Forecasts with their interval against what came", clickable=True)
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
