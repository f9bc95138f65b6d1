"""Charts of the models: votes, weights, agreement, calibration and declined trades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from engine import units
from engine.domain.intents import phrase_gate
from engine.store.read.models import HorizonCalibration
from pages.ui import forest_plot, reliability_chart, theme
from pages.ui.charts import Figure, category_axis, escape_text, new_figure
from pages.ui.forest_plot import HOVER_TEMPLATE, IntervalEstimate, Series, finite_or_none, iterate_rows, to_percent

ENSEMBLE = "ensemble"
AGREEMENT_SCALE = [[0.0, "rgba(213,94,0,0.72)"], [0.5, "rgba(107,114,128,0.10)"], [1.0, "rgba(0,114,178,0.72)"]]
MAX_NAME_WIDTH = 220  # px for the names beside the lines, so that the plot keeps its room whatever a model is called


def model_colour(model: str, models: Sequence[str]) -> str:
    """Return the colour of a model, the same on every page; the ensemble has the colour of text."""
    return theme.category_colour(models.index(model)) if model in models else theme.TEXT


def plot_skill(frame: pd.DataFrame, models: Sequence[str], regimes: Sequence[str], horizon: int) -> Figure:
    """Plot out-of-sample R², a row per model, in every regime."""
    points = [
        IntervalEstimate(
            row.model,
            _regime(row.regime),
            to_percent(row.r2),
            to_percent(row.low),
            to_percent(row.high),
            int(row.n),
            hover_note=_effective(row.n_effective),
        )
        for row in iterate_rows(frame[(frame["horizon"] == horizon) & (frame["scope"] != "recent")])
    ]
    series: list[Series] = [("all regimes", theme.TEXT), *((name, theme.regime_colour(name, place)) for place, name in enumerate(regimes))]
    return forest_plot.plot_intervals(points, [ENSEMBLE, *models], series)


def plot_votes(frame: pd.DataFrame, models: Sequence[str], horizon: int) -> Figure:
    """Plot each model's forecast by symbol, larger with weight and fainter with less reliability; the ensemble as a diamond."""
    shown = frame[(frame["horizon"] == horizon) & frame["bps"].notna()]
    symbols = [escape_text(symbol) for symbol in dict.fromkeys(frame["symbol"])]
    drawn = new_figure(height=64 + 40 * len(symbols), top=26, bottom=30)
    for model in (*models, ENSEMBLE):
        part = shown[shown["model"] == model]
        is_ensemble = model == ENSEMBLE
        marker = {
            "size": 11 if is_ensemble else [7 + 12 * weight for weight in part["weight"].fillna(0.0)],
            "symbol": "diamond" if is_ensemble else "circle",
            "color": model_colour(model, models),
            "opacity": 1.0 if is_ensemble else [0.3 + 0.7 * trust for trust in part["trust"].fillna(0.0)],
        }
        drawn.add_trace(
            "scatter", x=part["bps"].tolist(), y=[escape_text(symbol) for symbol in part["symbol"]], mode="markers", marker=marker,
            hovertext=[_vote(row) for row in iterate_rows(part)], hovertemplate=HOVER_TEMPLATE,
        )  # fmt: skip
    forest_plot.add_legend(drawn, [*((model, model_colour(model, models)) for model in models), (ENSEMBLE, theme.TEXT)])
    drawn.set_axis("yaxis", **category_axis(symbols) | {"showgrid": True})
    drawn.set_axis("xaxis", ticksuffix=" bps", zeroline=True, zerolinecolor=theme.MUTED, nticks=7)
    return drawn


def plot_weights(frame: pd.DataFrame, models: Sequence[str], horizon: int) -> Figure:
    """Plot the ensemble's weight of every model through the session."""
    drawn = new_figure(height=290, right=min(MAX_NAME_WIDTH, 52 + 7 * max(map(len, models), default=0)))
    for model in models:
        part = frame[(frame["model"] == model) & (frame["horizon"] == horizon)]
        drawn.add_trace(
            "scatter", x=part["tick"].tolist(), y=[finite_or_none(weight) for weight in part["weight"].tolist()], mode="lines",
            name=escape_text(model), line={"color": model_colour(model, models), "width": 1.8}, connectgaps=False,
            hovertemplate=f"{escape_text(model)} %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    forest_plot.label_line_ends(drawn, digits=2, unit="")
    drawn.set_axis("yaxis", rangemode="tozero", nticks=6)
    title = {"text": "tick", "font": {"size": 11, "color": theme.MUTED}, "standoff": 4}
    drawn.set_axis("xaxis", tickformat=",d", showgrid=False, nticks=7, hoverformat=",d", title=title)
    drawn.layout["hovermode"] = "x unified"
    return drawn


def plot_agreement(frame: pd.DataFrame, models: Sequence[str]) -> Figure:
    """Plot how often two models point the same way."""
    pairs = {(row.model, row.other): (row.share, row.n) for row in iterate_rows(frame)}
    names = [escape_text(model) for model in models]
    shares: list[list[float | None]] = []
    hover: list[list[str]] = []
    for model, name in zip(models, names, strict=True):
        row = [pairs.get((model, other), (None, 0)) for other in models]
        shares.append([finite_or_none(share) if model != other else None for (share, _), other in zip(row, models, strict=True)])
        hover.append([f"<b>{name}</b> and <b>{other}</b><br>{_same(share, n)}" for (_, n), share, other in zip(row, shares[-1], names, strict=True)])
    drawn = new_figure(height=66 + 30 * len(models), bottom=8, top=34)
    drawn.add_trace(
        "heatmap", z=shares, x=names, y=names, text=[[units.format_percent(share, 0, missing="") for share in row] for row in shares],
        texttemplate="%{text}", textfont={"size": 11, "color": theme.TEXT}, hovertext=hover, hovertemplate=HOVER_TEMPLATE, zmin=0, zmax=1,
        colorscale=AGREEMENT_SCALE, showscale=False, xgap=2, ygap=2,
    )  # fmt: skip
    drawn.set_axis("yaxis", **category_axis(names))
    drawn.set_axis("xaxis", side="top", type="category", showgrid=False, fixedrange=True, tickangle=0, tickfont={"size": 11, "color": theme.TEXT})
    drawn.layout["meta"] = {"narrow": {"layout.xaxis.tickangle": -50}}
    return drawn


def plot_reliability(part: HorizonCalibration) -> Figure:
    """Plot the observed share against the stated probability; the line is perfect calibration."""
    drawn = new_figure(height=300, bottom=44)
    points = [(bin_.stated, bin_.observed) for bin_ in part.bins if bin_.observed.n >= reliability_chart.MIN_ROWS]
    values = [value * 100 for stated, share in points for value in (stated, share.share or 0.0)]
    low, high = max(0.0, min([*values, 40.0]) - 6), min(100.0, max([*values, 60.0]) + 6)
    drawn.add_trace("scatter", x=[low, high], y=[low, high], mode="lines", line={"color": theme.MUTED, "width": 1, "dash": "dot"}, hoverinfo="skip")
    reliability_chart.add_reliability_points(drawn, points, theme.UP, "", numbered=True)
    reliability_chart.set_square_axes(drawn, low, high)
    return drawn


def plot_coverage(part: HorizonCalibration) -> Figure:
    """Plot the coverage of the 80 and 90 % intervals by regime."""
    shown = [
        IntervalEstimate(
            _regime(regime),
            f"{units.format_percent(level, 0)} interval",
            to_percent(share.share),
            to_percent(share.low),
            to_percent(share.high),
            share.n,
        )
        for level, regime, share in part.coverage
    ]
    rows = sorted({point.row for point in shown}, key=lambda name: (name != "all regimes", name))
    levels = sorted({level for level, _, _ in part.coverage})
    series = [(f"{units.format_percent(level, 0)} interval", theme.category_colour(place * 3)) for place, level in enumerate(levels)]
    return forest_plot.plot_intervals(shown, rows, series, digits=1, marks=[level * 100 for level in levels], height=300)


def plot_declined_trades(frame: pd.DataFrame, gates: Sequence[str]) -> Figure:
    """Plot the mean P&L of the trades each gate declined: costs to the right, savings to the left, grey where undecided."""
    points = [
        IntervalEstimate(
            phrase_gate(row.gate),
            "",
            finite_or_none(row.mean_bps),
            finite_or_none(row.low),
            finite_or_none(row.high),
            int(row.n),
            judge_gate(row.low, row.high)[1],
        )
        for row in iterate_rows(frame[frame["gate"].isin(gates)])
    ]
    return forest_plot.plot_intervals(points, [phrase_gate(gate) for gate in gates], [("", theme.NEUTRAL)], unit="bps", digits=1)


def judge_gate(low: object, high: object) -> tuple[str, str]:
    """Return the word and colour for the interval of a gate's declined-trade P&L."""
    bottom, top = finite_or_none(low), finite_or_none(high)
    if bottom is None or top is None:
        return units.NOT_ENOUGH, theme.NEUTRAL
    if bottom > 0:
        return "costs", theme.HARM
    return ("saves", theme.GOOD) if top < 0 else ("neither", theme.NEUTRAL)


def _vote(row: Any) -> str:
    probability = (
        f"<br>P({'rise' if row.model == ENSEMBLE else 'direction'}) {units.format_percent(row.confidence)}" if units.is_known(row.confidence) else ""
    )
    head = f"<b>{escape_text(row.symbol)}</b> {escape_text(row.model)}<br>expects {units.format_bps(row.bps, signed=True)}"
    if row.model == ENSEMBLE:
        return head + probability
    return f"{head}<br>reliability {units.format_number(row.trust, 2)}, weight {units.format_number(row.weight, 3)}{probability}"


def _same(share: float | None, n: int) -> str:
    return f"the same way in {units.format_percent(share)} of {n:,} votes" if share is not None else "never active together" if not n else ""


def _regime(name: str) -> str:
    return "all regimes" if name == "all" else name


def _effective(n: object) -> str:
    return f"effective n {units.format_number(finite_or_none(n))}" if finite_or_none(n) is not None else ""
