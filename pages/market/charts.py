"""The charts of Market: one symbol's bars with what was done, its book, flow and regimes on one time axis; forecasts against what came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine import units
from engine.domain.intents import classify_intent, phrase_gate
from engine.store.read.market import MarketHistory
from pages.decisions import tables
from pages.ui import theme
from pages.ui.charts import Figure, escape_text, new_figure

LEFT = 62  # px left of the axes, at least
DIGIT = 6.5  # px of a digit beside an axis
AIR = 30  # px above each panel, for its name
TOLD = "%{hovertext}<extra></extra>"
MOST_INCIDENTS = 12  # drawn at once


@dataclass(frozen=True, slots=True)
class ChartPanel:
    """A row of the chart: its name, the height of its axes in px, and what draws it on an axis."""

    title: str
    height: int
    draw: Callable[[Figure, MarketHistory, pd.DataFrame, str], None]
    zero: bool = False  # the axis begins at 0
    narrow: str = ""  # its name on a phone


def plot_bars(told: MarketHistory, shown: int) -> Figure:
    """The last `shown` bars, panel under panel on one time axis; a part the feed does not have has no panel."""
    bars = told.bars.tail(shown)
    panels = _panels(told, bars)
    whole = sum(panel.height + AIR for panel in panels)
    left = _left(told)
    drawn = new_figure(height=whole + 34, left=left, right=12, top=0, bottom=34)
    above = 0
    for place, panel in enumerate(panels):
        number = str(place + 1) if place else ""
        low, high = 1 - (above + AIR + panel.height) / whole, 1 - (above + AIR) / whole
        drawn.set_axis(
            f"yaxis{number}", domain=[max(0.0, low), high], anchor="x", automargin=False, fixedrange=bool(place), nticks=7 if not place else 4
        )
        if panel.zero:
            drawn.set_axis(f"yaxis{number}", rangemode="tozero")
        panel.draw(drawn, told, bars, f"y{number}")
        drawn.add_note(
            panel.title, xref="paper", x=0, xanchor="left", xshift=6 - left, yref=f"y{number} domain", y=1, yanchor="bottom", yshift=3, align="left"
        )
        above += AIR + panel.height
    _incidents(drawn, told, bars)  # after the names: those have the first places among the annotations
    drawn.set_axis(
        "xaxis", type="date", nticks=7, anchor=f"y{len(panels)}" if len(panels) > 1 else "y", hoverformat="%m-%d %H:%M:%S UTC",
        rangeslider={"visible": False},
    )  # fmt: skip
    short = {f"layout.annotations.{place}.text": panel.narrow for place, panel in enumerate(panels) if panel.narrow}
    drawn.layout["meta"] = {"narrow": {"layout.xaxis.nticks": 3, **short}}
    return drawn


def plot_forecasts(told: MarketHistory, horizon: int, shown: int) -> Figure:
    """Each forecast's mean and 90 % interval at the time it falls due, and what the price did; what lay outside stands out."""
    frame = told.forecasts[told.forecasts["horizon"] == horizon].tail(shown)
    due = (frame["due"] // units.MS).to_numpy()
    drawn = new_figure(height=250, left=_left(told), right=12, top=8, bottom=34)
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "connectgaps": False}
    drawn.add_trace("scatter", x=due, y=frame["high_bps"].to_numpy(), **edge)
    drawn.add_trace("scatter", x=due, y=frame["low_bps"].to_numpy(), fill="tonexty", fillcolor=theme.with_alpha(theme.UP), **edge)
    drawn.add_trace(
        "scatter", x=due, y=frame["mean_bps"].to_numpy(), mode="lines", line={"color": theme.UP, "width": 1.8}, connectgaps=False,
        customdata=[f"{tick} {told.symbol}" for tick in frame["tick"].tolist()], hovertext=[_forecast(one) for one in _each(frame)],
        hovertemplate=TOLD,
    )  # fmt: skip
    came = frame[frame["came_bps"].notna()]
    outside = ((came["came_bps"] < came["low_bps"]) | (came["came_bps"] > came["high_bps"])).tolist()
    marker = {
        "size": [7 if out else 4 for out in outside],
        "symbol": ["diamond" if out else "circle" for out in outside],
        "color": [theme.WARNING if out else theme.MUTED for out in outside],
    }
    drawn.add_trace(
        "scatter", x=(came["due"] // units.MS).to_numpy(), y=came["came_bps"].to_numpy(), mode="markers", marker=marker,
        customdata=[f"{tick} {told.symbol}" for tick in came["tick"].tolist()], hovertext=[_forecast(one) for one in _each(came)],
        hovertemplate=TOLD,
    )  # fmt: skip
    drawn.set_axis("yaxis", ticksuffix=" bps", zeroline=True, zerolinecolor=theme.MUTED, nticks=6, automargin=False)
    drawn.set_axis("xaxis", type="date", nticks=7)
    drawn.layout["meta"] = {"narrow": {"layout.xaxis.nticks": 3}}
    return drawn


def _left(told: MarketHistory) -> int:
    """Room for the longest price beside the axis, px."""
    return max(LEFT, round(DIGIT * len(units.format_price(float(told.bars["high"].max())))) + 10)


def _panels(told: MarketHistory, bars: pd.DataFrame) -> list[ChartPanel]:
    source = "" if told.spread_source == "book" else f", from {escape_text(told.spread_source)}"
    spread = f'<b>Spread</b>, bps{source}  <span style="color:{theme.UP}">■</span> at the decision {_newest(bars["spread_bps"], 1)}'
    if bars["quoted_bps"].notna().any():
        spread += f'  <span style="color:{theme.WARNING}">■</span> mean over the bar {_newest(bars["quoted_bps"], 1)}'
    shown = [
        ChartPanel(
            f"<b>{escape_text(told.symbol)}</b> at tick {int(bars['tick'].iloc[-1]):,}, a hollow bar rose  {_marks_named('  ')}",
            290,
            _candles,
            narrow=_marks_named(" "),
        ),
        ChartPanel(spread, 84, _spread, zero=True),
    ]
    if told.book is not None:
        text = (
            f'<b>Depth</b>, money within the levels  <span style="color:{theme.UP}">■</span> bid {_newest(bars["bid_depth"])}'
            f'  <span style="color:{theme.DOWN}">■</span> ask {_newest(bars["ask_depth"])}'
        )
        shown.append(ChartPanel(text, 92, _depth, zero=True))
    if told.has_flow:
        shown.append(
            ChartPanel(f"<b>Signed volume</b>, bought less sold, base units  {_signed(bars['signed_volume'])}", 84, _bars_of("signed_volume"))
        )
    if told.has_flow and bars["ofi"].notna().any():
        shown.append(ChartPanel(f"<b>Order-flow imbalance</b>, best level, base units  {_signed(bars['ofi'])}", 84, _bars_of("ofi")))
    names = [_regime(told, bars, place) for place in range(len(told.session.regimes))]
    return [*shown, ChartPanel(f"<b>Regime</b>, probability  {'  '.join(names)}", 92, _regimes, narrow=" ".join(names))]


def _marks_named(between: str) -> str:
    marks = (
        (theme.UP, "▲", "bought"), (theme.DOWN, "▼", "sold"), (theme.WARNING, "◆", "fell back"), (theme.HARM, "▮", "incident"),
    )  # fmt: skip
    return between.join([*(f'<span style="color:{colour}">{mark}</span> {word}' for colour, mark, word in marks), "○ filled"])


def _candles(drawn: Figure, told: MarketHistory, bars: pd.DataFrame, axis: str) -> None:
    at = (bars["at"] // units.MS).to_numpy()
    drawn.add_trace(
        "candlestick", x=at, open=bars["open"].to_numpy(), high=bars["high"].to_numpy(), low=bars["low"].to_numpy(), close=bars["close"].to_numpy(),
        yaxis=axis, line={"width": 1}, increasing={"line": {"color": theme.UP}, "fillcolor": theme.GROUND},
        decreasing={"line": {"color": theme.DOWN}, "fillcolor": theme.DOWN}, whiskerwidth=0, hoverinfo="text",
        customdata=[f"{tick} {told.symbol}" for tick in bars["tick"].tolist()], hovertext=[_bar(one) for one in _each(bars)],
    )  # fmt: skip
    span = float(bars["high"].max() - bars["low"].min())
    reach = span if span > 0 else 1.0  # also where no bar is there
    for action, symbol, colour, column, off in (
        ("buy", "triangle-up", theme.UP, "low", -0.035),
        ("sell", "triangle-down", theme.DOWN, "high", 0.035),
    ):
        _marks(drawn, told, bars[bars["action"] == action], column, off * reach, axis, {"symbol": symbol, "color": colour, "size": 11})
    fallen = bars[bars["degraded"].fillna(0) > 0]
    _marks(drawn, told, fallen, "low", -0.07 * reach, axis, {"symbol": "diamond", "color": theme.WARNING, "size": 9})
    _fills(drawn, told, bars, axis)
    drawn.set_axis(f"yaxis{axis[1:]}", exponentformat="none", separatethousands=True)  # digits by the distance of the ticks


def _marks(drawn: Figure, told: MarketHistory, some: pd.DataFrame, column: str, off: float, axis: str, marker: dict[str, Any]) -> None:
    """Marks beside the bars they belong to; a decision on a missing bar stands at its last price."""
    if some.empty:
        return
    y = some[column].fillna(some["price"]) + off
    drawn.add_trace(
        "scatter", x=(some["at"] // units.MS).to_numpy(), y=y.to_numpy(), mode="markers", yaxis=axis, marker=marker,
        customdata=[f"{tick} {told.symbol}" for tick in some["tick"].tolist()], hovertext=[_bar(one) for one in _each(some)],
        hovertemplate=TOLD,
    )  # fmt: skip


def _fills(drawn: Figure, told: MarketHistory, bars: pd.DataFrame, axis: str) -> None:
    some = told.fills[told.fills["tick"] >= int(bars["tick"].iloc[0])] if len(told.fills) else told.fills
    if some.empty:
        return
    full = (some["size"] > 0).tolist()
    marker = {
        "symbol": ["circle-open" if yes else "x" for yes in full], "color": [theme.TEXT if yes else theme.HARM for yes in full],
        "size": 8, "line": {"width": 1.6},
    }  # fmt: skip
    drawn.add_trace(
        "scatter", x=(some["at"] // units.MS).to_numpy(), y=some["price"].fillna(some["mid"]).to_numpy(), mode="markers", yaxis=axis, marker=marker,
        customdata=[f"{tick - 1} {told.symbol}" for tick in some["tick"].tolist()], hovertext=[_fill(one) for one in _each(some)],
        hovertemplate=TOLD,
    )  # fmt: skip


def _spread(drawn: Figure, told: MarketHistory, bars: pd.DataFrame, axis: str) -> None:  # noqa: ARG001 as every panel
    _line(drawn, bars, "quoted_bps", theme.WARNING, axis, "mean over the bar %{y:.2f} bps")
    _line(drawn, bars, "spread_bps", theme.UP, axis, "at the decision %{y:.2f} bps")


def _depth(drawn: Figure, told: MarketHistory, bars: pd.DataFrame, axis: str) -> None:  # noqa: ARG001
    _line(drawn, bars, "bid_depth", theme.UP, axis, "bid %{y:,.0f}")
    _line(drawn, bars, "ask_depth", theme.DOWN, axis, "ask %{y:,.0f}")
    drawn.set_axis(f"yaxis{axis[1:]}", tickformat="~s")


def _line(drawn: Figure, bars: pd.DataFrame, column: str, colour: str, axis: str, words: str) -> None:
    if bars[column].notna().any():
        drawn.add_trace(
            "scatter", x=(bars["at"] // units.MS).to_numpy(), y=bars[column].to_numpy(), mode="lines", yaxis=axis, connectgaps=False,
            line={"color": colour, "width": 1.5}, hovertemplate=f"{words}<br>%{{x|%m-%d %H:%M:%S}} UTC<extra></extra>",
        )  # fmt: skip


def _bars_of(column: str) -> Callable[[Figure, MarketHistory, pd.DataFrame, str], None]:
    def draw(drawn: Figure, told: MarketHistory, bars: pd.DataFrame, axis: str) -> None:  # noqa: ARG001
        values = bars[column].tolist()
        drawn.add_trace(
            "bar", x=(bars["at"] // units.MS).to_numpy(), y=bars[column].to_numpy(), yaxis=axis,
            marker={"color": [theme.DOWN if value < 0 else theme.UP for value in values], "line": {"width": 0}},
            hovertemplate="%{y:+,.4~g}<br>%{x|%m-%d %H:%M:%S} UTC<extra></extra>",
        )  # fmt: skip
        drawn.set_axis(f"yaxis{axis[1:]}", tickformat="~s", zeroline=True, zerolinecolor=theme.MUTED)

    return draw


def _regimes(drawn: Figure, told: MarketHistory, bars: pd.DataFrame, axis: str) -> None:
    at = (bars["at"] // units.MS).to_numpy()
    for place, name in enumerate(told.session.regimes):
        drawn.add_trace(
            "scatter", x=at, y=(bars[f"regime {name}"] * 100).to_numpy(), mode="lines", yaxis=axis, stackgroup="regimes", stackgaps="infer zero",
            line={"width": 0}, fillcolor=theme.with_alpha(theme.regime_colour(name, place), 0.72),
            hovertemplate=f"{escape_text(name)} %{{y:.0f}} %<br>%{{x|%m-%d %H:%M:%S}} UTC<extra></extra>",
        )  # fmt: skip
    drawn.set_axis(f"yaxis{axis[1:]}", range=[0, 100], ticksuffix=" %", tickvals=[0, 50, 100])


def _incidents(drawn: Figure, told: MarketHistory, bars: pd.DataFrame) -> None:
    """A shade over every panel for as long as an incident lasted, named on top."""
    first, last = int(bars["at"].iloc[0]), int(bars["at"].iloc[-1])
    for one in _each(told.incidents.head(MOST_INCIDENTS)):
        until = last if not units.is_known(one.until) else int(one.until)
        if until < first:
            continue
        begin, end = max(int(one.since), first) // units.MS, max(until, first + told.session.interval // 2) // units.MS
        drawn.layout["shapes"].append(
            {"type": "rect", "xref": "x", "x0": begin, "x1": max(end, begin + told.session.interval // units.MS), "yref": "paper", "y0": 0, "y1": 1,
             "fillcolor": theme.with_alpha(theme.HARM, 0.11), "line": {"width": 0}, "layer": "below"}
        )  # fmt: skip
        words = f"{one.kind.replace('_', ' ')}{'' if units.is_known(one.until) else ', lasting'}"
        drawn.add_note(
            f'<span style="color:{theme.HARM}">▮</span> {escape_text(words)}',
            x=begin,
            yref="y domain",
            y=0.99,
            yanchor="top",
            xanchor="left",
            hovertext=escape_text(one.detail),
        )


def _newest(values: pd.Series[float], digits: int = 0) -> str:
    """The value at the last bar; none where it is not known there, however recent the one before is."""
    return units.format_number(float(values.iloc[-1]), digits)


def _signed(values: pd.Series[float]) -> str:
    newest = float(values.iloc[-1])
    if not units.is_known(newest):
        return units.MISSING
    word = "bought" if newest > 0 else "sold" if newest < 0 else "even"
    colour = theme.UP if newest > 0 else theme.DOWN
    return f'<span style="color:{colour}">■</span> {units.format_quantity(newest)}, {word}'


def _regime(told: MarketHistory, bars: pd.DataFrame, place: int) -> str:
    name = told.session.regimes[place]
    newest = bars[f"regime {name}"].iloc[-1]
    return f'<span style="color:{theme.regime_colour(name, place)}">■</span> {escape_text(name)} {units.format_percent(float(newest), 0)}'


def _bar(one: Any) -> str:
    """A bar and its decision in words."""
    prices = "no bar" if not units.is_known(one.close) else (
        f"open {units.format_price(one.open)}, high {units.format_price(one.high)}, low {units.format_price(one.low)}, close {units.format_price(one.close)}"
        f"<br>volume {units.format_quantity(one.volume)}"
    )  # fmt: skip
    if not isinstance(one.action, str):
        return f"<b>tick {one.tick:,}</b><br>{prices}"
    why = "no gate failed" if one.action == "hold" else f"to {classify_intent(one.position, one.target)}"
    if isinstance(one.binding_gate, str):
        reason = tables.get_data_fault(one)
        why = phrase_gate(one.binding_gate) + (f" ({reason})" if reason else "")
    fell = "<br>a phase fell back" if one.degraded else ""
    return f"<b>{escape_text(one.action)}</b> · {escape_text(why)} · tick {one.tick:,}<br>{units.format_time(int(one.at), '%Y-%m-%d %H:%M:%S')} UTC<br>{prices}{fell}"


def _fill(one: Any) -> str:
    if not one.size:
        return f"<b>{escape_text(one.side)}</b> cannot fill: {units.format_quantity(one.unfilled)} unfilled · tick {one.tick:,}"
    return (
        f"<b>{escape_text(one.side)}</b> {units.format_quantity(one.size)} filled at {units.format_price(one.price)} · tick {one.tick:,}"
        f"<br>mid {units.format_price(one.mid)}, cost {units.format_bps(one.cost_bps)}"
    )


def _forecast(one: Any) -> str:
    came = "not due yet, or no price" if not units.is_known(one.came_bps) else f"came {units.format_bps(one.came_bps, signed=True)}"
    return (
        f"<b>{came}</b><br>expected {units.format_bps(one.mean_bps, signed=True)}, 90 %: {units.format_interval(one.low_bps, one.high_bps, 1, 'bps')}"
        f"<br>at tick {int(one.tick):,}, due {units.format_time(int(one.due), '%m-%d %H:%M:%S')} UTC"
    )


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
