"""One trial in words and tiles: what it did by itself, and apart from that what became of its metric."""

from __future__ import annotations

import json

from engine.domain.tuning import MANUAL, verdict_in_words
from engine.store.optimizer_query import TrialTold
from engine.store.reader import Value
from pages.parts import units
from pages.parts.oprows import figure, freed, metric, plain
from pages.parts.widgets import Tile

ALIGNED = "Change from the mean before the run, by seconds from it. Grey: the windows it is compared with."


def sentence(told: TrialTold) -> str:
    """The trial in a few sentences, the verdict first; the direct effect stands apart from the causal one, last."""
    row = told.row
    unit, verdict = str(row["unit"] or ""), str(row["verdict"])
    by_itself = f"By itself: {row['detail'] or freed(row['amount'], row['amount_unit'])}."
    if row["placebo"]:
        return f"Nothing was done: {metric(str(row['metric']))} went from {figure(row['before'], unit)} to {figure(row['after'], unit)}."
    if not units.known(row["effect"]):
        return f"Effect on {metric(str(row['metric']))}: {units.NOT_ENOUGH}. {by_itself}"
    if row["mode"] == MANUAL:
        return f"{_indication(row, unit)} {by_itself}"
    against = f"against {int(row['windows'] or 0)} windows in which nothing was done"
    if not units.known(row["low"]) or not units.known(row["high"]):
        return f"Effect on {metric(str(row['metric']))}: {figure(row['effect'], unit)}, interval: {units.NOT_ENOUGH}, {against}. {by_itself}"
    band = f"{figure(row['low'], unit)} to {figure(row['high'], unit)}, 95 %"
    return f"{verdict.capitalize()}. Effect on {metric(str(row['metric']))}: {figure(row['effect'], unit)} ({band}) {against}. {by_itself}"


def _indication(row: dict[str, Value], unit: str) -> str:
    """How the metric went after a run by hand, with no claim about the cause."""
    went = f"{metric(str(row['metric'])).capitalize()} went from {figure(row['before'], unit)} to {figure(row['after'], unit)}"
    windows = f"{int(row['windows'] or 0)} windows that began at a comparable level with nothing done"
    if not units.known(row["low"]) or not units.known(row["high"]):
        return f"{went}. Compared with {windows}: {units.NOT_ENOUGH}."
    band = f"{figure(row['low'], unit)} to {figure(row['high'], unit)}, 95 %"
    verdict = verdict_in_words(str(row["verdict"])).capitalize()
    return f"{verdict}. {went}: {figure(row['effect'], unit)} ({band}) from where {windows} went. An indication: no coin decided this run."


def tiles(told: TrialTold) -> list[Tile]:
    row = told.row
    unit = str(row["unit"] or "")
    placebo = bool(row["placebo"])
    band = f"{figure(row['low'], unit)} .. {figure(row['high'], unit)}" if units.known(row["low"]) and units.known(row["high"]) else "no interval"
    effect = figure(row["effect"], unit) if units.known(row["effect"]) else units.NOT_ENOUGH
    what = Tile("Action", plain(str(row["action"])), "placebo: not run" if placebo else _who(row))
    went = Tile(
        metric(str(row["metric"] or "metric")), f"{figure(row['before'], unit)} \N{RIGHTWARDS ARROW} {figure(row['after'], unit)}", "before, after"
    )
    if placebo:
        return [what, went, *_also(row["guards"])]
    by_hand, verdict = row["mode"] == MANUAL, str(row["verdict"])
    shown = [
        Tile("Indication", verdict_in_words(verdict), "by hand: no coin decided it")
        if by_hand
        else Tile("Verdict", verdict, "taken back" if row["undone"] else "", state=verdict),
        Tile("Against comparable windows" if by_hand else "Effect, 95 %", effect, f"{band}, n={int(row['windows'] or 0)} windows"),
        what,
        went,
        Tile("By itself", freed(row["amount"], row["amount_unit"]), f"took {units.ms(float(row['seconds'] or 0.0) * 1000)}"),
    ]
    return [*shown, *_also(row["guards"])]


def _who(row: dict[str, int | float | str | None]) -> str:
    if row["mode"] == MANUAL:
        return f"by {row['by']}: {row['reason'] or 'no reason given'}"
    return f"rule {plain(str(row['trigger']))}, {row['mode']}"


def _also(kept: object) -> list[Tile]:
    """What must not suffer, before and after."""
    told = json.loads(kept) if isinstance(kept, str) and kept else {}
    shown = []
    for name, pair in list(told.items())[:4] if isinstance(told, dict) else []:
        if isinstance(pair, list) and len(pair) == 2:
            unit = "ms" if str(name).endswith("_ms") else "%" if str(name).endswith("_percent") else "count"
            before, after = (figure(value, unit) for value in pair)
            shown.append(Tile(metric(str(name)), f"{before} \N{RIGHTWARDS ARROW} {after}", "before, after"))
    return shown
