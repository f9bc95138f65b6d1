"""The charts that compare backtests: equity, skill, the gates that bound, calibration, and what the gates cost; a colour a run."""

from __future__ import annotations

from collections.abc import Sequence

from engine import units
from engine.store.backtest_files import StoredBacktest
from engine.store.read import models as read_models
from engine.store.read.models import ObservedShare
from pages.backtests import tables
from pages.backtests.tables import as_mapping
from pages.models import charts
from pages.ui import forest_plot, theme
from pages.ui.charts import Figure, category_axis, escape_text, new_figure
from pages.ui.forest_plot import HOVER_TEMPLATE, IntervalEstimate, Series, finite_or_none, to_percent

DAY = 86_400_000_000_000  # ns


def plot_equity_curves(chosen: Sequence[StoredBacktest]) -> Figure:
    """Gain since the start after all costs; dotted is buying all symbols in equal parts and holding, 0 % the naive forecast, which never trades."""
    curves = [tables.get_equity_curve(one) for one in chosen]
    together = len({points[0][0] for points in curves if points}) <= 1
    lines = new_figure(height=330, right=100)
    held: set[tuple[float | None, ...]] = set()
    for place, points in enumerate(curves):
        if not points:
            continue
        start = points[0][0]
        at = [moment // units.MS if together else (moment - start) / DAY for moment, _, _ in points]
        run, colour = tables.name_run(place, chosen), tables.get_run_colour(place)
        naive = tuple(value for _, _, value in points)
        if naive not in held:
            held.add(naive)
            _line(
                lines, at, naive, "buy, hold" if len(chosen) == 1 else f"{run}: buy, hold", theme.NEUTRAL if len(chosen) == 1 else colour, dash="dot"
            )
        _line(lines, at, [value for _, value, _ in points], "Podium" if len(chosen) == 1 else run, colour, dash="solid")
    forest_plot.label_line_ends(lines, least=0.115, lines=True)
    lines.layout["meta"] = {"narrow": {"layout.xaxis.nticks": 4}}
    lines.set_axis("yaxis", ticksuffix=" %", zeroline=True, zerolinecolor=theme.MUTED, nticks=6)
    if together:
        lines.set_axis("xaxis", type="date", showgrid=False, nticks=8, hoverformat="%Y-%m-%d %H:%M UTC")
    else:
        lines.set_axis("xaxis", ticksuffix=" d", showgrid=False, nticks=8, hoverformat=".2f")
    lines.layout["hovermode"] = "x unified"
    return lines


def plot_skill_by_run(chosen: Sequence[StoredBacktest], horizon: int) -> Figure:
    """R2 of the ensemble and every model, out of sample, a colour a run."""
    models = tables.list_models(chosen)
    told = []
    for place, one in enumerate(chosen):
        for model in models:
            found = tables.get_skill(one.report, model, horizon)
            value, low, high = (to_percent(found.get(key)) for key in ("r2", "low", "high"))
            told.append(IntervalEstimate(model, tables.name_run(place, chosen), value, low, high, int(finite_or_none(found.get("n")) or 0)))
    return forest_plot.plot_intervals(told, models, _runs(chosen))


def plot_gate_shares(chosen: Sequence[StoredBacktest]) -> Figure:
    """The share of all decisions that each gate bound."""
    told = list(tables.rank_gates(chosen))
    names = [escape_text(gate) for gate, _ in told]
    drawn = new_figure(height=60 + len(names) * (14 + 11 * len(chosen)), top=24 if len(chosen) > 1 else 8, bottom=30)
    for place in reversed(range(len(chosen))):  # the first on top
        shares = [(shares[place] or 0.0) * 100 for _, shares in told]
        run, own = tables.name_run(place, chosen), tables.get_run_colour(place)
        hover = [
            f"<b>{gate}</b> {run}<br>bound {units.format_number(share, 1, '%')} of the decisions" for gate, share in zip(names, shares, strict=True)
        ]
        drawn.add_trace("bar", y=names, x=shares, orientation="h", marker={"color": own}, hovertext=hover, hovertemplate=HOVER_TEMPLATE,
                  text=[units.format_number(share, 1, "%") for share in shares],
                  textposition="outside", textfont={"size": 10, "color": theme.MUTED}, cliponaxis=False)  # fmt: skip
    if len(chosen) > 1:
        forest_plot.add_legend(drawn, _runs(chosen))
    drawn.layout |= {"barmode": "group", "bargap": 0.3, "bargroupgap": 0.05}
    drawn.set_axis("yaxis", **category_axis(names))
    most = max((share or 0.0 for _, shares in told for share in shares), default=0.0)
    drawn.set_axis("xaxis", ticksuffix=" %", range=[0, most * 118 or 1.0], nticks=6)
    return drawn


def plot_reliability_by_run(chosen: Sequence[StoredBacktest]) -> Figure:
    """How often a rise came, against how likely it was said to be, over the first horizon; on the line is right."""
    drawn = new_figure(height=300, top=24 if len(chosen) > 1 else 8, bottom=44)
    bins = [[(stated, share) for stated, share in _bins(one) if share.n >= charts.MIN_ROWS] for one in chosen]
    values = [value * 100 for told in bins for stated, share in told for value in (stated, share.share or 0.0)]
    low, high = max(0.0, min([*values, 40.0]) - 6), min(100.0, max([*values, 60.0]) + 6)
    drawn.add_trace("scatter", x=[low, high], y=[low, high], mode="lines", line={"color": theme.MUTED, "width": 1, "dash": "dot"}, hoverinfo="skip")
    for place, told in enumerate(bins):
        charts.add_reliability_points(drawn, told, tables.get_run_colour(place), tables.name_run(place, chosen), numbered=len(chosen) == 1)
    if len(chosen) > 1:
        forest_plot.add_legend(drawn, _runs(chosen))
    charts.set_square_axes(drawn, low, high)
    return drawn


def plot_declined_by_run(chosen: Sequence[StoredBacktest]) -> Figure | None:
    """What each gate cost (above 0) or saved a declined trade, in bps; None where it was not measured."""
    told = []
    for place, one in enumerate(chosen):
        for gate, found in as_mapping(one.report.get("regret")).items():
            part = as_mapping(found)
            mean, low, high, n = (finite_or_none(part.get(key)) for key in ("mean_bps", "low", "high", "n"))
            told.append(IntervalEstimate(gate, tables.name_run(place, chosen), mean, low, high, int(n or 0)))
    rows = list(dict.fromkeys(one.row for one in told if one.n))
    if not rows:
        return None
    return forest_plot.plot_intervals([one for one in told if one.row in rows], rows, _runs(chosen), unit="bps", digits=1)


def _line(lines: Figure, at: Sequence[float], values: Sequence[float | None], name: str, colour: str, *, dash: str) -> None:
    start = next((value for value in values if value), None)
    gain = [None if value is None or start is None else (value / start - 1) * 100 for value in values]
    lines.add_trace(
        "scatter", x=list(at), y=gain, mode="lines", name=name, line={"color": colour, "width": 2.0 if dash == "solid" else 1.4, "dash": dash},
        connectgaps=False, hovertemplate=f"{name} %{{y:+.2f}} %<extra></extra>",
    )  # fmt: skip


def _runs(chosen: Sequence[StoredBacktest]) -> list[Series]:
    return [(tables.name_run(place, chosen), tables.get_run_colour(place)) for place in range(len(chosen))]


def _bins(one: StoredBacktest) -> list[tuple[float, ObservedShare]]:
    """Stated and observed by tenth; intervals by the effective number of rows, as the ensemble's skill counts them."""
    told = as_mapping(one.report.get("calibration")).get("reliability")
    ensemble = tables.get_skill(one.report, "ensemble")
    n, effective = finite_or_none(ensemble.get("n")), finite_or_none(ensemble.get("n_effective"))
    deflation = effective / n if n and effective else None
    found = (
        [part for part in told if isinstance(part, list) and len(part) == 3 and all(units.is_known(value) for value in part)]
        if isinstance(told, list)
        else []
    )
    return [(float(stated), read_models.estimate_share(float(observed) * count, float(count), deflation)) for stated, observed, count in found]
