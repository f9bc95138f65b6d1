"""Tables of savings: sums, success rates, control windows and manual runs."""

from __future__ import annotations

from collections.abc import Sequence

from engine import units
from engine.report.savings import EffectTotal, ManualRuns, MedianChange, MetricSaving, SuccessRate, TreatedAndControl
from pages.optimizer.text import metric_label
from pages.ui.command_table import readable_name
from pages.ui.tables import Cell, Column, TableRow

RATES = (
    Column("", nowrap=True), Column("Success rate, 95 %", right=True, full_width=True), Column("Judged", right=True), Column("Helped", right=True),
    Column("No effect", right=True), Column("Harmed", right=True), Column("Not judged", right=True),
)  # fmt: skip
SUMS = (
    Column("Metric", nowrap=True), Column("Saved, 95 %", right=True, full_width=True), Column("Runs counted", right=True),
    Column("All measured runs, 95 %", right=True, full_width=True), Column("Left out", full_width=True),
)  # fmt: skip
CONTROLS = (
    Column("Action", nowrap=True, term="optimizer action"), Column("Metric", nowrap=True),
    Column("Withheld", right=True, full_width=True, term="control window"), Column("Run", right=True, full_width=True),
)  # fmt: skip
MANUAL_RUNS = (
    Column("Action", nowrap=True, term="optimizer action"), Column("Metric", nowrap=True), Column("Runs", right=True),
    Column("Better than usual", right=True), Column("As usual", right=True), Column("Worse than usual", right=True),
    Column("Not enough data", right=True), Column("Change", right=True, full_width=True), Column("Direct effect", right=True, full_width=True),
)  # fmt: skip

NOTHING = "no measurable effect"


def list_savings(savings: Sequence[MetricSaving]) -> list[TableRow]:
    rows = []
    for saving in savings:
        left_out = (
            (saving.no_effect, NOTHING), (saving.unmeasured, "without an interval yet"), (saving.undone, "undone"),
            (saving.unknown_direction, "with unknown direction"),
        )  # fmt: skip
        cells = (
            metric_label(saving.metric),
            format_total(saving.proved, saving.unit, NOTHING if saving.no_effect else units.NOT_ENOUGH),
            f"{saving.proved.n if saving.proved else 0:,}",
            format_total(saving.measured, saving.unit, units.NOT_ENOUGH),
            ", ".join(f"{n} {why}" for n, why in left_out if n) or "none",
        )
        rows.append(TableRow(saving.metric, cells))
    return rows


def list_success_rates(overall: SuccessRate, parts: Sequence[SuccessRate]) -> list[TableRow]:
    """Return the rate of all runs, then of each action or trigger."""
    rows = []
    for part in (overall, *parts):
        rate = units.NOT_ENOUGH if part.band is None else units.format_percent(part.share, 0)
        counts = (part.judged, part.helped, part.no_effect, part.harmed, part.unjudged)
        cells: tuple[Cell | str, ...] = (readable_name(part.name) or "all", Cell(rate, small=format_rate_interval(part)), *(f"{n:,}" for n in counts))
        rows.append(TableRow(part.name or "*", cells))
    return rows


def list_controls(controls: Sequence[TreatedAndControl]) -> list[TableRow]:
    """Return the change of each metric in control windows, next to the change with the action."""
    return [
        TableRow(
            f"{pair.action} {pair.metric}",
            (readable_name(pair.action), metric_label(pair.metric), _change(pair.control, pair.unit), _change(pair.treated, pair.unit)),
        )
        for pair in controls
    ]


def list_manual_runs(manual: Sequence[ManualRuns]) -> list[TableRow]:
    """Return a row per action and metric of manual runs: the metric's change, and separately the direct effect."""
    rows = []
    for runs in manual:
        direct = ", ".join(units.format_reading(amount, unit) for unit, amount in runs.direct) or units.NOT_MEASURED
        counts = (f"{n:,}" for n in (runs.n, runs.better, runs.usual, runs.worse, runs.unknown))
        cells: tuple[Cell | str, ...] = (readable_name(runs.action), metric_label(runs.metric), *counts, _change(runs.change, runs.unit), direct)
        rows.append(TableRow(f"{runs.action} {runs.metric}", cells))
    return rows


def format_total(total: EffectTotal | None, unit: str, missing: str) -> Cell:
    """Return a sum with its interval; a sum whose interval includes 0 is no saving."""
    if total is None:
        return Cell(missing)
    interval = units.format_reading_interval(total.low, total.high, unit)
    if not total.is_proved:
        return Cell(NOTHING, small=interval)
    amount = units.format_reading(abs(total.amount), unit)
    return Cell(amount if total.amount >= 0 else f"{amount} lost", small=interval)


def format_rate_interval(rate: SuccessRate) -> str:
    if rate.band is None:
        return f"{rate.helped} of {rate.judged} helped, n={rate.judged}" if rate.judged else "n=0"
    return f"{units.format_interval(rate.band[0] * 100, rate.band[1] * 100, 0, '%')}, n={rate.judged:,}"


def _change(change: MedianChange, unit: str) -> Cell:
    if change.median is None:
        return Cell(units.NOT_ENOUGH, small=f"n={change.n}")
    interval = f"interval: {units.NOT_ENOUGH}" if change.band is None else units.format_reading_interval(*change.band, unit)
    return Cell(units.format_reading(change.median, unit), small=f"{interval}, n={change.n}")
