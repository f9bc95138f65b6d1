"""The charts of Models: votes, weights, who agrees with whom, how far what is stated can be relied on, and what gates cost."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from engine import units
from engine.domain.intents import phrase_gate
from engine.store.read.models import HorizonCalibration, ObservedShare
from pages.ui import forest_plot, theme
from pages.ui.charts import NO_FILL, Figure, category_axis, escape_text, new_figure
from pages.ui.forest_plot import HOVER_TEMPLATE, IntervalEstimate, Series, finite_or_none, iterate_rows, to_percent

ENSEMBLE = "ensemble"
MIN_ROWS = 30  # rows of a tenth before it is drawn
AGREEMENT_SCALE = [[0.0, "rgba(213,94,0,0.72)"], [0.5, "rgba(107,114,128,0.10)"], [1.0, "rgba(0,114,178,0.72)"]]


def model_colour(model: str, models: Sequence[str]) -> str:
    """The colour of a model wherever it is drawn; the ensemble is in the colour of text."""
    return theme.category_colour(models.index(model)) if model in models else theme.TEXT


def plot_skill(frame: pd.DataFrame, models: Sequence[str], regimes: Sequence[str], horizon: int) -> Figure:
    """R2 out of sample, a row a model, in every regime."""
    told = [
        IntervalEstimate(
            one.model,
            _regime(one.regime),
            to_percent(one.r2),
            to_percent(one.low),
            to_percent(one.high),
            int(one.n),
            hover_note=_effective(one.n_effective),
        )
        for one in iterate_rows(frame[(frame["horizon"] == horizon) & (frame["scope"] != "recent")])
    ]
    series: list[Series] = [("all regimes", theme.TEXT), *((name, theme.regime_colour(name, place)) for place, name in enumerate(regimes))]
    return forest_plot.plot_intervals(told, [ENSEMBLE, *models], series)


def plot_votes(frame: pd.DataFrame, models: Sequence[str], horizon: int) -> Figure:
    """What each model expects of each symbol, larger with weight and fainter with less trust; the ensemble as a diamond."""
    told = frame[(frame["horizon"] == horizon) & frame["bps"].notna()]
    symbols = [escape_text(symbol) for symbol in dict.fromkeys(frame["symbol"])]
    drawn = new_figure(height=64 + 40 * len(symbols), top=26, bottom=30)
    for model in (*models, ENSEMBLE):
        part = told[told["model"] == model]
        own, whole = model_colour(model, models), model == ENSEMBLE
        marker = {
            "size": 11 if whole else [7 + 12 * weight for weight in part["weight"].fillna(0.0)],
            "symbol": "diamond" if whole else "circle",
            "color": own,
            "opacity": 1.0 if whole else [0.3 + 0.7 * trust for trust in part["trust"].fillna(0.0)],
        }
        hover = [_vote(one) for one in iterate_rows(part)]
        drawn.add_trace(
            "scatter",
            x=part["bps"].tolist(),
            y=[escape_text(symbol) for symbol in part["symbol"]],
            mode="markers",
            marker=marker,
            hovertext=hover,
            hovertemplate=HOVER_TEMPLATE,
        )
    forest_plot.add_legend(drawn, [*((model, model_colour(model, models)) for model in models), (ENSEMBLE, theme.TEXT)])
    drawn.set_axis("yaxis", **category_axis(symbols) | {"showgrid": True})
    drawn.set_axis("xaxis", ticksuffix=" bps", zeroline=True, zerolinecolor=theme.MUTED, nticks=7)
    return drawn


def plot_weights(frame: pd.DataFrame, models: Sequence[str], horizon: int) -> Figure:
    """What the ensemble multiplied the forecast of every model with, through the session."""
    lines = new_figure(height=290, right=118)
    for model in models:
        part = frame[(frame["model"] == model) & (frame["horizon"] == horizon)]
        shown = [finite_or_none(weight) for weight in part["weight"].tolist()]
        lines.add_trace(
            "scatter", x=part["tick"].tolist(), y=shown, mode="lines", name=escape_text(model), line={"color": model_colour(model, models), "width": 1.8},
            connectgaps=False, hovertemplate=f"{escape_text(model)} %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    forest_plot.label_line_ends(lines, digits=2, unit="")
    lines.set_axis("yaxis", rangemode="tozero", nticks=6)
    lines.set_axis(
        "xaxis",
        tickformat=",d",
        showgrid=False,
        nticks=7,
        hoverformat=",d",
        title={"text": "tick", "font": {"size": 11, "color": theme.MUTED}, "standoff": 4},
    )
    lines.layout["hovermode"] = "x unified"
    return lines


def plot_agreement(frame: pd.DataFrame, models: Sequence[str]) -> Figure:
    """How often two models point the same way."""
    share = {(one.one, one.other): (one.share, one.n) for one in iterate_rows(frame)}
    z: list[list[float | None]] = []
    words: list[list[str]] = []
    hover: list[list[str]] = []
    for one in models:
        row = [share.get((one, other), (None, 0)) for other in models]
        there = [finite_or_none(value) if one != other else None for (value, _), other in zip(row, models, strict=True)]
        z.append(there)
        words.append([units.format_percent(value, 0, missing="") for value in there])
        hover.append(
            [
                f"<b>{escape_text(one)}</b> and <b>{escape_text(other)}</b><br>{_same(value, n)}"
                for (_, n), value, other in zip(row, there, models, strict=True)
            ]
        )
    names = [escape_text(model) for model in models]
    drawn = new_figure(height=66 + 30 * len(models), bottom=8, top=34)
    drawn.add_trace(
        "heatmap", z=z, x=names, y=names, text=words, texttemplate="%{text}", textfont={"size": 11, "color": theme.TEXT},
        hovertext=hover, hovertemplate=HOVER_TEMPLATE, zmin=0, zmax=1, colorscale=AGREEMENT_SCALE, showscale=False, xgap=2, ygap=2,
    )  # fmt: skip
    drawn.set_axis("yaxis", **category_axis(names))
    drawn.set_axis("xaxis", side="top", type="category", showgrid=False, fixedrange=True, tickangle=0, tickfont={"size": 11, "color": theme.TEXT})
    drawn.layout["meta"] = {"narrow": {"layout.xaxis.tickangle": -50}}
    return drawn


def plot_reliability(told: HorizonCalibration) -> Figure:
    """How often it came, against how likely it was said to be; on the line is right."""
    drawn = new_figure(height=300, bottom=44)
    points = [(one.stated, one.observed) for one in told.bins if one.observed.n >= MIN_ROWS]
    values = [value * 100 for stated, share in points for value in (stated, share.share or 0.0)]
    low, high = max(0.0, min([*values, 40.0]) - 6), min(100.0, max([*values, 60.0]) + 6)
    drawn.add_trace("scatter", x=[low, high], y=[low, high], mode="lines", line={"color": theme.MUTED, "width": 1, "dash": "dot"}, hoverinfo="skip")
    add_reliability_points(drawn, points, theme.UP, "", numbered=True)
    set_square_axes(drawn, low, high)
    return drawn


def add_reliability_points(drawn: Figure, points: Sequence[tuple[float, ObservedShare]], own: str, name: str, *, numbered: bool) -> None:
    """Points of stated probability and observed share, larger with n, each with its interval; hollow where there is none."""
    stated, seen = [x * 100 for x, _ in points], [(share.share or 0.0) * 100 for _, share in points]
    most = max((share.n for _, share in points), default=1)
    marker = {
        "size": [7 + 11 * (share.n / most) ** 0.5 for _, share in points],
        "color": [NO_FILL if share.low is None else own for _, share in points],
        "line": {"color": own, "width": 1.5},
    }
    hover = [
        f"{name} stated {units.format_number(x, 1, '%')}, came {units.format_number(y, 1, '%')}<br>95 %: {_band(share.low, share.high)}<br>n={share.n:,}"
        for x, y, (_, share) in zip(stated, seen, points, strict=True)
    ]
    above = [0.0 if share.high is None else share.high * 100 - y for y, (_, share) in zip(seen, points, strict=True)]
    below = [0.0 if share.low is None else y - share.low * 100 for y, (_, share) in zip(seen, points, strict=True)]
    drawn.add_trace(
        "scatter", x=stated, y=seen, mode="markers+text" if numbered else "markers", text=[f"n={share.n:,}" for _, share in points],
        textposition="bottom right", textfont={"size": 10, "color": theme.MUTED}, marker=marker, hovertext=hover, hovertemplate=HOVER_TEMPLATE,
        error_y={"type": "data", "symmetric": False, "thickness": 1.5, "width": 4, "color": own, "array": above, "arrayminus": below},
    )  # fmt: skip


def set_square_axes(drawn: Figure, low: float, high: float) -> None:
    """The same span on both axes, so that right is the diagonal."""
    for axis, words in (("xaxis", "stated probability of a rise"), ("yaxis", "rose")):
        drawn.set_axis(
            axis, ticksuffix=" %", range=[low, high], nticks=6, title={"text": words, "font": {"size": 11, "color": theme.MUTED}, "standoff": 6}
        )


def plot_coverage(told: HorizonCalibration) -> Figure:
    """How often the 80 and 90 % intervals held what came, by regime."""
    shown = [
        IntervalEstimate(
            _regime(regime), f"{units.format_percent(level, 0)} interval", to_percent(one.share), to_percent(one.low), to_percent(one.high), one.n
        )
        for level, regime, one in told.coverage
    ]
    rows = sorted({one.row for one in shown}, key=lambda name: (name != "all regimes", name))
    levels = sorted({level for level, _, _ in told.coverage})
    series = [(f"{units.format_percent(level, 0)} interval", theme.category_colour(place * 3)) for place, level in enumerate(levels)]
    return forest_plot.plot_intervals(shown, rows, series, digits=1, marks=[level * 100 for level in levels], height=300)


def plot_declined_trades(frame: pd.DataFrame, gates: Sequence[str]) -> Figure:
    """What each gate of the ladder cost or saved a declined trade; harm to the right, good to the left, grey where it cannot be told."""
    told = [
        IntervalEstimate(
            phrase_gate(one.gate),
            "",
            finite_or_none(one.mean_bps),
            finite_or_none(one.low),
            finite_or_none(one.high),
            int(one.n),
            judge_gate(one.low, one.high)[1],
        )
        for one in iterate_rows(frame[frame["gate"].isin(gates)])
    ]
    return forest_plot.plot_intervals(told, [phrase_gate(gate) for gate in gates], [("", theme.NEUTRAL)], unit="bps", digits=1)


def judge_gate(low: object, high: object) -> tuple[str, str]:
    """What a gate's interval says, in a word with its colour."""
    bottom, top = finite_or_none(low), finite_or_none(high)
    if bottom is None or top is None:
        return units.NOT_ENOUGH, theme.NEUTRAL
    if bottom > 0:
        return "costs", theme.HARM
    return ("saves", theme.GOOD) if top < 0 else ("neither", theme.NEUTRAL)


def _vote(one: object) -> str:
    model, symbol, bps, trust, weight, confidence = (getattr(one, name) for name in ("model", "symbol", "bps", "trust", "weight", "confidence"))
    sure = f"<br>P(direction) {units.format_percent(confidence)}" if units.is_known(confidence) else ""
    if model == ENSEMBLE:
        return f"<b>{escape_text(symbol)}</b> {model}<br>expects {units.format_bps(bps, signed=True)}" + sure.replace("direction", "rise")
    heard = f"<br>trust {units.format_number(trust, 2)}, weight {units.format_number(weight, 3)}"
    return f"<b>{escape_text(symbol)}</b> {escape_text(model)}<br>expects {units.format_bps(bps, signed=True)}{heard}{sure}"


def _same(share: float | None, n: int) -> str:
    return f"the same way in {units.format_percent(share)} of {n:,} votes" if share is not None else "never heard together" if not n else ""


def _band(low: float | None, high: float | None) -> str:
    return units.format_interval(to_percent(low), to_percent(high), 1, "%")


def _regime(name: str) -> str:
    return "all regimes" if name == "all" else name


def _effective(n: object) -> str:
    return f"effective n {units.format_number(finite_or_none(n))}" if finite_or_none(n) is not None else ""
