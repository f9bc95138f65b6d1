"""The view Savings: sums of measured effects, success rates, control windows and manual runs; and the tiles above all views."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.report.savings import SavingsFamily, SavingsSummary
from pages.optimizer.savings_tables import (
    CONTROLS,
    MANUAL_RUNS,
    NOTHING,
    RATES,
    SUMS,
    format_rate_interval,
    format_total,
    list_controls,
    list_manual_runs,
    list_savings,
    list_success_rates,
)  # fmt: skip
from pages.optimizer.text import metric_label
from pages.ui import cache, travel, widgets
from pages.ui.widgets import Tile

MANUAL = (
    "A manual run is in no sum or rate and changes no licence. People run an action when a metric is high, and a high metric tends to fall anyway. "
    "Each run is compared with idle windows that began at a comparable level: an indication, no proof."
)
METHOD = (
    "A run counts if it was randomised and its interval excludes 0. Gains and losses count alike, undone runs do not. "
    "Selecting proven effects makes a sum look larger, so the sum of all measured runs stands next to it. "
    "Intervals of sums are widened as though all runs on a metric had shared the same control windows."
)


@travel.live_part(5)
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
    detail = f"{format_rate_interval(overall)}; {overall.harmed} harmed" if overall.judged else "n=0 judged runs"
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


def describe_controls(summary: SavingsSummary) -> str:
    """Describe the control windows in a sentence."""
    if not summary.placebos:
        return "No control window yet. When a rule fires and its action may run without asking, the action is withheld by chance in some cases."
    windows = units.format_count(summary.placebos, "control window")
    return f"{windows}: an action was due and was withheld by chance. Changes are medians of after minus before, with 95 % intervals."


def _family_tile(family: SavingsFamily) -> Tile:
    name = family.name if family.name in {"memory", "disk", "time"} else metric_label(family.name)
    left_out = "".join(f", {n:,} {why}" for n, why in ((family.no_effect, NOTHING), (family.left_out, "left out")) if n)
    if family.proved is None:
        return Tile(f"Saved, {name}", NOTHING if family.no_effect else units.NOT_ENOUGH, f"n=0 proven{left_out}")
    total = format_total(family.proved, family.unit, NOTHING)
    return Tile(f"Saved, {name}", total.text, f"{total.small}, n={family.proved.n:,} proven{left_out}")
