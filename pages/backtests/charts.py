"""The charts that compare backtests, one colour per run: equity, skill, binding gates, calibration, declined-trade P&L."""

from __future__ import annotations

from collections.abc import Sequence

from engine import units
from engine.domain.intents import phrase_gate
from engine.store.backtest_files import StoredBacktest
from engine.store.read import models as read_models
from engine.store.read.models import ObservedShare
from pages.backtests import tables
from pages.backtests.tables import as_mapping
from pages.ui import forest_plot, reliability_chart, theme
from pages.ui.charts import Figure, category_axis, escape_text, new_figure
from pages.ui.forest_plot import HOVER_TEMPLATE, IntervalEstimate, Series, finite_or_none, to_percent

DAY = 86_400_000_000_000  # ns


def plot_equity_curves(chosen: Sequence[StoredBacktest]) -> Figure:
    """Gain since the start after all costs; dotted is the benchmark, equal-weight buy and hold; 0 % is no trading."""
    curves = [tables.get_equity_curve(run) for run in chosen]
    share_start = len({points[0][0] for points in curves if points}) <= 1
    lines = new_figure(height=330, right=100)
    benchmarks: set[tuple[float | None, ...]] = set()
    for place, points in enumerate(curves):
        if not points:
            continue
        start = points[0][0]
        at = [moment // units.MS if share_start else (moment - start) / DAY for moment, _, _ in points]
        run, colour = tables.name_run(place, chosen), tables.get_run_colour(place)
        benchmark = tuple(value for _, _, value in points)
        if benchmark not in benchmarks:
            benchmarks.add(benchmark)
            name, shade = ("benchmark", theme.NEUTRAL) if len(chosen) == 1 else (f"{run}: benchmark", colour)
            _add_line(lines, at, benchmark, name, shade, dash="dot")
        _add_line(lines, at, [value for _, value, _ in points], "Podium" if len(chosen) == 1 else run, colour, dash="solid")
    forest_plot.label_line_ends(lines, least=0.115, lines=True)
    lines.layout["meta"] = {"narrow": {"layout.xaxis.nticks": 4}}
    lines.set_axis("yaxis", ticksuffix=" %", zeroline=True, zerolinecolor=theme.MUTED, nticks=6)
    if share_start:
        lines.set_axis("xaxis", type="date", showgrid=False, nticks=8, hoverformat="%Y-%m-%d %H:%M UTC")
        _add_read_out(lines)
    else:
        lines.set_axis("xaxis", ticksuffix=" d", showgrid=False, nticks=8, hoverformat=".2f")
        lines.layout["hovermode"] = "x unified"
    return lines


def _add_read_out(lines: Figure) -> None:
    """Let the crosshair read out every line at the points of the longest one, as the equity on Overview does."""
    if lines.data:
        names = [[place, trace["name"]] for place, trace in enumerate(lines.data)]
        longest = max(range(len(names)), key=lambda place: len(lines.data[place]["x"]))
        lines.layout["meta"] |= {"cross": True, "readout": {"trace": longest, "lines": names[::-1], "digits": 2, "suffix": " %"}}


def plot_skill_by_run(chosen: Sequence[StoredBacktest], horizon: int) -> Figure:
    """Out-of-sample R2 of the ensemble and every model, one colour per run."""
    models = tables.list_models(chosen)
    entries = []
    for place, run in enumerate(chosen):
        for model in models:
            figures = tables.get_skill(run.report, model, horizon)
            value, low, high = (to_percent(figures.get(key)) for key in ("r2", "low", "high"))
            entries.append(IntervalEstimate(model, tables.name_run(place, chosen), value, low, high, int(finite_or_none(figures.get("n")) or 0)))
    return forest_plot.plot_intervals(entries, models, _list_series(chosen))


def plot_gate_shares(chosen: Sequence[StoredBacktest]) -> Figure:
    """The share of all decisions by binding gate."""
    ranked = list(tables.rank_gates(chosen))
    names = [escape_text(phrase_gate(gate)) for gate, _ in ranked]
    figure = new_figure(height=60 + len(names) * (14 + 11 * len(chosen)), top=24 if len(chosen) > 1 else 8, bottom=30)
    for place in reversed(range(len(chosen))):  # the first on top
        shares = [(shares[place] or 0.0) * 100 for _, shares in ranked]
        run, own = tables.name_run(place, chosen), tables.get_run_colour(place)
        hover = [
            f"<b>{gate}</b> {run}<br>binding in {units.format_number(share, 1, '%')} of decisions" for gate, share in zip(names, shares, strict=True)
        ]
        figure.add_trace("bar", y=names, x=shares, orientation="h", marker={"color": own}, hovertext=hover, hovertemplate=HOVER_TEMPLATE,
                  text=[units.format_number(share, 1, "%") for share in shares],
                  textposition="outside", textfont={"size": 10, "color": theme.MUTED}, cliponaxis=False)  # fmt: skip
    if len(chosen) > 1:
        forest_plot.add_legend(figure, _list_series(chosen))
    figure.layout |= {"barmode": "group", "bargap": 0.3, "bargroupgap": 0.05}
    figure.set_axis("yaxis", **category_axis(names))
    largest = max((share or 0.0 for _, shares in ranked for share in shares), default=0.0)
    figure.set_axis("xaxis", ticksuffix=" %", range=[0, largest * 118 or 1.0], nticks=6)
    return figure


def plot_reliability_by_run(chosen: Sequence[StoredBacktest]) -> Figure:
    """Observed frequency of a rise against its stated probability over the first horizon; the diagonal is perfect calibration."""
    figure = new_figure(height=300, top=24 if len(chosen) > 1 else 8, bottom=44)
    bins = [[(stated, share) for stated, share in _reliability_bins(run) if share.n >= reliability_chart.MIN_ROWS] for run in chosen]
    values = [value * 100 for points in bins for stated, share in points for value in (stated, share.share or 0.0)]
    low, high = max(0.0, min([*values, 40.0]) - 6), min(100.0, max([*values, 60.0]) + 6)
    figure.add_trace("scatter", x=[low, high], y=[low, high], mode="lines", line={"color": theme.MUTED, "width": 1, "dash": "dot"}, hoverinfo="skip")
    for place, points in enumerate(bins):
        reliability_chart.add_reliability_points(
            figure, points, tables.get_run_colour(place), tables.name_run(place, chosen), numbered=len(chosen) == 1
        )
    if len(chosen) > 1:
        forest_plot.add_legend(figure, _list_series(chosen))
    reliability_chart.set_square_axes(figure, low, high)
    return figure


def plot_declined_by_run(chosen: Sequence[StoredBacktest]) -> Figure | None:
    """Declined-trade P&L by gate in bps, above 0 where the gate cost money; None where it was not measured."""
    entries = []
    for place, run in enumerate(chosen):
        for gate, figures in as_mapping(run.report.get("declined")).items():
            part = as_mapping(figures)
            mean, low, high, n = (finite_or_none(part.get(key)) for key in ("mean_bps", "low", "high", "n"))
            entries.append(IntervalEstimate(gate, tables.name_run(place, chosen), mean, low, high, int(n or 0)))
    rows = list(dict.fromkeys(entry.row for entry in entries if entry.n))
    if not rows:
        return None
    return forest_plot.plot_intervals([entry for entry in entries if entry.row in rows], rows, _list_series(chosen), unit="bps", digits=1)


def _add_line(lines: Figure, at: Sequence[float], values: Sequence[float | None], name: str, colour: str, *, dash: str) -> None:
    start = next((value for value in values if value), None)
    gain = [None if value is None or start is None else (value / start - 1) * 100 for value in values]
    lines.add_trace(
        "scatter", x=list(at), y=gain, mode="lines", name=name, line={"color": colour, "width": 2.0 if dash == "solid" else 1.4, "dash": dash},
        connectgaps=False, hovertemplate=f"{name} %{{y:+.2f}} %<extra></extra>",
    )  # fmt: skip


def _list_series(chosen: Sequence[StoredBacktest]) -> list[Series]:
    return [(tables.name_run(place, chosen), tables.get_run_colour(place)) for place in range(len(chosen))]


def _reliability_bins(run: StoredBacktest) -> list[tuple[float, ObservedShare]]:
    """Return stated and observed probability by tenth; intervals use the effective n of the ensemble's skill."""
    reliability = as_mapping(run.report.get("calibration")).get("reliability")
    ensemble = tables.get_skill(run.report, "ensemble")
    n, effective = finite_or_none(ensemble.get("n")), finite_or_none(ensemble.get("n_effective"))
    deflation = effective / n if n and effective else None
    points = (
        [part for part in reliability if isinstance(part, list) and len(part) == 3 and all(units.is_known(value) for value in part)]
        if isinstance(reliability, list)
        else []
    )
    return [(float(stated), read_models.estimate_share(float(observed) * count, float(count), deflation)) for stated, observed, count in points]
