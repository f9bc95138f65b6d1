"""What the challengers in a contest would have changed about a decision."""

from __future__ import annotations

from engine import units
from engine.store.read.decision import DecisionDetails
from engine.store.read.evolution import ArmForecastAtTick
from pages.ui import cache, theme, widgets
from pages.ui.tables import Cell, Column, TableRow, number_columns

ARM_COLUMNS = (Column("Contest", term="contest"), *number_columns("Horizon", "With it", "As it is"), Column("Direction", term="differing forecasts"))


def show_arms(decision: DecisionDetails) -> None:
    """Draw what the challengers in a contest would have changed."""
    arms = cache.fetch_arm_forecasts(decision.tick, decision.symbol)
    if not arms:
        widgets.show_empty("no contest ran at this tick")
        return
    widgets.show_table(ARM_COLUMNS, list_arms(arms, decision.horizon), label="Forecast of the ensemble with each challenger")


def list_arms(forecasts: tuple[ArmForecastAtTick, ...], horizon: int) -> list[TableRow]:
    """List the ensemble's forecast with each challenger in its champion's place, beside the one that was decided on."""
    rows = []
    for arm in forecasts:
        known = arm.bps is not None and arm.ensemble_bps is not None
        word = "the same" if known and (arm.bps or 0.0) * (arm.ensemble_bps or 0.0) >= 0.0 else "differs" if known else units.MISSING
        cells = (
            f"{arm.number}: {arm.version or arm.strategy}" + (f" for {arm.model}" if arm.model else ""), units.format_count(arm.horizon, "bar"),
            units.format_bps(arm.bps, signed=True, missing="not known"), units.format_bps(arm.ensemble_bps, signed=True, missing="not known"),
            Cell(word, theme.WARNING if word == "differs" else theme.NEUTRAL),
        )  # fmt: skip
        rows.append(TableRow(f"{arm.number} {arm.horizon}", cells, highlighted=arm.horizon == horizon))
    return rows
