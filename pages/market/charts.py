"""The charts of Market: bars, book, flow and regimes of one symbol on one time axis; forecasts and outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine import units
from engine.store.read.market import MarketHistory
from pages.market import book_map, price_panel
from pages.ui import theme
from pages.ui.charts import Figure, escape_text, new_figure
from pages.ui.forest_plot import HOVER_TEMPLATE, iterate_rows

LEFT = 62  # px left of the axes, at least
DIGIT = 6.5  # px of a digit beside an axis
TITLE_HEIGHT = 30  # px above each panel, for its name
MOST_INCIDENTS = 12  # drawn at once


@dataclass(frozen=True, slots=True)
class ChartPanel:
    """One panel of the chart: its title, the height of its axes in px, and the function that draws it."""

    title: str
    height: int
    draw: Callable[[Figure, MarketHistory, pd.DataFrame, str], None]
    zero: bool = False  # the axis begins at 0
    narrow: str = ""  # title on a phone
    fits: bool = True  # the axis fits what is seen


def plot_bars(history: MarketHistory, shown: int, *, log: bool = False, mark: int | None = None) -> Figure:
    """The last `shown` bars, panel under panel on one time axis; data that the feed does not have has no panel.

    `log` makes the price axis logarithmic; `mark` is the tick of a decision to ring.
    """
    bars = history.bars.tail(shown)
    panels = _list_panels(history, bars)
    total_height = sum(panel.height + TITLE_HEIGHT for panel in panels)
    left = _left_margin(history)
    figure = new_figure(height=total_height + 34, left=left, right=12, top=0, bottom=34)
    above = 0
    for place, panel in enumerate(panels):
        number = str(place + 1) if place else ""
        low, high = 1 - (above + TITLE_HEIGHT + panel.height) / total_height, 1 - (above + TITLE_HEIGHT) / total_height
        figure.set_axis(f"yaxis{number}", domain=[max(0.0, low), high], anchor="x", automargin=False, fixedrange=True, nticks=7 if not place else 4)
        if panel.zero:
            figure.set_axis(f"yaxis{number}", rangemode="tozero")
        panel.draw(figure, history, bars, f"y{number}")
        figure.add_note(
            panel.title, xref="paper", x=0, xanchor="left", xshift=6 - left, yref=f"y{number} domain", y=1, yanchor="bottom", yshift=3, align="left"
        )
        above += TITLE_HEIGHT + panel.height
    _shade_incidents(figure, history, bars)  # after the titles, which are the first annotations
    _complete_price(figure, history, bars, log=log, mark=mark)
    figure.set_axis(
        "xaxis", type="date", nticks=7, anchor=f"y{len(panels)}" if len(panels) > 1 else "y", hoverformat="%m-%d %H:%M:%S UTC",
        rangeslider={"visible": False},
    )  # fmt: skip
    short = {f"layout.annotations.{place}.text": panel.narrow for place, panel in enumerate(panels) if panel.narrow}
    figure.layout["meta"] = {
        "narrow": {"layout.xaxis.nticks": 3, **short}, "cross": True, "marks": True,
        "readout": {"trace": 0, "digits": price_panel.count_price_digits(history)},
        "fit": [f"yaxis{place + 1 if place else ''}" for place, panel in enumerate(panels) if panel.fits],
    }  # fmt: skip
    return figure


def _complete_price(figure: Figure, history: MarketHistory, bars: pd.DataFrame, *, log: bool, mark: int | None) -> None:
    """Add what belongs to the price beside its bars."""
    if log:
        figure.set_axis("yaxis", type="log", dtick="D1" if bars["high"].max() > 10 * bars["low"].min() else None)
    price_panel.draw_cone(figure, history, "y")
    price_panel.tag_price(figure, history, log=log)
    if mark is not None:
        price_panel.mark_decision(figure, history, bars, mark, "y")


def plot_forecasts(history: MarketHistory, horizon: int, shown: int) -> Figure:
    """The mean and 90 % interval of each forecast at the time it falls due, and the outcome; those outside stand out."""
    frame = history.forecasts[history.forecasts["horizon"] == horizon].tail(shown)
    due = (frame["due"] // units.MS).to_numpy()
    figure = new_figure(height=250, left=_left_margin(history), right=12, top=8, bottom=34)
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "connectgaps": False}
    figure.add_trace("scatter", x=due, y=frame["high_bps"].to_numpy(), **edge)
    figure.add_trace("scatter", x=due, y=frame["low_bps"].to_numpy(), fill="tonexty", fillcolor=theme.with_alpha(theme.UP), **edge)
    figure.add_trace(
        "scatter", x=due, y=frame["mean_bps"].to_numpy(), mode="lines", line={"color": theme.UP, "width": 1.8}, connectgaps=False,
        customdata=price_panel.link_rows(history, frame), hovertext=[_describe_forecast(forecast) for forecast in iterate_rows(frame)],
        hovertemplate=HOVER_TEMPLATE,
    )  # fmt: skip
    due_forecasts = frame[frame["realised_bps"].notna()]
    outside = ((due_forecasts["realised_bps"] < due_forecasts["low_bps"]) | (due_forecasts["realised_bps"] > due_forecasts["high_bps"])).tolist()
    marker = {
        "size": [7 if out else 4 for out in outside],
        "symbol": ["diamond" if out else "circle" for out in outside],
        "color": [theme.WARNING if out else theme.MUTED for out in outside],
    }
    figure.add_trace(
        "scatter", x=(due_forecasts["due"] // units.MS).to_numpy(), y=due_forecasts["realised_bps"].to_numpy(), mode="markers", marker=marker,
        customdata=price_panel.link_rows(history, due_forecasts), hovertext=[_describe_forecast(row) for row in iterate_rows(due_forecasts)],
        hovertemplate=HOVER_TEMPLATE,
    )  # fmt: skip
    figure.set_axis("yaxis", ticksuffix=" bps", zeroline=True, zerolinecolor=theme.MUTED, nticks=6, automargin=False)
    figure.set_axis("xaxis", type="date", nticks=7)
    figure.layout["meta"] = {
        "narrow": {"layout.xaxis.nticks": 3}, "cross": True,
        "readout": {
            "trace": 2, "word": "due ", "lines": [[2, "forecast"], [1, "from"], [0, "to"], [3, "outcome"]], "digits": 1, "suffix": " bps",
        },
    }  # fmt: skip
    return figure


def _left_margin(history: MarketHistory) -> int:
    """Return the room for the longest price at the axis, px."""
    return max(LEFT, round(DIGIT * len(units.format_price(float(history.bars["high"].max())))) + 10)


def _list_panels(history: MarketHistory, bars: pd.DataFrame) -> list[ChartPanel]:
    source = "" if history.spread_source == "book" else f", from {escape_text(history.spread_source)}"
    spread = f'<b>Spread</b>, bps{source}  <span style="color:{theme.UP}">■</span> at the decision {_format_newest(bars["spread_bps"], 1)}'
    if bars["quoted_bps"].notna().any():
        spread += f'  <span style="color:{theme.WARNING}">■</span> mean over the bar {_format_newest(bars["quoted_bps"], 1)}'
    shown = [
        ChartPanel(
            f"<b>{escape_text(history.symbol)}</b> at tick {int(bars['tick'].iloc[-1]):,}, hollow: rising bar  {_marks_legend('  ')}",
            290,
            price_panel.draw_candles,
            narrow=_marks_legend(" "),
        ),
        ChartPanel(spread, 84, _draw_spread, zero=True),
    ]
    if history.book is not None:
        text = (
            f'<b>Depth</b>, money in all levels  <span style="color:{theme.UP}">■</span> bid {_format_newest(bars["bid_depth"])}'
            f'  <span style="color:{theme.DOWN}">■</span> ask {_format_newest(bars["ask_depth"])}'
        )
        shown.append(ChartPanel(text, 92, _draw_depth, zero=True))
    if len(history.book_levels):
        shown.append(ChartPanel(book_map.TITLE, 130, book_map.draw_book_map, narrow=book_map.NARROW, fits=False))
    if history.has_flow:
        shown.append(
            ChartPanel(
                f"<b>Signed volume</b>, bought less sold, base units  {_format_signed(bars['signed_volume'])}", 84, _draw_bars_of("signed_volume")
            )
        )
    if history.has_flow and bars["ofi"].notna().any():
        shown.append(ChartPanel(f"<b>Order-flow imbalance</b>, best level, base units  {_format_signed(bars['ofi'])}", 84, _draw_bars_of("ofi")))
    names = [_regime_title(history, bars, place) for place in range(len(history.session.regimes))]
    return [*shown, ChartPanel(f"<b>Regime</b>, probability  {'  '.join(names)}", 92, _draw_regimes, narrow=" ".join(names), fits=False)]


def _marks_legend(between: str) -> str:
    marks = (
        (theme.UP, "▲", "bought"), (theme.DOWN, "▼", "sold"), (theme.WARNING, "◆", "fallback"), (theme.HARM, "▮", "incident"),
    )  # fmt: skip
    return between.join(
        [
            *(f'<span style="color:{colour}">{mark}</span> {word}' for colour, mark, word in marks),
            "○ filled",
            f'<span style="color:{theme.GOOD}">┄</span> forecast',
        ]
    )


def _draw_spread(figure: Figure, history: MarketHistory, bars: pd.DataFrame, axis: str) -> None:  # noqa: ARG001 as every panel
    _draw_line(figure, bars, "quoted_bps", theme.WARNING, axis, "mean over the bar %{y:.2f} bps")
    _draw_line(figure, bars, "spread_bps", theme.UP, axis, "at the decision %{y:.2f} bps")


def _draw_depth(figure: Figure, history: MarketHistory, bars: pd.DataFrame, axis: str) -> None:  # noqa: ARG001
    _draw_line(figure, bars, "bid_depth", theme.UP, axis, "bid %{y:,.0f}")
    _draw_line(figure, bars, "ask_depth", theme.DOWN, axis, "ask %{y:,.0f}")
    figure.set_axis(f"yaxis{axis[1:]}", tickformat="~s")


def _draw_line(figure: Figure, bars: pd.DataFrame, column: str, colour: str, axis: str, label: str) -> None:
    if bars[column].notna().any():
        figure.add_trace(
            "scatter", x=(bars["at"] // units.MS).to_numpy(), y=bars[column].to_numpy(), mode="lines", yaxis=axis, connectgaps=False,
            line={"color": colour, "width": 1.5}, hovertemplate=f"{label}<br>%{{x|%m-%d %H:%M:%S}} UTC<extra></extra>",
        )  # fmt: skip


def _draw_bars_of(column: str) -> Callable[[Figure, MarketHistory, pd.DataFrame, str], None]:
    def draw(figure: Figure, history: MarketHistory, bars: pd.DataFrame, axis: str) -> None:  # noqa: ARG001
        values = bars[column].tolist()
        figure.add_trace(
            "bar", x=(bars["at"] // units.MS).to_numpy(), y=bars[column].to_numpy(), yaxis=axis,
            marker={"color": [theme.DOWN if value < 0 else theme.UP for value in values], "line": {"width": 0}},
            hovertemplate="%{y:+,.4~g}<br>%{x|%m-%d %H:%M:%S} UTC<extra></extra>",
        )  # fmt: skip
        figure.set_axis(f"yaxis{axis[1:]}", tickformat="~s", zeroline=True, zerolinecolor=theme.MUTED)

    return draw


def _draw_regimes(figure: Figure, history: MarketHistory, bars: pd.DataFrame, axis: str) -> None:
    at = (bars["at"] // units.MS).to_numpy()
    for place, name in enumerate(history.session.regimes):
        figure.add_trace(
            "scatter", x=at, y=(bars[f"regime {name}"] * 100).to_numpy(), mode="lines", yaxis=axis, stackgroup="regimes", stackgaps="infer zero",
            line={"width": 0}, fillcolor=theme.with_alpha(theme.regime_colour(name, place), 0.72),
            hovertemplate=f"{escape_text(name)} %{{y:.0f}} %<br>%{{x|%m-%d %H:%M:%S}} UTC<extra></extra>",
        )  # fmt: skip
    figure.set_axis(f"yaxis{axis[1:]}", range=[0, 100], ticksuffix=" %", tickvals=[0, 50, 100])


def _shade_incidents(figure: Figure, history: MarketHistory, bars: pd.DataFrame) -> None:
    """Shade every panel for the duration of each incident, with its name on top."""
    first, last = int(bars["at"].iloc[0]), int(bars["at"].iloc[-1])
    for incident in iterate_rows(history.incidents.head(MOST_INCIDENTS)):
        until = last if not units.is_known(incident.until) else int(incident.until)
        if until < first:
            continue
        bar = history.session.interval
        begin, end = max(int(incident.since), first) // units.MS, max(until, first + bar // 2) // units.MS
        figure.layout["shapes"].append(
            {"type": "rect", "xref": "x", "x0": begin, "x1": max(end, begin + bar // units.MS), "yref": "paper", "y0": 0, "y1": 1,
             "fillcolor": theme.with_alpha(theme.HARM, 0.11), "line": {"width": 0}, "layer": "below"}
        )  # fmt: skip
        label = f"{incident.kind.replace('_', ' ')}{'' if units.is_known(incident.until) else ', ongoing'}"
        figure.add_note(
            f'<span style="color:{theme.HARM}">▮</span> {escape_text(label)}',
            x=begin,
            yref="y domain",
            y=0.99,
            yanchor="top",
            xanchor="left",
            hovertext=escape_text(incident.detail),
        )


def _format_newest(values: pd.Series[float], digits: int = 0) -> str:
    """Return the value at the last bar; none where it is unknown, however recent the previous one is."""
    return units.format_number(float(values.iloc[-1]), digits)


def _format_signed(values: pd.Series[float]) -> str:
    newest = float(values.iloc[-1])
    if not units.is_known(newest):
        return units.MISSING
    word = "bought" if newest > 0 else "sold" if newest < 0 else "even"
    colour = theme.UP if newest > 0 else theme.DOWN
    return f'<span style="color:{colour}">■</span> {units.format_quantity(newest)}, {word}'


def _regime_title(history: MarketHistory, bars: pd.DataFrame, place: int) -> str:
    name = history.session.regimes[place]
    newest = bars[f"regime {name}"].iloc[-1]
    return f'<span style="color:{theme.regime_colour(name, place)}">■</span> {escape_text(name)} {units.format_percent(float(newest), 0)}'


def _describe_forecast(forecast: Any) -> str:
    outcome = (
        "not due yet, or without a price"
        if not units.is_known(forecast.realised_bps)
        else f"outcome {units.format_bps(forecast.realised_bps, signed=True)}"
    )
    interval = units.format_interval(forecast.low_bps, forecast.high_bps, 1, "bps")
    return (
        f"<b>{outcome}</b><br>forecast {units.format_bps(forecast.mean_bps, signed=True)}, 90 %: {interval}"
        f"<br>at tick {int(forecast.tick):,}, due {units.format_time(int(forecast.due), '%m-%d %H:%M:%S')} UTC"
    )
