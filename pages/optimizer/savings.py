"""What the optimizer's runs came to, in words: savings, how often they helped, and what came of doing nothing."""

from __future__ import annotations

from collections.abc import Sequence

from engine import units
from engine.store.read.savings import (
    EffectTotal,
    ManualRuns,
    MedianChange,
    MetricSaving,
    SavingsFamily,
    SavingsSummary,
    SuccessRate,
    TreatedAndControl,
)
from pages.ui.command_table import metric_label, readable_name
from pages.ui.tables import Cell, Column, TableRow
from pages.ui.widgets import Tile

RATES = (
    Column("", nowrap=True), Column("Success rate, 95 %", right=True, full_width=True), Column("Judged", right=True), Column("Helped", right=True),
    Column("No effect", right=True), Column("Harmed", right=True), Column("Not judged", right=True),
)  # fmt: skip
SUMS = (
    Column("Metric", nowrap=True), Column("Saved, 95 %", right=True, full_width=True), Column("Runs counted", right=True),
    Column("All runs measured, 95 %", right=True, full_width=True), Column("Left out", full_width=True),
)  # fmt: skip
PLACEBOS = (
    Column("Action", nowrap=True), Column("Metric", nowrap=True), Column("When nothing was done", right=True, full_width=True),
    Column("When it was run", right=True, full_width=True),
)  # fmt: skip

BY_HAND = (
    Column("Action", nowrap=True), Column("Metric", nowrap=True), Column("Runs", right=True), Column("Better than usual", right=True),
    Column("As usual", right=True), Column("Worse than usual", right=True), Column("Not enough data", right=True),
    Column("Before to after", right=True, full_width=True), Column("By itself", right=True, full_width=True),
)  # fmt: skip

NOTHING = "no measurable effect"
MANUAL = (
    "No coin decided these runs, so they are in none of the sums and rates above and give or take no licence. A button is pressed when a metric is "
    "high, and what is high falls by itself: each run is compared with windows in which nothing was done and the metric began at a comparable level. "
    "That is an indication, no proof."
)
METHOD = (
    "A run is counted where a coin decided it and its effect is proved: the interval leaves out 0. Gains and losses are counted alike. "
    "Runs without a measurable effect are in no sum of savings, and neither are runs that were taken back. "
    "Picking what is proved makes a sum look larger: the sum of all runs measured stands beside it. "
    "In the interval of a sum the distances of each effect to its bounds are added in quadrature, "
    "and widened as though all runs on a metric had been compared with the same windows."
)


def build_savings_tiles(told: SavingsSummary) -> list[Tile]:
    """The sums by kind of thing, and how often a run helped."""
    runs, overall = told.trials - told.placebos, told.overall
    rate = units.NOT_ENOUGH if overall.band is None else units.format_percent(overall.share, 0)
    small = f"{_rate_band(overall)}; {overall.harmed} harmed" if overall.judged else "n=0 judged runs"
    shown = [_tile(one) for one in told.families] or [Tile("Saved", units.NOT_ENOUGH, "n=0")]
    return [
        *shown,
        Tile("Success rate", rate, small),
        Tile("Runs", f"{runs:,}", f"{overall.judged:,} judged; {told.placebos:,} placebo windows{_apart(told)}"),
    ]


def list_savings(found: Sequence[MetricSaving]) -> list[TableRow]:
    """A row a metric."""
    lines = []
    for one in found:
        left = ((one.no_effect, NOTHING), (one.unmeasured, "without an interval yet"), (one.undone, "taken back"),
                (one.unknown_direction, "where it is not known which way is better"))  # fmt: skip
        out = ", ".join(f"{n} {why}" for n, why in left if n) or "none"
        none = NOTHING if one.no_effect else units.NOT_ENOUGH
        cells = (
            metric_label(one.metric),
            _sum(one.proved, one.unit, none),
            f"{one.proved.n if one.proved else 0:,}",
            _sum(one.measured, one.unit, units.NOT_ENOUGH),
            out,
        )
        lines.append(TableRow(one.metric, cells))
    return lines


def list_success_rates(overall: SuccessRate, parts: Sequence[SuccessRate]) -> list[TableRow]:
    """All runs, then a row for each action or trigger."""
    lines = []
    for one in (overall, *parts):
        rate = units.NOT_ENOUGH if one.band is None else units.format_percent(one.share, 0)
        counts = (one.judged, one.helped, one.no_effect, one.harmed, one.unjudged)
        lines.append(TableRow(one.name or "*", (readable_name(one.name) or "all", Cell(rate, small=_rate_band(one)), *(f"{n:,}" for n in counts))))
    return lines


def list_placebos(found: Sequence[TreatedAndControl]) -> list[TableRow]:
    """What became of a metric in windows in which a rule fired and nothing was done, beside what became of it with the run."""
    return [
        TableRow(
            f"{one.action} {one.metric}",
            (readable_name(one.action), metric_label(one.metric), _change(one.control, one.unit), _change(one.treated, one.unit)),
        )
        for one in found
    ]


def list_manual_runs(found: Sequence[ManualRuns]) -> list[TableRow]:
    """A row for each action and metric that people ran by hand: how the metric went, and apart from that what the runs did themselves."""
    lines = []
    for one in found:
        direct = ", ".join(units.format_reading(amount, unit) for unit, amount in one.direct) or units.NOT_MEASURED
        counts = (f"{n:,}" for n in (one.n, one.better, one.usual, one.worse, one.unknown))
        lines.append(
            TableRow(
                f"{one.action} {one.metric}", (readable_name(one.action), metric_label(one.metric), *counts, _change(one.change, one.unit), direct)
            )
        )
    return lines


def _apart(told: SavingsSummary) -> str:
    n = sum(one.n for one in told.manual)
    return f"; {n:,} by hand apart" if n else ""


def describe_placebos(told: SavingsSummary) -> str:
    """The placebo record in a sentence."""
    if not told.placebos:
        return "No placebo window yet. A rule that fires, and whose action may run by itself, leaves some answers out by chance, to compare with."
    windows = units.format_count(told.placebos, "placebo window")
    return (
        f"{windows}: a rule fired, an action was due, and by chance nothing was done. Changes are medians of after less before, with 95 % intervals."
    )


def _tile(one: SavingsFamily) -> Tile:
    name = one.name if one.name in {"memory", "disk", "time"} else metric_label(one.name)
    left = "".join(f", {n} {why}" for n, why in ((one.no_effect, NOTHING), (one.left_out, "left out")) if n)
    if one.proved is None:
        return Tile(f"Saved, {name}", NOTHING if one.no_effect else units.NOT_ENOUGH, f"n=0 proved{left}")
    shown = _sum(one.proved, one.unit, NOTHING)
    return Tile(f"Saved, {name}", shown.text, f"{shown.small}, n={one.proved.n:,} proved{left}")


def _sum(told: EffectTotal | None, unit: str, missing: str) -> Cell:
    """A sum with its interval; one that may as well be 0 is no saving."""
    if told is None:
        return Cell(missing)
    return Cell(_saved(told.amount, unit) if told.is_proved else NOTHING, small=_band(told, unit))


def _rate_band(one: SuccessRate) -> str:
    """The interval with what it rests on."""
    if one.band is None:
        return f"{one.helped} of {one.judged} helped, n={one.judged}" if one.judged else "n=0"
    return f"{one.band[0] * 100:.0f}..{one.band[1] * 100:.0f} %, n={one.judged:,}"


def _change(one: MedianChange, unit: str) -> Cell:
    if one.median is None:
        return Cell(units.NOT_ENOUGH, small=f"n={one.n}")
    if one.band is None:
        return Cell(units.format_reading(one.median, unit), small=f"interval: {units.NOT_ENOUGH}, n={one.n}")
    return Cell(
        units.format_reading(one.median, unit),
        small=f"{units.format_reading(one.band[0], unit)} .. {units.format_reading(one.band[1], unit)}, n={one.n}",
    )


def _saved(amount: float, unit: str) -> str:
    """A gain as it is, a loss with the word for it."""
    return units.format_reading(amount, unit) if amount >= 0 else f"{units.format_reading(-amount, unit)} lost"


def _band(told: EffectTotal, unit: str) -> str:
    return f"{units.format_reading(told.low, unit)} .. {units.format_reading(told.high, unit)}"
