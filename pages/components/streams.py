"""The section Streams of the page Components: every stream of a live market, and the age of the inputs of its ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from engine import units
from engine.settings import LIVE_FEEDS
from engine.store.read.status import EngineStatus
from engine.store.read.streams import TickDelay
from pages.components.charts import MIN_MS, TICKS
from pages.ui import ages, cache, live, stream_cache, theme, travel, widgets
from pages.ui.charts import Figure, new_figure
from pages.ui.forest_plot import add_legend, finite_or_none, iterate_rows
from pages.ui.tables import Cell, Column, TableRow

STREAMS = (
    Column("Symbol", nowrap=True), Column("Stream", nowrap=True), Column("State"), Column("Last message", right=True),
    Column("Messages per s", right=True), Column("Latency p50", right=True), Column("Latency p99", right=True), Column("Reconnects", right=True),
    Column("Gaps", right=True), Column("Late trades", right=True), Column("Revised candles", right=True), Column("Filled bars", right=True),
    Column("Problem", full_width=True),
)  # fmt: skip
LINES = (("trade_age", "newest trade", theme.NEUTRAL), ("book_age", "newest book", theme.WARNING), ("decision_delay", "decision", theme.UP))


def show_streams(status: EngineStatus, now: int) -> None:
    """Show the section; nothing where the market is not live."""
    if status.session is None or status.session.feed not in LIVE_FEEDS:
        return
    widgets.show_heading("Streams", "since the start of the engine; latency is from the exchange to this machine", term="stream")
    rows = [] if travel.show_cannot_travel("The table of streams") else list_streams(stream_cache.fetch_streams(), now)
    if rows:
        widgets.show_table(STREAMS, rows, label="Streams of the live market by symbol")
    elif cache.past_tick() is None:
        widgets.show_waiting("the first report of the streams")
    widgets.show_heading(
        "Age of inputs", "by live tick, of the oldest symbol; decision: from the bar's close by the exchange's clock to the decision"
    )
    delays = stream_cache.fetch_tick_delays()
    if delays:
        live.show_chart(plot_delays(delays), key="delays", label="Age of the inputs of live ticks and time to the decision")
    else:
        widgets.show_waiting("the first live tick")


def list_streams(frame: pd.DataFrame, now: int) -> list[TableRow]:
    """Return each stream with its state, rate, latency and faults; those with a problem are marked."""
    lines = []
    for row in iterate_rows(frame):
        last, problem = finite_or_none(row.last_at), row.problem if isinstance(row.problem, str) else None
        since = finite_or_none(row.problem_since)
        text = "none" if problem is None else problem if since is None else f"{problem}, for {ages.ticking_age(int(since), now)}"
        cells = (
            row.symbol, row.stream, Cell(row.state, theme.state_colour(row.state)),
            "none yet" if last is None else f"{ages.ticking_age(int(last), now)} ago",
            units.format_number(finite_or_none(row.messages_per_second), 1, missing=units.NOT_MEASURED),
            units.format_ms(finite_or_none(row.latency_p50_ms), missing=units.NOT_MEASURED),
            units.format_ms(finite_or_none(row.latency_p99_ms), missing=units.NOT_MEASURED),
            *(f"{int(count):,}" for count in (row.reconnects, row.gaps, row.late_trades, row.revised_candles, row.filled_bars)), text,
        )  # fmt: skip
        lines.append(TableRow(f"{row.symbol} {row.stream}", cells, highlighted=problem is not None))
    return lines


def plot_delays(delays: Sequence[TickDelay]) -> Figure:
    """Plot the age of the newest trade and book, and the time to the decision, on a logarithmic axis; a line breaks where a value is unknown."""
    drawn = new_figure(height=230, right=12, top=28, bottom=40)
    when = [units.format_time(delay.at, "%m-%d %H:%M:%S") for delay in delays]
    known: list[float] = []
    for name, label, colour in LINES:
        values = [finite_or_none(getattr(delay, name)) for delay in delays]
        values = [None if value is None else max(MIN_MS, value) for value in values]
        known += [value for value in values if value is not None]
        drawn.add_trace(
            "scatter", x=[delay.tick for delay in delays], y=values, mode="lines+markers", name=label, line={"color": colour, "width": 1.6},
            marker={"size": 4}, connectgaps=False, customdata=when,
            hovertemplate=f"{label} %{{y:.1f}} ms, %{{customdata}} UTC<extra></extra>",
        )  # fmt: skip
    low, high = (min(known), max(known)) if known else (1.0, 1_000.0)
    labels = [tick for tick in TICKS if high < 100 * low or math.log10(tick) % 1 == 0]
    axis_range = [math.log10(low / 1.6), math.log10(high * 1.6)]
    drawn.set_axis("yaxis", type="log", range=axis_range, tickvals=labels, ticktext=[units.format_ms(tick) for tick in labels])
    drawn.set_axis("xaxis", showgrid=False, nticks=6, tickformat=",d", title={"text": "tick", "font": {"size": 11, "color": theme.MUTED}})
    add_legend(drawn, [(label, colour) for _, label, colour in LINES])
    drawn.layout["hovermode"] = "x unified"
    return drawn
