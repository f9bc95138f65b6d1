"""Position sizing: what was wanted, what each limit left, and by which factor."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from engine import units
from engine.store.read.decision import DecisionDetails
from pages.ui import theme
from pages.ui.charts import Figure, category_axis, escape_text, new_figure
from pages.ui.forest_plot import HOVER_TEMPLATE
from pages.ui.tables import Cell, Column, TableRow, number_columns

SIZING_COLUMNS = (Column("Step"), Column("In force"), *number_columns("Size after it", "Factor"))
TIMES = "\N{MULTIPLICATION SIGN}"
NEAR = 1e-5  # relative difference below which a step has changed nothing: steps are stored in single precision
SMALLEST = 0.001  # factor that is shown as a figure
DESIRED = "desired size"
IN_FORCE = {  # by step: the setting that it applies, and what it says
    "kelly fraction": ("kelly", "{} of the growth-optimal size"),
    "position": ("max_position", "at most {} of equity per symbol"),
    "correlated cluster": ("max_cluster", "at most {} of equity per cluster"),
    "volatility target": ("target_volatility", "at most {} volatility per year"),
    "expected shortfall": ("max_shortfall", "at most {} expected shortfall per day"),
    "gross exposure": ("max_gross", "at most {} of equity, gross"),
    "net exposure": ("max_net", "at most {} of equity, net"),
    "daily loss": ("max_daily_loss", "no new risk beyond a loss of {} today"),
    "drawdown": ("max_drawdown", "closed beyond a drawdown of {}"),
    "participation": ("participation", "at most {} of a bar's volume"),
}
MEANING = {  # of the steps without a setting of their own
    DESIRED: "growth-optimal for the expected move, before any limit",
    "proven skill": "by the share of skill that is proven",
    "new version": "by the agreement of new model versions",
    "cost": "less the cost of a round trip",
    "spot, no shorts": "no short positions on spot",
    "joint sizing": "together with correlated symbols",
}


def format_size(share: float | None) -> str:
    """Format a size: in percent of equity, or in multiples of it from 1 on."""
    if share is None or abs(share) < 1.0:
        return units.format_percent(share, 2, signed=True)
    return units.format_number(share, 1, f"{TIMES} equity", signed=True)


def format_factor(before: float | None, after: float | None) -> str:
    """Format what a step left of a size; "" where it changed nothing or there was none."""
    if before is None or after is None or before == 0.0 or abs(after - before) <= NEAR * abs(before):
        return ""
    if after * before < 0.0:
        return "turned"
    factor = after / before
    if 0.0 < factor < SMALLEST:
        return f"{TIMES} under {units.format_setting(SMALLEST)}"
    return f"{TIMES} {units.format_number(factor, 2 if factor >= 0.1 else 3)}" if factor else f"{TIMES} 0"


def list_steps(decision: DecisionDetails, config: dict[str, Any]) -> list[TableRow]:
    """List every step with the limit in force, the size after it and the factor it left."""
    rows, before = [], None
    for place, (step, size) in enumerate(decision.limits):
        name = DESIRED if place == 0 else step
        factor = format_factor(before, size) if place else ""
        changed = bool(factor)
        cells = (
            name,
            describe_step(name, config),
            Cell(format_size(size), theme.WARNING if changed else None),
            factor,
        )
        rows.append(TableRow(name, cells, highlighted=changed))
        before = size
    return rows


def describe_step(name: str, config: dict[str, Any]) -> str:
    """Return what a step does, with the setting in force."""
    if name in MEANING:
        return MEANING[name]
    setting, words = IN_FORCE.get(name, ("", ""))
    return words.format(units.format_percent(config.get(setting), 0)) if setting in config else ""


def plot_sizing(decision: DecisionDetails) -> Figure:
    """The desired size and the size after each limit, as a share of equity; limits that changed it in amber, with the factor they left."""
    names = [escape_text(DESIRED if name == "wanted" else name) for name, _ in decision.limits]
    values = [value * 100 if value is not None else None for _, value in decision.limits]
    sizes = [value for _, value in decision.limits]
    factors = ["", *(format_factor(before, after) for before, after in pairwise(sizes))]
    edge = _edge_value(decision)
    drawn_values = [None if value is None else max(-edge, min(edge, value)) for value in values]
    marker = {
        "size": 10,
        "color": [theme.WARNING if factor else theme.UP for factor in factors],
        "symbol": [_marker_symbol(value, edge, changed=bool(factor)) for value, factor in zip(values, factors, strict=True)],
    }
    figure = new_figure(height=40 + 27 * len(names), bottom=30)
    figure.add_trace(
        "scatter", x=drawn_values, y=names, mode="lines+markers", line={"shape": "vh", "color": theme.MUTED, "width": 1.5}, marker=marker,
        hovertemplate=HOVER_TEMPLATE,
        hovertext=[f"after {name}: {format_size(size)} {factor}" for name, size, factor in zip(names, sizes, factors, strict=True)],
    )  # fmt: skip
    for name, size, factor in zip(names, sizes, factors, strict=True):
        figure.add_note(f"{format_size(size)}{f'  <b>{factor}</b>' if factor else ''}", xref="paper", x=1, xanchor="right", y=name)
    known = [value for value in drawn_values if value is not None] or [0.0]
    low, high = min(0.0, *known), max(0.0, *known)
    reach = (high - low) or 1.0
    figure.set_axis("xaxis", ticksuffix=" %", range=[low - 0.06 * reach, high + 0.6 * reach], zeroline=True, zerolinecolor=theme.MUTED, nticks=6)
    figure.set_axis("yaxis", **category_axis(names))
    figure.layout["meta"] = {"narrow": {"layout.xaxis.range": [low - 0.06 * reach, high + 1.5 * reach], "layout.xaxis.nticks": 4}}
    return figure


def _edge_value(decision: DecisionDetails) -> float:
    """Return the value in % beyond which a size is drawn at the edge: the desired size may be a hundred times what the limits leave."""
    names = [name for name, _ in decision.limits]
    first = names.index("position") if "position" in names else 0
    limited = max((abs(value) for _, value in decision.limits[first:] if value is not None), default=0.0)
    return 150.0 * limited or 100.0


def _marker_symbol(value: float | None, edge: float, *, changed: bool) -> str:
    if value is not None and abs(value) > edge:
        return "triangle-right" if value > 0 else "triangle-left"
    return "diamond" if changed else "circle"
