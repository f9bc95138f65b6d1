"""Trials in words and tiles: the measured effect on the metric, and separately what the action did directly."""

from __future__ import annotations

import json
from typing import Any

from engine import units
from engine.domain.optimization import MANUAL, describe_verdict
from engine.store.read.optimizer import TrialDetails
from engine.store.read.reader import SqlValue
from pages.ui.command_table import NO_REASON, readable_name
from pages.ui.forest_plot import finite_or_none
from pages.ui.widgets import Tile

ALIGNED = "Change from the mean before the run, by seconds from the run. Grey: control windows."


def metric_label(name: str) -> str:
    """Return a reading's name in words: "process.rss_bytes" is "process RSS"."""
    label = readable_name(name.replace(".", " "))
    return next((label.removesuffix(unit) for unit in (" bytes", " percent", " ms") if label.endswith(unit)), label)


def format_metric(value: object, unit: str) -> str:
    return units.format_reading(finite_or_none(value), unit)


def format_direct_effect(amount: object, unit: object) -> str:
    return units.format_reading(finite_or_none(amount), str(unit), units.NOT_MEASURED)


def format_metric_interval(low: object, high: object, unit: str) -> str:
    interval = units.format_reading_interval(finite_or_none(low), finite_or_none(high), unit)
    return f"interval: {interval}" if interval == units.NOT_ENOUGH else interval


def describe_trial(trial: TrialDetails) -> str:
    """Describe a trial in a few sentences: the verdict first, the direct effect last."""
    row = trial.row
    unit, metric = str(row["unit"] or ""), metric_label(str(row["metric"]))
    change = f"went from {format_metric(row['before'], unit)} to {format_metric(row['after'], unit)}"
    if row["placebo"]:
        return f"Control window: {readable_name(str(row['action']))} withheld. {capitalize(metric)} {change}."
    direct = f"Direct effect: {row['detail'] or format_direct_effect(row['amount'], row['amount_unit'])}."
    if not units.is_known(row["effect"]):
        return f"{units.NOT_ENOUGH.capitalize()} on {metric}. {direct}"
    windows = int(row["windows"] or 0)
    value, low, high = (finite_or_none(row[name]) for name in ("effect", "low", "high"))
    effect = units.format_estimate(value, low, high, unit)
    if row["mode"] == MANUAL:
        verdict = describe_verdict(str(row["verdict"])).capitalize()
        idle = units.format_count(windows, "idle window")
        indication = f"{effect} against {idle} at a comparable level. An indication: the run was not randomised"
        return f"{verdict}. {capitalize(metric)} {change}: {indication}. {direct}"
    control = units.format_count(windows, "control window")
    return f"{str(row['verdict']).capitalize()}. Effect on {metric}: {effect}, 95 % interval, against {control}. {direct}"


def describe_evidence(action: Any) -> str:
    """Say what the trials of an action showed, in one clause: "lowered process RSS by 21 MB (17 to 25) in 11 of 16 trials"."""
    runs, effect = int(action.treated), finite_or_none(action.effect)
    low, high = finite_or_none(action.low), finite_or_none(action.high)
    if effect is None or low is None or high is None:
        return f"not measured yet, {units.format_count(runs, 'trial')}"
    unit, metric = str(action.unit or ""), metric_label(str(action.metric))
    if low <= 0.0 <= high:
        return f"changed {metric} by {format_metric(effect, unit)} ({_bare_interval(low, high, unit)}) over {units.format_count(runs, 'trial')}"
    verb = "lowered" if effect < 0.0 else "raised"
    span = _bare_interval(min(abs(low), abs(high)), max(abs(low), abs(high)), unit)
    return f"{verb} {metric} by {format_metric(abs(effect), unit)} ({span}) and helped in {int(action.helped)} of {units.format_count(runs, 'trial')}"


def build_trial_tiles(trial: TrialDetails) -> list[Tile]:
    row = trial.row
    unit, is_control, is_manual = str(row["unit"] or ""), bool(row["placebo"]), row["mode"] == MANUAL
    action = Tile("Action", readable_name(str(row["action"])), "withheld by chance" if is_control else _origin(row), term="optimizer action")
    change = Tile(metric_label(str(row["metric"] or "metric")), _arrow(row["before"], row["after"], unit), "before, after")
    guards = _guard_tiles(row["guards"])
    if is_control:
        return [action, change, *guards]
    verdict, windows = str(row["verdict"]), int(row["windows"] or 0)
    return [
        Tile("Indication", describe_verdict(verdict), "not randomised", term="manual run")
        if is_manual
        else Tile("Verdict", verdict, "undone" if row["undone"] else "", state=verdict),
        Tile(
            "Against idle windows" if is_manual else "Effect, 95 %",
            format_metric(row["effect"], unit) if units.is_known(row["effect"]) else units.NOT_ENOUGH,
            f"{format_metric_interval(row['low'], row['high'], unit)}, n={windows} windows",
            term="idle window" if is_manual else "effect",
        ),
        action,
        change,
        Tile("Direct effect", format_direct_effect(row["amount"], row["amount_unit"]), f"took {units.format_duration(float(row['seconds'] or 0.0))}"),
        *guards,
    ]


def capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


def _origin(row: dict[str, SqlValue]) -> str:
    if row["mode"] == MANUAL:
        return f"by {row['by']}: {row['reason'] or NO_REASON}"
    return f"rule {readable_name(str(row['trigger']))}, {row['mode']}"


def _arrow(before: object, after: object, unit: str) -> str:
    return f"{format_metric(before, unit)} \N{RIGHTWARDS ARROW} {format_metric(after, unit)}"


def _guard_tiles(stored: object) -> list[Tile]:
    """Return guard metrics before and after."""
    guards = json.loads(stored) if isinstance(stored, str) and stored else {}
    shown = []
    for name, pair in list(guards.items())[:4] if isinstance(guards, dict) else []:
        if isinstance(pair, list) and len(pair) == 2:
            unit = "ms" if str(name).endswith("_ms") else "%" if str(name).endswith("_percent") else "count"
            before, after = pair
            shown.append(Tile(metric_label(str(name)), _arrow(before, after, unit), "before, after", term="guard metric"))
    return shown


def _bare_interval(low: float, high: float, unit: str) -> str:
    return units.format_reading_interval(low, high, unit)
