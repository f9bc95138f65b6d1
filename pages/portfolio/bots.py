"""The outside bots beside the engine: equity, the evidence of each race, and a verdict in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from engine import units
from engine.store.read import bots
from pages.ui import cache, live, theme, travel, widgets
from pages.ui.charts import Figure, escape_text, new_figure
from pages.ui.forest_plot import finite_or_none, iterate_rows
from pages.ui.tables import Cell, Column, TableRow, number_columns, render_table, text_columns

COLUMNS = (
    *text_columns("Bot"), Column("Verdict", full_width=True), *number_columns("Equity", "Gain", "Engine, same bars", "Pairs", "Mean gain a bar"),
    *number_columns("Evidence that it is better", "Evidence that it is worse", "Intents", "Late", "Refused"),
)  # fmt: skip
COLOURS = {"better": theme.GOOD, "worse": theme.HARM, "equivalent": theme.NEUTRAL}
HINT = "fills at the engine's costs and latency; a pair is the return over one bar less the engine's; the evidence may be read at any time"


def show_bots() -> None:
    """Show the section; nothing where no bot has sent an intent."""
    frame = bots.read_bots(cache.get_reader())
    if not len(frame):
        return
    widgets.show_heading("Bots", HINT, term="bot")
    if travel.show_cannot_travel("The table of bots"):
        return
    equity = bots.read_bot_equity(cache.get_reader())
    if len(equity):
        live.show_chart(plot_bots(equity), key="bots", label="Equity of the bots and of the engine")
    live.show_live_table(render_table(COLUMNS, list_bots(frame), label="Bots against the engine"), key="bot table", reserved=len(frame))


def list_bots(frame: pd.DataFrame) -> list[TableRow]:
    """Return a row for each bot, retired ones last."""
    rows = []
    for bot in iterate_rows(frame):
        cells = (
            bot.bot,
            Cell(describe_bot_verdict(bot), COLOURS.get(bot.verdict, theme.NEUTRAL)),
            units.format_money(finite_or_none(bot.equity)),
            units.format_percent(finite_or_none(bot.own_gain), 2, signed=True),
            units.format_percent(finite_or_none(bot.engine_gain), 2, signed=True),
            units.format_number(bot.pairs),
            units.format_number(finite_or_none(bot.mean_gain_bps), 3, "bps", signed=True, missing=units.NOT_MEASURED),
            describe_evidence(finite_or_none(bot.log_e_better), finite_or_none(bot.log_threshold)),
            describe_evidence(finite_or_none(bot.log_e_worse), finite_or_none(bot.log_threshold)),
            units.format_number(bot.intents),
            units.format_number(bot.late),
            units.format_number(bot.refused),
        )
        rows.append(TableRow(f"bot {bot.number}", cells))
    return rows


def describe_bot_verdict(bot: Any) -> str:
    """Return the verdict on a row of v_bots in plain words."""
    retired = "; retired after a week without an intent" if bot.state == "retired" else ""
    if bot.verdict == "better":
        return f"better than the engine since tick {units.format_number(bot.verdict_tick)}{retired}"
    if bot.verdict == "worse":
        return f"worse than the engine since tick {units.format_number(bot.verdict_tick)}{retired}"
    if bot.verdict == "equivalent":
        return f"as good as the engine since tick {units.format_number(bot.verdict_tick)}{retired}"
    return ("not enough evidence yet" if bot.pairs else "waits for its first pair") + retired


def describe_evidence(log_e: float | None, log_threshold: float | None) -> str:
    """Return an e-value against the one that a verdict takes."""
    if log_e is None or log_threshold is None:
        return units.NOT_MEASURED
    return f"{_format_power(log_e)} of {_format_power(log_threshold)}"


def plot_bots(frame: pd.DataFrame) -> Figure:
    """Gain of every bot, and of the engine, since each line begins; columns of bots.read_bot_equity."""
    figure = new_figure(height=230, right=110)
    names = [str(name) for name in dict.fromkeys(frame["name"].tolist())]
    for place, name in enumerate(sorted(names, key=lambda name: name == "")):
        rows = frame[frame["name"] == name]
        label, colour, width = ("Podium", theme.UP, 2.0) if name == "" else (escape_text(name), theme.category_colour(place + 1), 1.4)
        gains = _measure_gains(rows["equity"].tolist())
        figure.add_trace(
            "scatter", x=[int(at) // units.MS for at in rows["at"].tolist()], y=gains, mode="lines", name=label,
            line={"color": colour, "width": width}, hovertemplate=f"{label} %{{y:+.2f}} %<extra></extra>",
        )  # fmt: skip
        if gains and gains[-1] is not None:
            figure.add_note(label, x=1, xref="paper", y=gains[-1], xanchor="left", xshift=6)
    figure.set_axis("yaxis", ticksuffix=" %", zeroline=True, zerolinecolor=theme.GRID, nticks=6)
    figure.set_axis("xaxis", type="date", showgrid=False, nticks=8)
    return figure


def _measure_gains(equity: Sequence[float]) -> list[float | None]:
    start = next((value for value in equity if units.is_known(value) and value > 0.0), None)
    return [(value / start - 1.0) * 100.0 if start is not None and units.is_known(value) else None for value in equity]


def _format_power(log_value: float) -> str:
    """Return exp(log_value) with two digits, and as a power of ten where it is large."""
    return (
        f"10^{log_value / math.log(10.0):.0f}"
        if log_value > 11.0
        else f"{math.exp(log_value):.2g}"
        if log_value < 2.3
        else f"{math.exp(log_value):,.0f}"
    )
