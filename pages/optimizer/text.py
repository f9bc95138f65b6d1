"""One trial in words and tiles: what it did by itself, and apart from that what became of its metric."""

from __future__ import annotations

import json

from engine import units
from engine.domain.optimization import MANUAL, describe_verdict
from engine.store.read.optimizer import TrialDetails
from engine.store.read.reader import SqlValue
from pages.ui.command_table import format_direct_effect, format_metric, metric_label, readable_name
from pages.ui.widgets import Tile

ALIGNED = "Change from the mean before the run, by seconds from it. Grey: the windows it is compared with."


def describe_trial(told: TrialDetails) -> str:
    """The trial in a few sentences, the verdict first; the direct effect stands apart from the causal one, last."""
    row = told.row
    unit, verdict = str(row["unit"] or ""), str(row["verdict"])
    by_itself = f"By itself: {row['detail'] or format_direct_effect(row['amount'], row['amount_unit'])}."
    if row["placebo"]:
        return f"Nothing was done: {metric_label(str(row['metric']))} went from {format_metric(row['before'], unit)} to {format_metric(row['after'], unit)}."
    if not units.is_known(row["effect"]):
        return f"Effect on {metric_label(str(row['metric']))}: {units.NOT_ENOUGH}. {by_itself}"
    if row["mode"] == MANUAL:
        return f"{_indication(row, unit)} {by_itself}"
    against = f"against {int(row['windows'] or 0)} windows in which nothing was done"
    if not units.is_known(row["low"]) or not units.is_known(row["high"]):
        return f"Effect on {metric_label(str(row['metric']))}: {format_metric(row['effect'], unit)}, interval: {units.NOT_ENOUGH}, {against}. {by_itself}"
    band = f"{format_metric(row['low'], unit)} to {format_metric(row['high'], unit)}, 95 %"
    return (
        f"{verdict.capitalize()}. Effect on {metric_label(str(row['metric']))}: {format_metric(row['effect'], unit)} ({band}) {against}. {by_itself}"
    )


def _indication(row: dict[str, SqlValue], unit: str) -> str:
    """How the metric went after a run by hand, with no claim about the cause."""
    went = f"{metric_label(str(row['metric'])).capitalize()} went from {format_metric(row['before'], unit)} to {format_metric(row['after'], unit)}"
    windows = f"{int(row['windows'] or 0)} windows that began at a comparable level with nothing done"
    if not units.is_known(row["low"]) or not units.is_known(row["high"]):
        return f"{went}. Compared with {windows}: {units.NOT_ENOUGH}."
    band = f"{format_metric(row['low'], unit)} to {format_metric(row['high'], unit)}, 95 %"
    verdict = describe_verdict(str(row["verdict"])).capitalize()
    return f"{verdict}. {went}: {format_metric(row['effect'], unit)} ({band}) from where {windows} went. An indication: no coin decided this run."


def build_trial_tiles(told: TrialDetails) -> list[Tile]:
    row = told.row
    unit = str(row["unit"] or "")
    placebo = bool(row["placebo"])
    band = (
        f"{format_metric(row['low'], unit)} .. {format_metric(row['high'], unit)}"
        if units.is_known(row["low"]) and units.is_known(row["high"])
        else "no interval"
    )
    effect = format_metric(row["effect"], unit) if units.is_known(row["effect"]) else units.NOT_ENOUGH
    what = Tile("Action", readable_name(str(row["action"])), "placebo: not run" if placebo else _who(row))
    went = Tile(
        metric_label(str(row["metric"] or "metric")),
        f"{format_metric(row['before'], unit)} \N{RIGHTWARDS ARROW} {format_metric(row['after'], unit)}",
        "before, after",
    )
    if placebo:
        return [what, went, *_also(row["also"])]
    by_hand, verdict = row["mode"] == MANUAL, str(row["verdict"])
    shown = [
        Tile("Indication", describe_verdict(verdict), "by hand: no coin decided it")
        if by_hand
        else Tile("Verdict", verdict, "taken back" if row["undone"] else "", state=verdict),
        Tile("Against comparable windows" if by_hand else "Effect, 95 %", effect, f"{band}, n={int(row['windows'] or 0)} windows"),
        what,
        went,
        Tile("By itself", format_direct_effect(row["amount"], row["amount_unit"]), f"took {units.format_ms(float(row['seconds'] or 0.0) * 1000)}"),
    ]
    return [*shown, *_also(row["also"])]


def _who(row: dict[str, int | float | str | None]) -> str:
    if row["mode"] == MANUAL:
        return f"by {row['by']}: {row['reason'] or 'no reason given'}"
    return f"rule {readable_name(str(row['trigger']))}, {row['mode']}"


def _also(kept: object) -> list[Tile]:
    """What must not suffer, before and after."""
    told = json.loads(kept) if isinstance(kept, str) and kept else {}
    shown = []
    for name, pair in list(told.items())[:4] if isinstance(told, dict) else []:
        if isinstance(pair, list) and len(pair) == 2:
            unit = "ms" if str(name).endswith("_ms") else "%" if str(name).endswith("_percent") else "count"
            before, after = (format_metric(value, unit) for value in pair)
            shown.append(Tile(metric_label(str(name)), f"{before} \N{RIGHTWARDS ARROW} {after}", "before, after"))
    return shown
