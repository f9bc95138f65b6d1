"""Symbols compared: each price as 100 at the left edge."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from engine import units
from engine.store.read import pnl
from engine.store.read.status import SessionInfo
from pages.ui import cache, live, params, shared, theme, widgets
from pages.ui.charts import Figure, escape_text, new_figure

MOST = 4  # symbols beside the chosen one
NAME = "with"  # in the address


def choose_symbols(session: SessionInfo, symbol: str) -> tuple[str, ...]:
    """Draw the choice of symbols to compare, which is in the address, and return at most MOST of them in the order of the session."""
    named = set(st.query_params.get(NAME, "").split(","))
    chosen = [name for name in session.symbols if name in named and name != symbol][:MOST]
    if len(session.symbols) > 1:
        others = {name: name for name in session.symbols if name != symbol}
        params.select_many("Compare with", others, chosen, name=NAME, usual=())
    return tuple(chosen)


def normalise_prices(frame: pd.DataFrame, symbols: Sequence[str]) -> pd.DataFrame:
    """Return a column per symbol and a row per tick from the first at which all prices are known, where each is 100; empty where there is none."""
    prices = frame.pivot(index="at", columns="symbol", values="price").reindex(columns=list(symbols)).sort_index()
    complete = prices[prices.notna().all(axis=1) & (prices > 0).all(axis=1)]
    if complete.empty:
        return complete
    return prices.loc[complete.index[0] :] / complete.iloc[0] * 100.0


def plot_comparison(table: pd.DataFrame, *, log: bool) -> Figure:
    """One line per symbol, named above with its newest value."""
    figure = new_figure(height=250, left=62, right=12, top=26, bottom=34)
    at = [int(moment) // units.MS for moment in table.index]
    names = []
    for place, symbol in enumerate(table.columns):
        colour, values = theme.category_colour(place), table[symbol]
        newest = values.dropna().iloc[-1]
        names.append(f'<span style="color:{colour}">■</span> {escape_text(symbol)} {units.format_number(float(newest), 2)}')
        figure.add_trace(
            "scatter", name=escape_text(symbol), x=at, y=values.tolist(), mode="lines", line={"color": colour, "width": 2.2 if not place else 1.5},
            connectgaps=False, hovertemplate=f"{escape_text(symbol)} %{{y:.2f}}<br>%{{x|%m-%d %H:%M:%S}} UTC<extra></extra>",
        )  # fmt: skip
    figure.add_note("  ".join(names), xref="paper", x=0, xanchor="left", xshift=-56, yref="paper", y=1, yanchor="bottom", yshift=4)
    figure.set_axis("yaxis", fixedrange=True, automargin=False, nticks=6, type="log" if log else "linear")
    figure.set_axis("xaxis", type="date", nticks=7)
    figure.layout["meta"] = {"narrow": {"layout.xaxis.nticks": 3}, "cross": True, "fit": ["yaxis"]}
    return figure


def show_compared_symbols(symbols: tuple[str, ...], shown: int, *, log: bool) -> None:
    """Draw the symbols, the first of which is the page's own, over the newest `shown` bars."""
    table = shared.build_once(("comparison", symbols, shown), lambda: _read_table(symbols, shown))
    widgets.show_heading("Comparison", "price, 100 at the first bar shown at which all are known")
    if len(table) < 2:
        widgets.show_empty("no two bars yet at which the prices of all these symbols are known")
        return
    key = f"comparison_{'_'.join(symbols)}_{shown}_{log}"
    live.show_chart(plot_comparison(table, log=log), key=key, label=f"Comparison of {', '.join(symbols)}")


def _read_table(symbols: tuple[str, ...], shown: int) -> pd.DataFrame:
    return normalise_prices(pnl.read_symbol_prices(cache.get_reader(), symbols, shown), symbols)
