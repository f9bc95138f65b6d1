"""A change compared with the record: the verdict first, then the chart, flips by symbol and the trades that gates declined."""

from __future__ import annotations

from engine import units
from engine.domain.counterfactual import CounterfactualCurve, PnlDifference, Preview
from pages.ui import live, theme, widgets
from pages.ui.charts import Figure, new_figure
from pages.ui.tables import Cell, Column, TableRow, number_columns
from pages.ui.widgets import Tile

FLIP_COLUMNS = (Column("Symbol"), *number_columns("Decisions that differ", "Trades decided", "With the change"))
NEWEST_COLUMNS = (Column("Tick", right=True), Column("Symbol"), Column("Decided"), Column("With the change"))
DECLINED_COLUMNS = (Column("Gate"), *number_columns("Declined", "P&L each", "With the change", "P&L each, then"))
NEWEST = 12
LINES = (("Decided", theme.NEUTRAL, "solid"), ("With the change", theme.UP, "solid"))


def show_preview(answer: Preview, key: str) -> None:
    """Draw the whole comparison."""
    widgets.show_notice(summarise_preview(answer), word=title_of(answer), colour=colour_of(answer.difference))
    widgets.show_tiles(list_tiles(answer))
    live.show_chart(plot_curve(answer.curve), key=f"curve_{key}", label="Exposure and P&L as decided, and with the change")
    flipped = [TableRow(row.symbol, (row.symbol, f"{row.flips:,}", f"{row.trades_before:,}", f"{row.trades_after:,}")) for row in answer.by_symbol]
    widgets.show_table(FLIP_COLUMNS, flipped, label="Decisions that differ by symbol")
    if answer.newest_flips:
        newest = [
            TableRow(f"{row.tick} {row.symbol}", (str(row.tick), row.symbol, Cell(row.before), Cell(row.after)))
            for row in answer.newest_flips[:NEWEST]
        ]
        widgets.show_table(NEWEST_COLUMNS, newest, label="Newest decisions that differ")
    if answer.declined:
        rows = [
            TableRow(
                row.gate,
                (row.gate, f"{row.n_before:,}", units.format_bps(row.before_bps, signed=True), f"{row.n_after:,}",
                 units.format_bps(row.after_bps, signed=True)),
            )
            for row in answer.declined
        ]  # fmt: skip
        widgets.show_table(DECLINED_COLUMNS, rows, label="Trades that gates declined")
        widgets.show_note(
            "P&L of a declined trade: above 0 its gate cost money, below 0 it saved money. Only trades whose horizon ended in these ticks."
        )
    for note in answer.notes:
        widgets.show_note(note)


def title_of(answer: Preview) -> str:
    """The verdict in two or three words."""
    low, high = answer.difference.low, answer.difference.high
    if answer.identical:
        return "Nothing changes."
    if not answer.flips and answer.difference.money == 0.0:
        return "No decision differs."
    if low is None or high is None:
        return "Not enough data."
    return "Better." if low > 0.0 else "Worse." if high < 0.0 else "No difference proven."


def summarise_preview(answer: Preview) -> str:
    """The comparison in a sentence."""
    span = f"ticks {answer.first:,} to {answer.last:,}"
    if answer.identical:
        return f"{' and '.join(answer.changes)}: every decision, position and estimate of {span} is the same, bit for bit"
    if not answer.flips and answer.difference.money == 0.0:
        return f"{' and '.join(answer.changes)}: every action of {span} is the same, and so is the P&L"
    return (
        f"{' and '.join(answer.changes)}: {answer.flips:,} of {units.format_count(answer.decisions, 'decision')} differ in {span}; "
        f"P&L {describe_interval(answer.difference)}"
    )


def describe_interval(difference: PnlDifference) -> str:
    """P&L difference with its interval, or why it has none."""
    text = f"{units.format_percent(difference.share, 3, signed=True)} of equity"
    if difference.low is None or difference.high is None:
        return f"{text}, without an interval: it differs in {difference.affected:,} of {difference.blocks:,} blocks of time, too few"
    bounds = units.format_interval(difference.low * 100.0, difference.high * 100.0, 3, "%")
    counted = f", {difference.tries:,} tries counted" if difference.tries > 1 else ""
    return f"{text} (95 %{counted}: {bounds})"


def colour_of(difference: PnlDifference) -> str:
    """The colour of a verdict: only an interval away from 0 has that of a gain or a loss."""
    if difference.low is not None and difference.low > 0.0:
        return theme.GOOD
    return theme.HARM if difference.high is not None and difference.high < 0.0 else theme.NEUTRAL


def list_tiles(answer: Preview) -> list[Tile]:
    """The four figures, with the change in large and the record in small."""
    before, money = f"decided {units.format_percent(answer.exposure_before)}", units.format_money(answer.difference.money, signed=True)
    return [
        Tile("Decisions that differ", f"{answer.flips:,}", f"of {answer.decisions:,}"),
        Tile("Mean exposure", units.format_percent(answer.exposure_after), before),
        Tile("Costs", units.format_money(answer.costs_after), f"decided {units.format_money(answer.costs_before)}"),
        Tile("P&L difference", units.format_percent(answer.difference.share, 3, signed=True), f"{money} in money"),
    ]


def plot_curve(curve: CounterfactualCurve) -> Figure:
    """P&L above, gross exposure below; both as decided and with the change."""
    figure, at = new_figure(height=320, top=26), [moment // units.MS for moment in curve.at]
    for axis, title, place, shown in (
        ("y", "P&L since the first tick, %", 1.0, (curve.pnl_before, curve.pnl_after)),
        ("y2", "Gross exposure, % of equity", 0.42, (curve.exposure_before, curve.exposure_after)),
    ):
        for (name, colour, dash), values in zip(LINES, shown, strict=True):
            figure.add_trace(
                "scatter", x=at, y=[None if value is None else value * 100.0 for value in values], yaxis=axis, mode="lines", name=name,
                line={"color": colour, "width": 1.6, "dash": dash}, customdata=[str(tick) for tick in curve.ticks],
                hovertemplate=f"{name} %{{y:.3f}} %, tick %{{customdata}}<extra></extra>",
            )  # fmt: skip
        figure.add_note(title, xref="paper", x=0, xanchor="left", yref="paper", y=place, yanchor="bottom")
    figure.add_note(
        f'<span style="color:{theme.NEUTRAL}">decided</span>, <span style="color:{theme.UP}">with the change</span>', xref="paper", x=1,
        xanchor="right", yref="paper", y=1, yanchor="bottom",
    )  # fmt: skip
    figure.set_axis("yaxis", domain=[0.54, 1], zeroline=True, zerolinecolor=theme.GRID, nticks=5)
    figure.set_axis("yaxis2", domain=[0, 0.42], anchor="x", rangemode="tozero", nticks=4)
    figure.set_axis("xaxis", type="date", anchor="y2", showgrid=False, nticks=6, hoverformat="%Y-%m-%d %H:%M UTC")
    return figure
