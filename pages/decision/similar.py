"""Past decisions like this one, and what those came to."""

from __future__ import annotations

from urllib.parse import urlencode

from engine import units
from engine.domain.story import SimilarDecisions
from engine.store.read.decision import DecisionDetails
from pages.decision import questions
from pages.ui import theme, travel, widgets
from pages.ui.tables import Cell, Column, TableRow, number_columns
from pages.ui.widgets import Tile

SIMILAR_COLUMNS = (
    *number_columns("Tick"), Column("Symbol"), Column("Action"), *number_columns("Expected move", "In its direction"), Column("Distance", right=True),
)  # fmt: skip
SHOWN = 12


def show_similar(decision: DecisionDetails) -> None:
    """Draw the button and, once searched, the outcomes of the nearest past decisions."""
    widgets.show_note("Nearest by rank in edge over cost, agreement, confidence, volatility and regime. Only outcomes known at this tick count.")
    answer = questions.ask(
        "similar", ("explain", str(decision.tick), "--symbol", decision.symbol, "--part", "similar", "--json"), "Searching past decisions",
        label="Find similar decisions", detail="Searches the newest 20,000 decisions before this one, in a separate process",
        answer_as=SimilarDecisions,
    )  # fmt: skip
    if answer is None:
        return
    if not answer.n:
        searched = f"{units.format_count(answer.searched, 'past decision')} with a known outcome"
        widgets.show_empty(f"no forecast to compare, or nothing to compare it with: {searched}")
        return
    widgets.show_tiles(build_tiles(answer))
    widgets.show_table(SIMILAR_COLUMNS, list_nearest(answer), label="The nearest past decisions and their outcomes")


def build_tiles(answer: SimilarDecisions) -> list[Tile]:
    """Build the tiles: the mean outcome after costs with its interval, and the share that moved as forecast."""
    interval = f"95 %: {units.NOT_ENOUGH}" if answer.low_bps is None else f"95 %: {units.format_interval(answer.low_bps, answer.high_bps, 1, 'bps')}"
    counted = f"n={units.format_number(answer.n)} in {units.format_count(answer.blocks, 'block')} of time"
    return [
        Tile("Outcome after costs", units.format_bps(answer.mean_bps, signed=True, missing=units.NOT_ENOUGH), f"{interval}, {counted}"),
        Tile("Moved as forecast", units.format_percent(answer.hit_rate, 0), f"over {units.format_count(answer.horizon, 'bar')}; before costs"),
        Tile("Searched", units.format_count(answer.searched, "decision"), "with a known outcome at this tick"),
    ]


def list_nearest(answer: SimilarDecisions) -> list[TableRow]:
    """List the nearest decisions, each with a link."""
    return [
        TableRow(
            f"{row.tick} {row.symbol}",
            (
                f"{row.tick:,}", row.symbol, Cell(row.action, theme.state_colour(row.action)), units.format_bps(row.edge_bps, signed=True),
                Cell(units.format_bps(row.outcome_bps, signed=True), theme.UP if row.outcome_bps > 0 else theme.DOWN),
                units.format_number(row.distance, 2),
            ),
            link=f"/decision?{urlencode(travel.carry_address({'tick': str(row.tick), 'symbol': row.symbol}))}",
        )
        for row in answer.nearest[:SHOWN]
    ]  # fmt: skip
