"""The charts that compare backtests, one colour per run: equity, skill, binding gates, calibration, declined-trade P&L."""

from __future__ import annotations

from collections.abc import Sequence

from engine.store import model_queries
from engine.store.model_queries import Share
from engine.store.shelf import Kept
from pages.parts import backtest_rows, charts_models, estimates, theme, units
from pages.parts.backtest_rows import mapping
from pages.parts.estimates import TOLD, Estimate, Series, known, percent
from pages.parts.figure import Figure, escaped, figure, names_down

DAY = 86_400_000_000_000  # ns


def equity(chosen: Sequence[Kept]) -> Figure:
    """Gain since the start after all costs; dotted is the benchmark, equal-weight buy and hold; 0 % is no trading."""
    curves = [backtest_rows.curve(run) for run in chosen]
    together = len({points[0][0] for points in curves if points}) <= 1
    lines = figure(height=330, right=100)
    held: set[tuple[float | None, ...]] = set()
    for place, points in enumerate(curves):
        if not points:
            continue
        start = points[0][0]
        at = [moment // units.MS if together else (moment - start) / DAY for moment, _, _ in points]
        run, colour = backtest_rows.name(place, chosen), backtest_rows.colour(place)
        naive = tuple(value for _, _, value in points)
        if naive not in held:
            held.add(naive)
            _line(
                lines, at, naive, "benchmark" if len(chosen) == 1 else f"{run}: benchmark", theme.NEUTRAL if len(chosen) == 1 else colour, dash="dot"
            )
        _line(lines, at, [value for _, value, _ in points], "Podium" if len(chosen) == 1 else run, colour, dash="solid")
    estimates.name_ends(lines, least=0.115, lines=True)
    lines.layout["meta"] = {"narrow": {"layout.xaxis.nticks": 4}}
    lines.axis("yaxis", ticksuffix=" %", zeroline=True, zerolinecolor=theme.MUTED, nticks=6)
    if together:
        lines.axis("xaxis", type="date", showgrid=False, nticks=8, hoverformat="%Y-%m-%d %H:%M UTC")
    else:
        lines.axis("xaxis", ticksuffix=" d", showgrid=False, nticks=8, hoverformat=".2f")
    lines.layout["hovermode"] = "x unified"
    return lines


def skill(chosen: Sequence[Kept], horizon: int) -> Figure:
    """Out-of-sample R2 of the ensemble and every model, one colour per run."""
    models = backtest_rows.models(chosen)
    entries = []
    for place, run in enumerate(chosen):
        for model in models:
            figures = backtest_rows.figure_of(run.report, model, horizon)
            value, low, high = (percent(figures.get(key)) for key in ("r2", "low", "high"))
            entries.append(Estimate(model, backtest_rows.name(place, chosen), value, low, high, int(known(figures.get("n")) or 0)))
    return estimates.chart(entries, models, _runs(chosen))


def gates(chosen: Sequence[Kept]) -> Figure:
    """The share of all decisions by binding gate."""
    ranked = list(backtest_rows.gates(chosen))
    names = [escaped(gate) for gate, _ in ranked]
    drawn = figure(height=60 + len(names) * (14 + 11 * len(chosen)), top=24 if len(chosen) > 1 else 8, bottom=30)
    for place in reversed(range(len(chosen))):  # the first on top
        shares = [(shares[place] or 0.0) * 100 for _, shares in ranked]
        run, own = backtest_rows.name(place, chosen), backtest_rows.colour(place)
        hover = [f"<b>{gate}</b> {run}<br>binding in {units.number(share, 1, '%')} of decisions" for gate, share in zip(names, shares, strict=True)]
        drawn.add("bar", y=names, x=shares, orientation="h", marker={"color": own}, hovertext=hover, hovertemplate=TOLD,
                  text=[units.number(share, 1, "%") for share in shares],
                  textposition="outside", textfont={"size": 10, "color": theme.MUTED}, cliponaxis=False)  # fmt: skip
    if len(chosen) > 1:
        estimates.legend(drawn, _runs(chosen))
    drawn.layout |= {"barmode": "group", "bargap": 0.3, "bargroupgap": 0.05}
    drawn.axis("yaxis", **names_down(names))
    most = max((share or 0.0 for _, shares in ranked for share in shares), default=0.0)
    drawn.axis("xaxis", ticksuffix=" %", range=[0, most * 118 or 1.0], nticks=6)
    return drawn


def reliability(chosen: Sequence[Kept]) -> Figure:
    """Observed frequency of a rise against its stated probability over the first horizon; the diagonal is perfect calibration."""
    drawn = figure(height=300, top=24 if len(chosen) > 1 else 8, bottom=44)
    bins = [[(stated, share) for stated, share in _bins(run) if share.n >= charts_models.FEWEST] for run in chosen]
    values = [value * 100 for points in bins for stated, share in points for value in (stated, share.share or 0.0)]
    low, high = max(0.0, min([*values, 40.0]) - 6), min(100.0, max([*values, 60.0]) + 6)
    drawn.add("scatter", x=[low, high], y=[low, high], mode="lines", line={"color": theme.MUTED, "width": 1, "dash": "dot"}, hoverinfo="skip")
    for place, points in enumerate(bins):
        charts_models.add_reliability(drawn, points, backtest_rows.colour(place), backtest_rows.name(place, chosen), numbered=len(chosen) == 1)
    if len(chosen) > 1:
        estimates.legend(drawn, _runs(chosen))
    charts_models.square(drawn, low, high)
    return drawn


def regret(chosen: Sequence[Kept]) -> Figure | None:
    """Declined-trade P&L by gate in bps, above 0 where the gate cost money; None where it was not measured."""
    entries = []
    for place, run in enumerate(chosen):
        for gate, figures in mapping(run.report.get("regret")).items():
            part = mapping(figures)
            mean, low, high, n = (known(part.get(key)) for key in ("mean_bps", "low", "high", "n"))
            entries.append(Estimate(gate, backtest_rows.name(place, chosen), mean, low, high, int(n or 0)))
    rows = list(dict.fromkeys(entry.row for entry in entries if entry.n))
    if not rows:
        return None
    return estimates.chart([entry for entry in entries if entry.row in rows], rows, _runs(chosen), unit="bps", digits=1)


def _line(lines: Figure, at: Sequence[float], values: Sequence[float | None], name: str, colour: str, *, dash: str) -> None:
    start = next((value for value in values if value), None)
    gain = [None if value is None or start is None else (value / start - 1) * 100 for value in values]
    lines.add(
        "scatter", x=list(at), y=gain, mode="lines", name=name, line={"color": colour, "width": 2.0 if dash == "solid" else 1.4, "dash": dash},
        connectgaps=False, hovertemplate=f"{name} %{{y:+.2f}} %<extra></extra>",
    )  # fmt: skip


def _runs(chosen: Sequence[Kept]) -> list[Series]:
    return [(backtest_rows.name(place, chosen), backtest_rows.colour(place)) for place in range(len(chosen))]


def _bins(run: Kept) -> list[tuple[float, Share]]:
    """Return stated and observed probability by tenth; intervals use the effective n of the ensemble's skill."""
    reliability = mapping(run.report.get("calibration")).get("reliability")
    ensemble = backtest_rows.figure_of(run.report, "ensemble")
    n, effective = known(ensemble.get("n")), known(ensemble.get("n_effective"))
    deflation = effective / n if n and effective else None
    points = (
        [part for part in reliability if isinstance(part, list) and len(part) == 3 and all(units.known(value) for value in part)]
        if isinstance(reliability, list)
        else []
    )
    return [(float(stated), model_queries.share_of(float(observed) * count, float(count), deflation)) for stated, observed, count in points]
