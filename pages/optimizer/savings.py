"""The view Savings: sums of measured effects, success rates, control windows and manual runs; and the tiles above all views."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine import units
from engine.report.savings import (
    EffectTotal,
    ManualRuns,
    MedianChange,
    MetricSaving,
    SavingsFamily,
    SavingsSummary,
    SuccessRate,
    TreatedAndControl,
)
from pages.optimizer.text import metric_label
from pages.ui import cache, widgets
from pages.ui.command_table import readable_name
from pages.ui.tables import Cell, Column, TableRow
from pages.ui.widgets import Tile

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
MANUAL = (
    "Manual runs were not randomised, so they are in none of the sums and rates above and change no licence. People run an action when a metric is "
    "high, and a high metric tends to fall without any action. Each run is therefore compared with idle windows that began at a comparable level. "
    "That is an indication, no proof."
)
METHOD = (
    "A run counts if it was randomised and its effect is proven: the interval excludes 0. Gains and losses count alike. "
    "Runs without a measurable effect and undone runs are in no sum. "
    "Selecting proven effects makes a sum look larger: the sum of all measured runs stands next to it. "
    "The interval of a sum adds the distances of the effects to their bounds in quadrature, "
    "widened as though all runs on a metric had shared the same control windows."
)


@st.fragment(run_every=5)
def show_savings() -> None:
    """Show the whole view."""
    with widgets.reading_store():
        summary = cache.fetch_savings()
        widgets.show_heading("Savings", "sums of measured effects, never of expected ones")
        widgets.show_note(METHOD)
        if summary.savings:
            widgets.show_table(SUMS, list_savings(summary.savings), label="Sums of measured effects by metric")
        else:
            widgets.show_empty("no automatic run has been measured yet")
        widgets.show_heading("Success rate", "the share of judged automatic runs that helped, with Wilson's interval")
        left, right = st.columns(2, gap="medium")
        with left:
            widgets.show_table(RATES, list_success_rates(summary.overall, summary.by_action), label="Success rate by action")
        with right:
            widgets.show_table(RATES, list_success_rates(summary.overall, summary.by_trigger), label="Success rate by trigger")
        widgets.show_heading("Control windows", "the change of a metric when the action was withheld", term="control window")
        widgets.show_note(describe_controls(summary))
        if summary.controls:
            widgets.show_table(CONTROLS, list_controls(summary.controls), label="Change of metrics with and without the action")
        widgets.show_heading("Manual runs", "reported separately because they were not randomised", term="manual run")
        widgets.show_note(MANUAL)
        if summary.manual:
            widgets.show_table(MANUAL_RUNS, list_manual_runs(summary.manual), label="Manual runs against idle windows")
        else:
            widgets.show_empty("no manual run yet")


def build_savings_tiles(summary: SavingsSummary) -> list[Tile]:
    """Return the sums by family of metrics, and the success rate."""
    runs, overall = summary.trials - summary.placebos, summary.overall
    rate = units.NOT_ENOUGH if overall.band is None else units.format_percent(overall.share, 0)
    detail = f"{_rate_interval(overall)}; {overall.harmed} harmed" if overall.judged else "n=0 judged runs"
    manual = sum(runs.n for runs in summary.manual)
    return [
        *([_family_tile(family) for family in summary.families] or [Tile("Saved", units.NOT_ENOUGH, "n=0")]),
        Tile("Success rate", rate, detail),
        Tile(
            "Runs",
            f"{runs:,}",
            f"{overall.judged:,} judged; {units.format_count(summary.placebos, 'control window')}" + (f"; plus {manual:,} manual" if manual else ""),
        ),
    ]


def list_savings(savings: Sequence[MetricSaving]) -> list[TableRow]:
    rows = []
    for saving in savings:
        left_out = (
            (saving.no_effect, NOTHING), (saving.unmeasured, "without an interval yet"), (saving.undone, "undone"),
            (saving.unknown_direction, "with unknown direction"),
        )  # fmt: skip
        cells = (
            metric_label(saving.metric),
            _total(saving.proved, saving.unit, NOTHING if saving.no_effect else units.NOT_ENOUGH),
            f"{saving.proved.n if saving.proved else 0:,}",
            _total(saving.measured, saving.unit, units.NOT_ENOUGH),
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
        cells: tuple[Cell | str, ...] = (readable_name(part.name) or "all", Cell(rate, small=_rate_interval(part)), *(f"{n:,}" for n in counts))
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


def describe_controls(summary: SavingsSummary) -> str:
    """Describe the control windows in a sentence."""
    if not summary.placebos:
        return "No control window yet. When a rule fires and its action may run without asking, the action is withheld by chance in some cases."
    windows = units.format_count(summary.placebos, "control window")
    return f"{windows}: an action was due and was withheld by chance. Changes are medians of after minus before, with 95 % intervals."


def _family_tile(family: SavingsFamily) -> Tile:
    name = family.name if family.name in {"memory", "disk", "time"} else metric_label(family.name)
    left_out = "".join(f", {n} {why}" for n, why in ((family.no_effect, NOTHING), (family.left_out, "left out")) if n)
    if family.proved is None:
        return Tile(f"Saved, {name}", NOTHING if family.no_effect else units.NOT_ENOUGH, f"n=0 proven{left_out}")
    total = _total(family.proved, family.unit, NOTHING)
    return Tile(f"Saved, {name}", total.text, f"{total.small}, n={family.proved.n:,} proven{left_out}")


def _total(total: EffectTotal | None, unit: str, missing: str) -> Cell:
    """Return a sum with its interval; a sum whose interval includes 0 is no saving."""
    if total is None:
        return Cell(missing)
    interval = units.format_reading_interval(total.low, total.high, unit)
    if not total.is_proved:
        return Cell(NOTHING, small=interval)
    amount = units.format_reading(abs(total.amount), unit)
    return Cell(amount if total.amount >= 0 else f"{amount} lost", small=interval)


def _rate_interval(rate: SuccessRate) -> str:
    if rate.band is None:
        return f"{rate.helped} of {rate.judged} helped, n={rate.judged}" if rate.judged else "n=0"
    return f"{units.format_interval(rate.band[0] * 100, rate.band[1] * 100, 0, '%')}, n={rate.judged:,}"


def _change(change: MedianChange, unit: str) -> Cell:
    if change.median is None:
        return Cell(units.NOT_ENOUGH, small=f"n={change.n}")
    interval = f"interval: {units.NOT_ENOUGH}" if change.band is None else units.format_reading_interval(*change.band, unit)
    return Cell(units.format_reading(change.median, unit), small=f"{interval}, n={change.n}")
