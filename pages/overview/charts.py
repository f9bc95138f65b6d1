"""The gate strip of Overview."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import orjson
import pandas as pd

from engine import units
from engine.domain.intents import phrase_gate
from engine.explain import describe_fault
from engine.store.read.status import SessionInfo
from pages.ui import theme
from pages.ui.charts import Figure, escape_text, new_figure
from pages.ui.forest_plot import iterate_rows

MAX_SYMBOLS = 24  # symbols in the strip at most
ACTION_COLOURS = 3  # bought, sold, and held without a failed gate come before the gates
REMEMBERED = 6_000  # descriptions, twice what a strip of 24 symbols shows
HELD_FREELY = 2.5  # held although no gate failed


@dataclass(frozen=True, slots=True)
class StripColumn:
    """A tick of the strip, by symbol from the first row: colour codes (None for no decision), hovers, and the decisions they open."""

    codes: list[float | None]
    hovers: list[str]
    links: list[str]


def plot_gate_strip(frame: pd.DataFrame, session: SessionInfo) -> Figure:
    """One row per symbol, one column per tick, coloured by the binding gate; bright where it bought or sold."""
    return compose_gate_strip(build_strip_columns(frame, session), session)


def build_strip_columns(frame: pd.DataFrame, session: SessionInfo) -> dict[int, StripColumn]:
    """Return the columns of these decisions by tick, ascending."""
    names = [name for name, _, _ in session.gates]
    rows = {symbol: row for row, symbol in enumerate(session.symbols[:MAX_SYMBOLS])}
    gates = {name: place for place, name in enumerate(names)}
    times = {int(at): units.format_time(int(at), "%Y-%m-%d %H:%M") for at in frame["at"].unique()}
    columns: dict[int, StripColumn] = {
        int(tick): StripColumn([None] * len(rows), [""] * len(rows), [""] * len(rows)) for tick in sorted(set(frame["tick"].tolist()))
    }
    for decision in iterate_rows(frame):
        row = rows.get(decision.symbol)
        if row is not None:
            column = columns[decision.tick]
            column.codes[row] = _colour_code(decision.action, decision.binding_gate, names)
            gate = gates.get(decision.binding_gate)
            column.hovers[row] = _describe_decision(
                decision.symbol, decision.action, decision.tick, times[decision.at], decision.intent, decision.gates, gate,
                None if gate is None else session.gates[gate],
            )  # fmt: skip
            column.links[row] = f"{decision.tick} {decision.symbol}"
    return columns


def compose_gate_strip(columns: Mapping[int, StripColumn], session: SessionInfo) -> Figure:
    """Return the strip of these columns."""
    names, symbols = [name for name, _, _ in session.gates], list(session.symbols[:MAX_SYMBOLS])
    ticks, places = list(columns), range(len(symbols))
    z = [[column.codes[row] for column in columns.values()] for row in places]
    hover = [[column.hovers[row] for column in columns.values()] for row in places]
    links = [[column.links[row] for column in columns.values()] for row in places]
    figure = new_figure(height=46 + 24 * len(symbols), bottom=26)
    figure.add_trace(
        "heatmap", z=z, x=ticks, y=[escape_text(symbol) for symbol in symbols], text=hover, customdata=links,
        hovertemplate="%{text}<extra></extra>", showscale=False, xgap=1, ygap=2, zmin=0, zmax=len(names) + ACTION_COLOURS,
        colorscale=_colour_scale(len(names)),
    )  # fmt: skip
    figure.set_axis("yaxis", autorange="reversed", showgrid=False, type="category", fixedrange=True, tickfont={"color": theme.TEXT, "size": 12})
    figure.set_axis(
        "xaxis", showgrid=False, tickformat=",d", nticks=8, title={"text": "tick", "font": {"size": 11, "color": theme.MUTED}, "standoff": 4}
    )
    return figure


def _colour_code(action: str, gate: str | None, names: list[str]) -> float:
    if action != "hold":
        return 0.5 if action == "buy" else 1.5
    return names.index(gate) + ACTION_COLOURS + 0.5 if gate in names else HELD_FREELY


def _colour_scale(gates: int) -> list[list[object]]:
    colours = [theme.UP, theme.DOWN, theme.FREE, *(theme.gate_colour(place) for place in range(gates))]
    steps: list[list[object]] = []
    for place, colour in enumerate(colours):
        steps += [[place / len(colours), colour], [(place + 1) / len(colours), colour]]
    return steps


@lru_cache(maxsize=REMEMBERED)
def _describe_decision(
    symbol: str, action: str, tick: int, when: str, intent: str, stored: str, place: int | None, binding: tuple[str, str, str] | None
) -> str:
    """Describe a stored decision, which never changes: a strip of the next tick has one new column."""
    head = f"<b>{escape_text(symbol)}</b> {escape_text(action)} · tick {tick:,}<br>{when} UTC"
    if place is None or binding is None:
        return head + (f"<br>intent: {escape_text(intent)}" if action != "hold" else "<br>no gate failed")
    gates = orjson.loads(stored)
    gate, sense, unit = binding
    value, limit = gates["value"][place], gates["limit"][place]
    margin = None if value is None or limit is None else (limit - value if sense == "<=" else value - limit)
    digits = 2 if margin is not None and math.isfinite(margin) and abs(margin) < 10 else 1
    needs = escape_text(f"{units.format_number(value, digits)}, needs {sense} {units.format_number(limit, digits, unit)}")
    if gate == "fresh data" and gates.get("fault"):
        return f"{head}<br>{escape_text(phrase_gate(gate))}: {escape_text(describe_fault(gates['fault'], value))}"
    if not unit:
        return f"{head}<br>{escape_text(phrase_gate(gate))}"
    return f"{head}<br>{escape_text(phrase_gate(gate))}: {escape_text(gate)} {needs} (margin {units.format_number(margin, digits, signed=True)})"
