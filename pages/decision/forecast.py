"""What a forecast consists of: exact contributions of the features, computed when asked for, with their sum."""

from __future__ import annotations

from collections.abc import Sequence

from engine import units
from engine.domain.story import FeatureContribution, ForecastContributions, ModelContributions
from engine.store.read.decision import DecisionDetails
from pages.decision import questions
from pages.ui import live, theme, widgets
from pages.ui.charts import Figure, category_axis, escape_text, new_figure
from pages.ui.forest_plot import HOVER_TEMPLATE
from pages.ui.tables import Column, TableRow, number_columns

MODEL_COLUMNS = (
    Column("Model"), Column("Version"), *number_columns("Forecast", "Base", "Features", "Weight"), Column("Largest contributions", full_width=True),
    Column("Base is", full_width=True),
)  # fmt: skip
SHOWN, NAMED = 14, 3  # features of the chart, and of a model's row


def show_forecast(decision: DecisionDetails) -> None:
    """Draw the button and, once computed, the contributions to the ensemble's forecast and to each model's."""
    widgets.show_note("Exact Shapley values of every feature, for the forecast acted on. They add up to it.")
    answer = questions.ask(
        "contributions", ("explain", str(decision.tick), "--symbol", decision.symbol, "--json"), "Computing the contributions of the features",
        label="Compute contributions", detail="Decides the stored tick again in a separate process, then takes its forecasts apart",
        answer_as=ForecastContributions,
    )  # fmt: skip
    if answer is None:
        return
    widgets.show_text(describe_sum(answer))
    if answer.features or answer.whole_models:
        live.show_chart(plot_contributions(answer), key="contributions", label="Contributions of the features to the ensemble's forecast")
        widgets.show_table(MODEL_COLUMNS, list_models(answer.models), label="Every model's forecast as base and contributions")


def describe_sum(answer: ForecastContributions) -> str:
    """Return base, contributions and forecast as a sum."""
    if not answer.models:
        return "No model served at this tick, so there is no forecast to take apart."
    features, wholes = (sum(part.bps for part in parts) for parts in (answer.features, answer.whole_models))
    terms = [f"base {_bps(answer.base_bps)}", f"features {_bps(features)}"]
    terms += [f"models as a whole {_bps(wholes)}"] if answer.whole_models else []
    return f"{', '.join(terms)}: together {_bps(answer.base_bps + features + wholes)}. The ensemble's forecast: {_bps(answer.forecast_bps)}."


def plot_contributions(answer: ForecastContributions) -> Figure:
    """The largest contributions, the rest as one bar, models without exact contributions as a whole, and the base."""
    shown, rest = answer.features[:SHOWN], answer.features[SHOWN:]
    bars = [("base", answer.base_bps, "of the models with exact contributions"), *((part.feature, part.bps, _value(part)) for part in shown)]
    bars += [(f"{len(rest)} other features", sum(part.bps for part in rest), "")] if rest else []
    bars += [(f"{part.feature}, as a whole", part.bps, "no exact contributions for this kind of model") for part in answer.whole_models]
    names, values = [escape_text(name) for name, _, _ in bars], [bps for _, bps, _ in bars]
    figure = new_figure(height=44 + 23 * len(bars), right=8, bottom=32)
    hover = [f"<b>{name}</b> {_bps(bps)}<br>{escape_text(detail)}" for name, (_, bps, detail) in zip(names, bars, strict=True)]
    marker = {"color": [theme.UP if bps > 0 else theme.DOWN for bps in values]}
    figure.add_trace("bar", y=names, x=values, orientation="h", width=0.62, marker=marker, hovertext=hover, hovertemplate=HOVER_TEMPLATE)
    reach = max((abs(bps) for bps in values), default=1.0) or 1.0
    for name, bps in zip(names, values, strict=True):
        figure.add_note(_bps(bps), xref="paper", x=1, xanchor="right", y=name)
    figure.set_axis("yaxis", **category_axis(names))
    figure.set_axis("xaxis", ticksuffix=" bps", range=[-1.1 * reach, 1.75 * reach], zeroline=True, zerolinecolor=theme.MUTED, nticks=5)
    figure.layout["meta"] = {"narrow": {"layout.xaxis.range": [-1.1 * reach, 3.4 * reach], "layout.font.size": 11, "layout.xaxis.nticks": 3}}
    return figure


def list_models(models: Sequence[ModelContributions]) -> list[TableRow]:
    """List every model's forecast as base and features, with its largest contributions or the reason for none."""
    rows = []
    for model in models:
        features = None if model.reason else sum(part.bps for part in model.features)
        largest = ", ".join(f"{part.feature} {_bps(part.bps)}" for part in model.features[:NAMED])
        cells = (
            model.model, model.version, _bps(model.forecast_bps), _bps(model.base_bps), _bps(features), units.format_number(model.weight, 3),
            model.reason or largest or "no feature moves it", model.baseline,
        )  # fmt: skip
        rows.append(TableRow(model.model, cells))
    return rows


def _bps(value: float | None) -> str:
    return units.format_bps(value, signed=True, missing="")


def _value(part: FeatureContribution) -> str:
    return "blank" if part.value is None else f"value {units.format_quantity(part.value)}"
