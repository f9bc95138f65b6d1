"""The charts of Models: votes, weights, who agrees with whom, how far what is stated can be relied on, and what gates cost."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from engine.domain.intents import gate_in_words
from engine.store.model_queries import Reliability, Share
from pages.parts import estimates, theme, units
from pages.parts.estimates import TOLD, Estimate, Series, each, known, percent
from pages.parts.figure import NO_FILL, Figure, escaped, figure, names_down

ENSEMBLE = "ensemble"
FEWEST = 30  # rows of a tenth before it is drawn
AGREES = [[0.0, "rgba(213,94,0,0.72)"], [0.5, "rgba(107,114,128,0.10)"], [1.0, "rgba(0,114,178,0.72)"]]


def colour(model: str, models: Sequence[str]) -> str:
    """The colour of a model wherever it is drawn; the ensemble is in the colour of text."""
    return theme.category(models.index(model)) if model in models else theme.TEXT


def skill(frame: pd.DataFrame, models: Sequence[str], regimes: Sequence[str], horizon: int) -> Figure:
    """R2 out of sample, a row a model, in every regime."""
    told = [
        Estimate(one.model, _regime(one.regime), percent(one.r2), percent(one.low), percent(one.high), int(one.n), more=_effective(one.n_effective))
        for one in each(frame[(frame["horizon"] == horizon) & (frame["scope"] != "recent")])
    ]
    series: list[Series] = [("all regimes", theme.TEXT), *((name, theme.regime(name, place)) for place, name in enumerate(regimes))]
    return estimates.chart(told, [ENSEMBLE, *models], series)


def votes(frame: pd.DataFrame, models: Sequence[str], horizon: int) -> Figure:
    """What each model expects of each symbol, larger with weight and fainter with less trust; the ensemble as a diamond."""
    told = frame[(frame["horizon"] == horizon) & frame["bps"].notna()]
    symbols = [escaped(symbol) for symbol in dict.fromkeys(frame["symbol"])]
    drawn = figure(height=64 + 40 * len(symbols), top=26, bottom=30)
    for model in (*models, ENSEMBLE):
        part = told[told["model"] == model]
        own, whole = colour(model, models), model == ENSEMBLE
        marker = {
            "size": 11 if whole else [7 + 12 * weight for weight in part["weight"].fillna(0.0)],
            "symbol": "diamond" if whole else "circle",
            "color": own,
            "opacity": 1.0 if whole else [0.3 + 0.7 * trust for trust in part["trust"].fillna(0.0)],
        }
        hover = [_vote(one) for one in each(part)]
        drawn.add(
            "scatter",
            x=part["bps"].tolist(),
            y=[escaped(symbol) for symbol in part["symbol"]],
            mode="markers",
            marker=marker,
            hovertext=hover,
            hovertemplate=TOLD,
        )
    estimates.legend(drawn, [*((model, colour(model, models)) for model in models), (ENSEMBLE, theme.TEXT)])
    drawn.axis("yaxis", **names_down(symbols) | {"showgrid": True})
    drawn.axis("xaxis", ticksuffix=" bps", zeroline=True, zerolinecolor=theme.MUTED, nticks=7)
    return drawn


def weights(frame: pd.DataFrame, models: Sequence[str], horizon: int) -> Figure:
    """What the ensemble multiplied the forecast of every model with, through the session."""
    lines = figure(height=290, right=118)
    for model in models:
        part = frame[(frame["model"] == model) & (frame["horizon"] == horizon)]
        shown = [known(weight) for weight in part["weight"].tolist()]
        lines.add(
            "scatter", x=part["tick"].tolist(), y=shown, mode="lines", name=escaped(model), line={"color": colour(model, models), "width": 1.8},
            connectgaps=False, hovertemplate=f"{escaped(model)} %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    estimates.name_ends(lines, digits=2, unit="")
    lines.axis("yaxis", rangemode="tozero", nticks=6)
    lines.axis(
        "xaxis",
        tickformat=",d",
        showgrid=False,
        nticks=7,
        hoverformat=",d",
        title={"text": "tick", "font": {"size": 11, "color": theme.MUTED}, "standoff": 4},
    )
    lines.layout["hovermode"] = "x unified"
    return lines


def agreement(frame: pd.DataFrame, models: Sequence[str]) -> Figure:
    """How often two models point the same way."""
    share = {(one.model, one.other): (one.share, one.n) for one in each(frame)}
    z: list[list[float | None]] = []
    words: list[list[str]] = []
    hover: list[list[str]] = []
    for one in models:
        row = [share.get((one, other), (None, 0)) for other in models]
        there = [known(value) if one != other else None for (value, _), other in zip(row, models, strict=True)]
        z.append(there)
        words.append([units.percent(value, 0, missing="") for value in there])
        hover.append(
            [
                f"<b>{escaped(one)}</b> and <b>{escaped(other)}</b><br>{_same(value, n)}"
                for (_, n), value, other in zip(row, there, models, strict=True)
            ]
        )
    names = [escaped(model) for model in models]
    drawn = figure(height=66 + 30 * len(models), bottom=8, top=34)
    drawn.add(
        "heatmap", z=z, x=names, y=names, text=words, texttemplate="%{text}", textfont={"size": 11, "color": theme.TEXT},
        hovertext=hover, hovertemplate=TOLD, zmin=0, zmax=1, colorscale=AGREES, showscale=False, xgap=2, ygap=2,
    )  # fmt: skip
    drawn.axis("yaxis", **names_down(names))
    drawn.axis("xaxis", side="top", type="category", showgrid=False, fixedrange=True, tickangle=0, tickfont={"size": 11, "color": theme.TEXT})
    drawn.layout["meta"] = {"narrow": {"layout.xaxis.tickangle": -50}}
    return drawn


def reliability(told: Reliability) -> Figure:
    """How often it came, against how likely it was said to be; on the line is right."""
    drawn = figure(height=300, bottom=44)
    points = [(one.stated, one.observed) for one in told.bins if one.observed.n >= FEWEST]
    values = [value * 100 for stated, share in points for value in (stated, share.share or 0.0)]
    low, high = max(0.0, min([*values, 40.0]) - 6), min(100.0, max([*values, 60.0]) + 6)
    drawn.add("scatter", x=[low, high], y=[low, high], mode="lines", line={"color": theme.MUTED, "width": 1, "dash": "dot"}, hoverinfo="skip")
    add_reliability(drawn, points, theme.UP, "", numbered=True)
    square(drawn, low, high)
    return drawn


def add_reliability(drawn: Figure, points: Sequence[tuple[float, Share]], own: str, name: str, *, numbered: bool) -> None:
    """Points of stated probability and observed share, larger with n, each with its interval; hollow where there is none."""
    stated, seen = [x * 100 for x, _ in points], [(share.share or 0.0) * 100 for _, share in points]
    most = max((share.n for _, share in points), default=1)
    marker = {
        "size": [7 + 11 * (share.n / most) ** 0.5 for _, share in points],
        "color": [NO_FILL if share.low is None else own for _, share in points],
        "line": {"color": own, "width": 1.5},
    }
    hover = [
        f"{name} stated {units.number(x, 1, '%')}, came {units.number(y, 1, '%')}<br>95 %: {_band(share.low, share.high)}<br>n={share.n:,}"
        for x, y, (_, share) in zip(stated, seen, points, strict=True)
    ]
    above = [0.0 if share.high is None else share.high * 100 - y for y, (_, share) in zip(seen, points, strict=True)]
    below = [0.0 if share.low is None else y - share.low * 100 for y, (_, share) in zip(seen, points, strict=True)]
    drawn.add(
        "scatter", x=stated, y=seen, mode="markers+text" if numbered else "markers", text=[f"n={share.n:,}" for _, share in points],
        textposition="bottom right", textfont={"size": 10, "color": theme.MUTED}, marker=marker, hovertext=hover, hovertemplate=TOLD,
        error_y={"type": "data", "symmetric": False, "thickness": 1.5, "width": 4, "color": own, "array": above, "arrayminus": below},
    )  # fmt: skip


def square(drawn: Figure, low: float, high: float) -> None:
    """The same span on both axes, so that right is the diagonal."""
    for axis, words in (("xaxis", "stated probability of a rise"), ("yaxis", "rose")):
        drawn.axis(
            axis, ticksuffix=" %", range=[low, high], nticks=6, title={"text": words, "font": {"size": 11, "color": theme.MUTED}, "standoff": 6}
        )


def coverage(told: Reliability) -> Figure:
    """How often the 80 and 90 % intervals held what came, by regime."""
    shown = [
        Estimate(_regime(regime), f"{units.percent(level, 0)} interval", percent(one.share), percent(one.low), percent(one.high), one.n)
        for level, regime, one in told.coverage
    ]
    rows = sorted({one.row for one in shown}, key=lambda name: (name != "all regimes", name))
    levels = sorted({level for level, _, _ in told.coverage})
    series = [(f"{units.percent(level, 0)} interval", theme.category(place * 3)) for place, level in enumerate(levels)]
    return estimates.chart(shown, rows, series, digits=1, marks=[level * 100 for level in levels], height=300)


def regret(frame: pd.DataFrame, gates: Sequence[str]) -> Figure:
    """What each gate of the ladder cost or saved a declined trade; harm to the right, good to the left, grey where it cannot be told."""
    told = [
        Estimate(gate_in_words(one.gate), "", known(one.mean_bps), known(one.low), known(one.high), int(one.n), verdict(one.low, one.high)[1])
        for one in each(frame[frame["gate"].isin(gates)])
    ]
    return estimates.chart(told, [gate_in_words(gate) for gate in gates], [("", theme.NEUTRAL)], unit="bps", digits=1)


def verdict(low: object, high: object) -> tuple[str, str]:
    """What a gate's interval says, in a word with its colour."""
    bottom, top = known(low), known(high)
    if bottom is None or top is None:
        return units.NOT_ENOUGH, theme.NEUTRAL
    if bottom > 0:
        return "costs", theme.HARM
    return ("saves", theme.GOOD) if top < 0 else ("neither", theme.NEUTRAL)


def _vote(one: object) -> str:
    model, symbol, bps, trust, weight, confidence = (getattr(one, name) for name in ("model", "symbol", "bps", "trust", "weight", "confidence"))
    sure = f"<br>P(direction) {units.percent(confidence)}" if units.known(confidence) else ""
    if model == ENSEMBLE:
        return f"<b>{escaped(symbol)}</b> {model}<br>expects {units.bps(bps, signed=True)}" + sure.replace("direction", "rise")
    heard = f"<br>trust {units.number(trust, 2)}, weight {units.number(weight, 3)}"
    return f"<b>{escaped(symbol)}</b> {escaped(model)}<br>expects {units.bps(bps, signed=True)}{heard}{sure}"


def _same(share: float | None, n: int) -> str:
    return f"the same way in {units.percent(share)} of {n:,} votes" if share is not None else "never heard together" if not n else ""


def _band(low: float | None, high: float | None) -> str:
    return units.interval(percent(low), percent(high), 1, "%")


def _regime(name: str) -> str:
    return "all regimes" if name == "all" else name


def _effective(n: object) -> str:
    return f"effective n {units.number(known(n))}" if known(n) is not None else ""
