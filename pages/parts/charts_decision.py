"""The charts of one decision: its ladder of gates, its phases in time, its votes, and what the limits made of its size."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from engine.store.decision_query import DecisionTold, Rung
from pages.parts import theme, units

NEVER = 1e6  # bars since a loss that never was


def ladder(told: DecisionTold) -> go.Figure:
    """A bar a gate: how far on the right side of its limit, as a share of the larger of value and limit; the binding one outlined."""
    names = [rung.name for rung in told.rungs]
    figure = theme.figure(height=40 + 27 * len(names), left=8, right=8, bottom=30)
    reach = [share(rung) for rung in told.rungs]
    figure.add_trace(
        go.Bar(
            y=names,
            x=reach,
            orientation="h",
            width=0.62,
            marker={
                "color": [theme.GOOD if rung.passed else theme.HARM for rung in told.rungs],
                "opacity": [_strength(told, rung) for rung in told.rungs],
                "line": {"width": [2.5 if rung.name == told.binding_gate else 0 for rung in told.rungs], "color": theme.TEXT},
            },
            text=[_side(told, rung) for rung in told.rungs],
            textposition="none",
            hovertext=[_margin(rung) for rung in told.rungs],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    for rung in told.rungs:
        figure.add_annotation(
            xref="paper",
            x=1,
            xanchor="right",
            y=rung.name,
            showarrow=False,
            text=_side(told, rung),
            font={"size": 11, "color": theme.TEXT},
            align="right",
        )
    figure.add_vline(x=0, line={"color": theme.MUTED, "width": 1})
    figure.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True, tickfont={"color": theme.TEXT, "size": 12}, ticklabelstandoff=6)
    figure.update_xaxes(
        range=[-1.08, 2.1],
        tickvals=[-1, 0, 1],
        ticktext=["fails", "limit", "passes"],
        fixedrange=True,
        showgrid=True,
    )
    figure.update_layout(meta={"narrow": {"layout.xaxis.range": [-1.08, 3.4], "layout.font.size": 11}}, bargap=0.3)
    return figure


def share(rung: Rung) -> float:
    """The margin between -1 and 1, so that gates of any unit stand in one chart; an unknown value lies at the limit."""
    margin = rung.margin
    if margin is None or rung.value is None or rung.limit is None:
        return 0.04 if rung.passed else -0.04
    size = max(abs(rung.value), abs(rung.limit)) or 1.0
    told = max(-1.0, min(1.0, margin / size))
    least = 0.015 if rung.unit else 0.5
    return told if abs(told) > least else (least if rung.passed else -least)


def timeline(told: DecisionTold) -> go.Figure:
    """When each phase ran, coloured by the thread it ran on; fallbacks named."""
    threads = sorted({span.thread for span in told.spans}, key=lambda name: (name != "tick", name))
    lanes = {thread: theme.category(place) for place, thread in enumerate(threads)}
    end = max((span.start_ms + span.ms for span in told.spans), default=1.0)
    figure = theme.figure(height=44 + 25 * len(told.spans), bottom=38)
    for thread in threads:
        spans = [span for span in told.spans if span.thread == thread]
        figure.add_trace(
            go.Bar(
                y=[span.phase for span in spans],
                x=[max(span.ms, end * 0.004) for span in spans],
                base=[span.start_ms for span in spans],
                orientation="h",
                width=0.58,
                name=thread,
                marker={"color": [theme.WARNING if span.fallback else lanes[thread] for span in spans]},
                hovertext=[
                    f"<b>{span.phase}</b> on {span.thread}<br>from {units.ms(span.start_ms)}, took {units.ms(span.ms)}"
                    + (f"<br>fallback: {span.error}" if span.fallback else "")
                    for span in spans
                ],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
    for span in told.spans:
        text = units.ms(span.ms) + (f"  {span.thread}" if len(threads) > 1 else "") + ("  <b>fallback</b>" if span.fallback else "")
        late = span.start_ms > 0.62 * end
        figure.add_annotation(
            x=span.start_ms if late else span.start_ms + max(span.ms, end * 0.004),
            y=span.phase,
            xanchor="right" if late else "left",
            xshift=-5 if late else 5,
            showarrow=False,
            text=text,
            font={"size": 11, "color": theme.TEXT},
        )
    order = [span.phase for span in told.spans]
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=order[::-1],
        showgrid=False,
        fixedrange=True,
        tickfont={"color": theme.TEXT, "size": 12},
        ticklabelstandoff=6,
    )
    figure.update_xaxes(ticksuffix=" ms", range=[-0.005 * end, end * 1.12], nticks=7, rangemode="tozero")
    figure.update_layout(barmode="overlay")
    return figure


def votes(told: DecisionTold) -> go.Figure:
    """What each model expects over each horizon, larger where it weighs more; the ensemble below with its 90 % interval."""
    horizons = told.session.horizons
    figure = make_subplots(rows=1, cols=len(horizons), shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=[_bars(h, told) for h in horizons])
    house = theme.figure(height=70 + 30 * (len(told.session.models) + 1), top=28, bottom=34).layout
    names = [*told.session.models, "ensemble"]
    for column, horizon in enumerate(horizons, start=1):
        there = [vote for vote in told.votes if vote.horizon == horizon and vote.bps is not None]
        figure.add_trace(
            go.Scatter(
                x=[vote.bps for vote in there],
                y=[vote.model for vote in there],
                mode="markers",
                marker={
                    "size": [8 + 14 * (vote.weight or 0.0) for vote in there],
                    "color": [theme.UP if (vote.bps or 0) > 0 else theme.DOWN for vote in there],
                    "opacity": [0.35 + 0.65 * (vote.trust or 0.0) for vote in there],
                },
                hovertext=[
                    f"<b>{vote.model}</b> {vote.version or ''}<br>expects {units.bps(vote.bps, signed=True)}<br>trust {units.number(vote.trust, 2)}, "
                    f"weight {units.number(vote.weight, 3)}"
                    for vote in there
                ],
                hovertemplate="%{hovertext}<extra></extra>",
            ),
            row=1,
            col=column,
        )
        for expected in told.forecast:
            if expected.horizon == horizon and expected.bps is not None:
                _ensemble(figure, expected.bps, expected.low_bps, expected.high_bps, column)
    figure.update_layout(house)
    axis = house.xaxis.to_plotly_json()
    figure.update_xaxes(axis | {"ticksuffix": "", "nticks": 4, "zeroline": True, "zerolinecolor": theme.MUTED})
    figure.update_yaxes(
        house.yaxis.to_plotly_json()
        | {
            "categoryorder": "array",
            "categoryarray": names[::-1],
            "fixedrange": True,
            "range": [-0.6, len(names) - 0.4],
            "tickfont": {"color": theme.TEXT, "size": 12},
        }
    )
    figure.update_annotations(font={"size": 12, "color": theme.MUTED})
    return figure


def limits(told: DecisionTold) -> go.Figure:
    """The size wanted and what was left of it after each limit, as a share of equity; limits that changed it in amber."""
    names = [name for name, _ in told.limits]
    values = [value * 100 if value is not None else None for _, value in told.limits]
    changed = [place > 0 and values[place] != values[place - 1] for place in range(len(values))]
    figure = theme.figure(height=40 + 27 * len(names), bottom=30)
    figure.add_trace(
        go.Scatter(
            x=values,
            y=names,
            mode="lines+markers",
            line={"shape": "vh", "color": theme.MUTED, "width": 1.5},
            marker={
                "size": 10,
                "color": [theme.WARNING if change else theme.UP for change in changed],
                "symbol": ["diamond" if change else "circle" for change in changed],
            },
            hovertemplate="after %{y}: %{x:+.2f} % of equity<extra></extra>",
        )
    )
    for name, value in zip(names, values, strict=True):
        figure.add_annotation(
            xref="paper",
            x=1,
            xanchor="right",
            y=name,
            showarrow=False,
            text=units.number(value, 2, "%", signed=True),
            font={"size": 11, "color": theme.TEXT},
        )
    known = [value for value in values if value is not None] or [0.0]
    low, high = min(0.0, *known), max(0.0, *known)
    reach = (high - low) or 1.0
    figure.update_xaxes(ticksuffix=" %", range=[low - 0.06 * reach, high + 0.3 * reach], zeroline=True, zerolinecolor=theme.MUTED, nticks=6)
    figure.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True, tickfont={"color": theme.TEXT, "size": 12}, ticklabelstandoff=6)
    return figure


def _ensemble(figure: go.Figure, bps: float, low: float | None, high: float | None, column: int) -> None:
    band = (
        None
        if low is None or high is None
        else {"type": "data", "symmetric": False, "array": [high - bps], "arrayminus": [bps - low], "thickness": 1.5, "width": 5, "color": theme.TEXT}
    )
    figure.add_trace(
        go.Scatter(
            x=[bps],
            y=["ensemble"],
            mode="markers",
            error_x=band,
            marker={"size": 12, "symbol": "diamond", "color": theme.UP if bps > 0 else theme.DOWN},
            hovertext=[f"<b>ensemble</b> {units.bps(bps, signed=True)}<br>90 % interval {units.interval(low, high, 1, 'bps')}"],
            hovertemplate="%{hovertext}<extra></extra>",
        ),
        row=1,
        col=column,
    )


def _strength(told: DecisionTold, rung: Rung) -> float:
    return 1.0 if rung.name == told.binding_gate else 0.62


def _side(told: DecisionTold, rung: Rung) -> str:
    verdict = "pass" if rung.passed else "<b>FAIL</b>"
    return f"{figures(rung)}  {verdict}" + ("  <b>← binding</b>" if rung.name == told.binding_gate else "")


def _margin(rung: Rung) -> str:
    return f"<b>{rung.name}</b><br>{figures(rung)}<br>margin {units.size(rung.margin)} {rung.unit}"


def figures(rung: Rung) -> str:
    """A gate's value against its limit; "" for a gate that only holds or does not."""
    if not rung.unit:
        return ""
    value = "none yet" if rung.value is not None and rung.value >= NEVER and rung.unit == "bars" else units.size(rung.value)
    return f"{value}, needs {rung.sense.replace('<=', '≤').replace('>=', '≥')} {units.size(rung.limit)} {rung.unit}"


def _bars(horizon: int, told: DecisionTold) -> str:
    mark = ", acted on" if horizon == told.horizon else ""
    return f"{units.count(horizon, 'bar')}{mark}, bps"
