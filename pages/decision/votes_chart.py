"""The chart of the votes: each model's forecast, and the ensemble's."""

from __future__ import annotations

from engine import units
from engine.store.read.decision import DecisionDetails
from pages.ui import theme
from pages.ui.charts import Figure, category_axis, escape_text, new_figure
from pages.ui.forest_plot import HOVER_TEMPLATE

LONG_NAME = 12  # characters of a model's name on one line


def plot_votes(decision: DecisionDetails) -> Figure:
    """The forecast of each model over each horizon, larger with its weight; the ensemble below with its 90 % interval."""
    horizons, names = decision.session.horizons, [*map(_model_label, decision.session.models), "ensemble"]
    figure = new_figure(height=70 + 30 * len(names), top=28, bottom=34)
    width = (1 - 0.04 * (len(horizons) - 1)) / len(horizons)
    for column, horizon in enumerate(horizons):
        number, left = (str(column + 1) if column else ""), column * (width + 0.04)
        figure.set_axis(f"xaxis{number}", domain=[left, left + width], anchor="y", nticks=4, zeroline=True, zerolinecolor=theme.MUTED)
        figure.add_note(_column_title(horizon, decision), size=12, xref="paper", x=left + width / 2, yref="paper", y=1, yanchor="bottom", yshift=4)
        _add_models(figure, decision, horizon, f"x{number}")
        _add_ensemble(figure, decision, horizon, f"x{number}")
    figure.set_axis("yaxis", **category_axis(names) | {"showgrid": True})
    titles = {f"layout.annotations.{column}.text": units.format_count(horizon, "bar") for column, horizon in enumerate(horizons)}
    figure.layout["meta"] = {"narrow": {"layout.xaxis.nticks": 3, **titles}}
    return figure


def _add_models(figure: Figure, decision: DecisionDetails, horizon: int, axis: str) -> None:
    there = [vote for vote in decision.votes if vote.horizon == horizon and vote.bps is not None]
    marker = {
        "size": [8 + 14 * (vote.weight or 0.0) for vote in there],
        "color": [theme.UP if (vote.bps or 0.0) > 0 else theme.DOWN for vote in there],
        "opacity": [0.35 + 0.65 * (vote.trust or 0.0) for vote in there],
    }
    hover = [
        f"<b>{escape_text(vote.model)}</b> {escape_text(vote.version or '')}<br>forecast {units.format_bps(vote.bps, signed=True)}"
        f"<br>reliability {units.format_number(vote.trust, 2)}, weight {units.format_number(vote.weight, 3)}"
        for vote in there
    ]
    figure.add_trace(
        "scatter", x=[vote.bps for vote in there], y=[_model_label(vote.model) for vote in there], xaxis=axis, mode="markers", marker=marker,
        hovertext=hover, hovertemplate=HOVER_TEMPLATE,
    )  # fmt: skip


def _add_ensemble(figure: Figure, decision: DecisionDetails, horizon: int, axis: str) -> None:
    forecast = next((expected for expected in decision.forecast if expected.horizon == horizon), None)
    if forecast is None or forecast.bps is None:
        return
    band: dict[str, object] = {}
    if forecast.low_bps is not None and forecast.high_bps is not None:
        reach = {"array": [forecast.high_bps - forecast.bps], "arrayminus": [forecast.bps - forecast.low_bps]}
        band = {"error_x": {"type": "data", "symmetric": False, "thickness": 1.5, "width": 5, "color": theme.TEXT} | reach}
    interval = units.format_interval(forecast.low_bps, forecast.high_bps, 1, "bps")
    hover = f"<b>ensemble</b> {units.format_bps(forecast.bps, signed=True)}<br>90 %: {interval}"
    figure.add_trace(
        "scatter", x=[forecast.bps], y=["ensemble"], xaxis=axis, mode="markers", hovertext=[hover], hovertemplate=HOVER_TEMPLATE,
        marker={"size": 12, "symbol": "diamond", "color": theme.UP if forecast.bps > 0 else theme.DOWN}, **band,
    )  # fmt: skip


def _model_label(model: str) -> str:
    """Return a model's name for an axis, a long one on two lines."""
    first, _, last = escape_text(model).replace("_", " ").rpartition(" ")
    return f"{first}{'<br>' if len(model) > LONG_NAME else ' '}{last}" if first else last


def _column_title(horizon: int, decision: DecisionDetails) -> str:
    mark = ", acted on" if horizon == decision.horizon else ""
    return f"{units.format_count(horizon, 'bar')}{mark}, bps"
