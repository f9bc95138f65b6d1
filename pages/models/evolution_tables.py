"""The tables of evolution: contests, lineage, drift, findings and history."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import pandas as pd

from engine import units
from engine.store.read.evolution import RecipeNode, StampedRows
from pages.ui import command_table, evolution_text, theme
from pages.ui.forest_plot import finite_or_none, iterate_rows
from pages.ui.tables import Cell, Column, TableRow

WHEN = "%m-%d %H:%M"
CONTESTS = (
    Column("Version", nowrap=True), Column("State", term="state of an evolution"), Column("Recipe", full_width=True),
    Column("Better", right=True, term="e-value"), Column("Worse", right=True, term="e-value"), Column("Gain in R²", right=True, term="gain"),
    Column("Blocks", right=True, term="block"), Column("Clipped", right=True), Column("Differing forecasts", right=True, term="differing forecasts"),
    Column("Move in its direction, bps", right=True, term="differing forecasts"),
)  # fmt: skip
LINEAGE = (
    Column("Recipe", full_width=True, term="recipe"), Column("State", term="state of an evolution"), Column("Versions", right=True),
    Column("Newest version", full_width=True),
)  # fmt: skip
DRIFT = (
    Column("Column", nowrap=True, full_width=True), Column("KS", right=True, term="Kolmogorov-Smirnov distance"),
    Column("q", right=True, term="q-value"), Column("Verdict"), Column("Where"),
)  # fmt: skip
FINDINGS = (Column("Where", full_width=True), Column("Finding", full_width=True, term="finding"))
HISTORY = (
    Column("When", nowrap=True), Column("Trigger", full_width=True, term="trigger of an evolution"), Column("Strategy"), Column("Model"),
    Column("Version"), Column("State", term="state of an evolution"), Column("E-value", right=True), Column("Training time", right=True),
)  # fmt: skip


def list_contests(evolutions: pd.DataFrame, standings: pd.DataFrame, lineage: tuple[RecipeNode, ...], horizon: int) -> list[TableRow]:
    """List each contest of the session that races or is the newest decided: the champion, then its challenger with its figures at the horizon."""
    words = {node.newest: _describe_node(node, lineage) for node in lineage}
    points = {int(point.number): point for point in iterate_rows(standings[standings["horizon"] == horizon])} if len(standings) else {}
    lines = []
    watched = evolution_text.find_watched(standings)
    for row in select_contests(evolutions, standings):
        number = int(row["number"])
        if number in watched:
            lines += _watch_rows(row, words, points.get(number))
            continue
        if row["parent"]:
            parent = (evolution_text.name_versions(str(row["parent"])), _state("champion"), words.get(str(row["parent"]), ""))
            lines.append(TableRow(f"{number} champion", (*parent, *(units.MISSING,) * (len(CONTESTS) - 3))))
        name = evolution_text.name_versions(str(row["version"] or row["strategy"]))
        challenger = (
            Cell(f"\N{RIGHTWARDS ARROW} {name}" if row["parent"] else str(name)),
            _state(str(row["state"])),
            words.get(str(row["version"]), ""),
        )
        lines.append(TableRow(f"{number} challenger", (*challenger, *_figures(points.get(number))), highlighted=row["state"] == "racing"))
    return lines


def render_verdict(text: str) -> str:
    """Return the sentences on what races, with room for the longest."""
    return f'<div class="pd pd-words pd-standing" role="status">{escape(text)}</div>'


def _watch_rows(row: dict[Any, Any], words: dict[str, str], point: Any) -> list[TableRow]:
    """Return the rows of a change that serves, and of the versions before it, which return if they prove better."""
    serving, before = (evolution_text.name_versions(str(row[name])) for name in ("version", "parent"))
    number = int(row["number"])
    champion: tuple[Cell | str, ...] = (serving, _state("champion"), words.get(str(row["version"]), ""), *(units.MISSING,) * (len(CONTESTS) - 3))
    shadow = (f"\N{RIGHTWARDS ARROW} {before}", _state("shadow"), words.get(str(row["parent"]), ""))
    return [TableRow(f"{number} champion", champion), TableRow(f"{number} shadow", (*shadow, *_figures(point)))]


def select_contests(evolutions: pd.DataFrame, standings: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the contests of the session that race, newest first, then the newest decided ones with points."""
    if evolutions.empty:
        return []
    with_points = set(standings["number"].tolist()) if len(standings) else set()
    current = evolutions[evolutions["is_current"] == 1].to_dict("records")
    watched = evolution_text.find_watched(standings)
    racing = [row for row in current if row["state"] == "racing" or row["number"] in watched]
    racing.sort(key=lambda row: (row["state"] != "racing", row["model"] == evolution_text.ENSEMBLE))
    return racing + [row for row in current if row["state"] != "racing" and row["number"] in with_points - watched][:2]


def name_contest(row: dict[Any, Any]) -> str:
    """Return what a list of contests calls one."""
    subject = evolution_text.name_versions(row["version"]) if row["version"] else f"{row['strategy']} of {row['model']}"
    return f"{row['number']}: {subject}, {row['state']}"


def select_points(points: pd.DataFrame, row: dict[Any, Any], *, is_watch: bool) -> pd.DataFrame:
    """Return the points of the contest before the verdict, or while the change is watched those since."""
    if pd.isna(row["decided"]):
        return points
    is_since = points["tick"] > row["decided"]
    return pd.DataFrame(points[is_since if is_watch else ~is_since])


def list_lineage(lineage: tuple[RecipeNode, ...]) -> list[TableRow]:
    """List the recipes as a tree: each below the recipe that it was derived from."""
    lines = []
    for node in lineage:
        indent = "\N{NO-BREAK SPACE}" * (4 * (node.depth - 1)) + "\N{BOX DRAWINGS LIGHT UP AND RIGHT} " if node.depth else ""
        name = f"{node.place}: " if not node.depth else ""
        cells = (f"{indent}{name}{_describe_node(node, lineage)}", _state(node.state), f"{node.versions:,}", Cell(node.newest, small=node.origin))
        lines.append(TableRow(f"{node.place} {node.recipe.id}", cells, highlighted=node.state in evolution_text.OPEN))
    return lines


def list_drift(drift: StampedRows) -> list[TableRow]:
    """List the columns, those that drifted first."""
    lines = []
    for row in iterate_rows(drift.rows):
        name = row.column if row.subject == "inputs" else f"{row.subject}, {row.column}"
        verdict = Cell("drifted", theme.WARNING) if row.drifted else Cell("no drift" if units.is_known(row.ks) else units.MISSING, theme.NEUTRAL)
        distance = units.format_number(finite_or_none(row.ks), 2, missing=units.NOT_ENOUGH)
        cells = (name, distance, format_q(finite_or_none(row.q)), verdict, row.place)
        lines.append(TableRow(f"{row.subject} {row.column}", cells, highlighted=bool(row.drifted)))
    return lines


def list_findings(findings: StampedRows) -> list[TableRow]:
    """List each finding in words with its n and interval."""
    rows = iterate_rows(findings.rows)
    return [TableRow(f"{row.dimension} {row.condition} {row.horizon} {row.measure}", describe_finding(row)) for row in rows]


def describe_finding(row: Any) -> tuple[str, str]:
    """Describe where the ensemble is off; and by how much, and how sure that is."""
    digits = 3 if abs(row.estimate) < 0.1 else 1
    value = units.format_number(finite_or_none(row.estimate), digits, row.unit, signed=True)
    interval = units.format_interval(finite_or_none(row.low), finite_or_none(row.high), digits, row.unit)
    sure = f"95 %: {interval}, n={int(row.n):,}, q {format_q(finite_or_none(row.q))}"
    where = f"{row.dimension[:1].upper()}{row.dimension[1:]} {row.condition}, {units.format_count(int(row.horizon), 'bar')}"
    return where, f"{row.measure} {value} ({sure})"


def describe_stamp(stamped: StampedRows, what: str) -> str:
    """Describe when the newest search or test was."""
    return f"{what} at tick {stamped.tick:,}" if stamped.tick is not None else ""


def list_history(evolutions: pd.DataFrame, standings: pd.DataFrame) -> list[TableRow]:
    """List the evolutions, newest first."""
    lines = []
    for row in iterate_rows(evolutions):
        known = {name: getattr(row, name) for name in ("number", "state", "evidence")}
        evidence = evolution_text.count_evidence(known, standings) if row.state == "racing" else finite_or_none(row.evidence)
        threshold = f"of {units.format_quantity(row.threshold)}" if units.is_known(row.threshold) and evidence is not None else ""
        decided = "" if pd.isna(row.decided_at) else units.format_time(int(row.decided_at), WHEN)
        cells = (
            units.format_time(int(row.at), WHEN), Cell(row.trigger, small=row.detail), row.strategy, row.model,
            evolution_text.name_versions(row.version) if row.version else units.MISSING,
            Cell(row.state, theme.state_colour(row.state), small=", ".join(part for part in (_judgement(row), decided) if part)),
            Cell(evolution_text.format_e_value(evidence), small=threshold), units.format_duration(finite_or_none(row.seconds)),
        )  # fmt: skip
        lines.append(TableRow(str(row.id), cells, highlighted=row.state in evolution_text.OPEN and bool(row.is_current)))
    return lines


def describe_command(command: pd.Series) -> str:
    """Describe the newest command of the section, with its result."""
    result = command_table.describe_result(command["result"]) or "waiting for the engine"
    return f"Last {command['name']}, {units.format_time(int(command['at']))} UTC by {command['by']}: {command['reason']}. Result: {result}."


def format_q(value: float | None) -> str:
    """Format a q-value; a very small one as below a bound."""
    if value is None:
        return units.MISSING
    return "under 0.0001" if value < 1e-4 else units.format_number(value, 4 if value < 1e-3 else 3 if value < 0.1 else 2)


def _describe_node(node: RecipeNode, lineage: tuple[RecipeNode, ...]) -> str:
    parent = next((other.recipe for other in lineage if other.place == node.place and other.recipe.id == node.recipe.parent), None)
    words = evolution_text.describe_recipe(node.recipe, parent, node.columns)
    return f"{node.recipe.model}, {words}" if parent is None and node.recipe.model != node.place else words


def _judgement(row: Any) -> str:
    """Return the verdict of the contest, where it is more than the state."""
    return row.verdict if row.state in {"retired", "promoted"} and row.verdict in {"better", "worse", "equivalent", "inconclusive"} else ""


def _state(word: str) -> Cell:
    return Cell(word, theme.state_colour(word))


def _figures(point: Any) -> tuple[Cell | str, ...]:
    if point is None:
        return (Cell(units.NOT_ENOUGH), *("",) * 6)
    better, worse = (evolution_text.format_e_value(_exp(value)) for value in (point.not_better, point.not_worse))
    bar = _exp(point.threshold)
    gain = units.format_percent(finite_or_none(point.r2_gain), 3, signed=True, missing=units.NOT_ENOUGH)
    move = units.format_number(finite_or_none(point.differing_bps), 1, signed=True, missing=units.NOT_ENOUGH)
    return (
        Cell(better, small="" if bar is None else f"of {units.format_quantity(bar)}"), worse, gain,
        *(f"{int(count):,}" for count in (point.blocks, point.clipped, point.differing)), move,
    )  # fmt: skip


def _exp(value: float | None) -> float | None:
    known = finite_or_none(value)
    return None if known is None else math.exp(min(known, 700.0))
