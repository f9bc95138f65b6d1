"""Sentences about evolution that several pages show: what races, on what evidence, and recipes in words."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import pandas as pd

from engine import units
from engine.domain.recipe import VOTES, Recipe

ENSEMBLE, EVERY_MODEL = "ensemble", "all"  # in place of a model: another blend, a refresh
OPEN = ("training", "racing")
_VERDICTS = {  # after "was"
    "reverted": "reverted: the versions before proved better", "failed": "given up: its training failed",
}  # fmt: skip
_REASONS = {  # of a promotion or a retirement, by the verdict of its contest
    "better": ": proved better", "worse": ": proved worse", "equivalent": ": proved to differ by less than the margin",
    "inconclusive": ": no verdict within its budget",
}  # fmt: skip


def describe_evolution(evolutions: pd.DataFrame, standings: pd.DataFrame, config: dict[str, Any]) -> str:
    """Describe what races and what is searched, the verdict first."""
    racing, training = _open_rows(evolutions, standings)
    mode = {"off": " Evolution is off: only the first training takes place.", "refresh": " Refreshes only: no challenger is searched for."}
    sentences = [_describe_races(racing, standings, config.get("contest_budget"))]
    if training:
        sentences.append(f"In training: {', '.join(_name_subject(row) for row in training)}.")
    if not any(row["state"] == "racing" for row in racing):
        sentences.append(_describe_last(evolutions))
    return " ".join(sentence for sentence in sentences if sentence) + mode.get(str(config.get("evolution")), "")


def summarise_evolution(evolutions: pd.DataFrame, standings: pd.DataFrame) -> str:
    """Describe the same in a few words, for one line."""
    racing, training = _open_rows(evolutions, standings)
    parts = [f"{_name_subject(row)} races, {_format_evidence(row, standings)}" for row in racing[:2]]
    if len(racing) > len(parts):
        parts.append(f"{len(racing) - len(parts)} more race")
    if training:
        parts.append(f"{units.format_count(len(training), 'training')} under way")
    return "; ".join(parts) or "no challenger races"


def render_summary(evolutions: pd.DataFrame, standings: pd.DataFrame, more: str = "") -> str:
    """Return the line with these words, with room on a phone for the longest."""
    return f'<div class="pd pd-note pd-evolution">Evolution: {escape(summarise_evolution(evolutions, standings))}{escape(more)}.</div>'


def count_evidence(row: dict[Any, Any], standings: pd.DataFrame) -> float | None:
    """Return the e-value of "better": the largest over the horizons at the newest point, else that of the row."""
    is_open = row["state"] == "racing" or row["number"] in find_watched(standings)
    values = standings.loc[standings["number"] == row["number"], "not_better"].dropna() if len(standings) and is_open else []
    if len(values):
        return math.exp(min(float(max(values)), 700.0))
    return float(row["evidence"]) if units.is_known(row["evidence"]) else None


def format_e_value(value: float | None) -> str:
    """Format an e-value; a very large one as a power of ten."""
    if value is None or not math.isfinite(value):
        return units.MISSING
    if value >= 1e6:
        return f"10^{math.log10(value):.0f}"
    return "under 0.01" if value < 0.01 else units.format_number(value, 0 if value >= 100 else 1 if value >= 1 else 2)


def describe_recipe(recipe: Recipe, parent: Recipe | None, columns: int) -> str:
    """Describe what differs from the parent, or for a recipe without one, from the default recipe of its kind."""
    base = parent or Recipe(recipe.model)
    before = dict(base.parameters)
    parts = [recipe.model] if recipe.model != base.model else []
    for name, value in recipe.parameters:
        if before.get(name) != value:
            old = f" instead of {units.format_setting(before[name])}" if name in before else ""
            parts.append(f"{_readable(name)} {units.format_setting(value)}{old}")
    parts += [f"{_readable(name)} as by default" for name in before if name not in dict(recipe.parameters)]
    if recipe.since != base.since:
        parts.append(f"trained on data since tick {recipe.since:,}" if recipe.since else "training data from any tick")
    if recipe.window_bars != base.window_bars:
        parts.append(f"trained on {recipe.window_bars:,} bars" if recipe.window_bars else "training window as set")
    if recipe.columns != base.columns:
        parts.append(_describe_columns(recipe, columns))
    return ", ".join(parts) or ("default recipe" if recipe.is_default else "same recipe")


def _describe_columns(recipe: Recipe, columns: int) -> str:
    if not recipe.columns:
        return "all columns"
    votes = sum(column.startswith(VOTES) for column in recipe.columns)
    total = f" of {columns:,}" if columns else ""
    return f"{len(recipe.columns) - votes:,}{total} columns" + (f" and {units.format_count(votes, 'vote')} of other models" if votes else "")


def find_watched(standings: pd.DataFrame) -> set[int]:
    """Return the numbers of the decided changes whose versions before stay in shadow and may return."""
    return set(standings.loc[(standings["is_watch"] == 1) & (standings["is_recent"] == 1), "number"].tolist()) if len(standings) else set()


def name_versions(text: str) -> str:
    """Return a version, or the first of several with how many more there are."""
    first, *others = text.split(", ")
    return f"{first} and {len(others)} more" if others else first


def _open_rows(evolutions: pd.DataFrame, standings: pd.DataFrame) -> tuple[list[dict[Any, Any]], list[dict[Any, Any]]]:
    """Return the evolutions of the session in a contest, and those in training; challengers first, then what is watched."""
    if evolutions.empty:
        return [], []
    current = evolutions[evolutions["is_current"] == 1].to_dict("records")
    watched = find_watched(standings)
    racing = [row for row in current if row["state"] == "racing"] + [
        row for row in current if row["state"] == "promoted" and row["number"] in watched
    ]
    racing.sort(key=lambda row: (row["state"] != "racing", row["model"] == ENSEMBLE))
    return racing, [row for row in current if row["state"] == "training"]


def _describe_races(racing: list[dict[Any, Any]], standings: pd.DataFrame, budget: int | None) -> str:
    if not racing:
        return "No challenger races."
    if all(row["state"] == "promoted" for row in racing):
        watched = "; ".join(f"{_name_subject(row)}, {_format_evidence(row, standings)}" for row in racing)
        return f"No challenger races. In shadow, to return if proved better: {watched}."
    if len(racing) == 1:
        row = racing[0]
        what = _name_subject(row, article=True)
        return f"{what[:1].upper()}{what[1:]} races: {_format_evidence(row, standings)}{_format_progress(row, standings, budget)}."
    listed = "; ".join(f"{_name_subject(row)}, {_format_evidence(row, standings)}" for row in racing)
    return f"{len(racing)} contests run: {listed}."


def _name_subject(row: dict[Any, Any], *, article: bool = False) -> str:
    if row["state"] == "promoted":
        return "the versions before the refresh" if row["strategy"] == "refresh" else f"the version before {name_versions(row['version'])}"
    if row["model"] == EVERY_MODEL:
        return "a refresh of all models"
    if row["model"] == ENSEMBLE:
        return f"{'another ' if article else ''}blend {row['version']}".strip()
    return f"{'a ' if article else ''}challenger of {row['model']}"


def _format_evidence(row: dict[Any, Any], standings: pd.DataFrame) -> str:
    value = count_evidence(row, standings)
    if value is None:
        return "no evidence yet"
    bars = standings.loc[standings["number"] == row["number"], "threshold"].dropna() if len(standings) else []  # a watch has a bar of its own
    bar = math.exp(float(max(bars))) if len(bars) else row["threshold"]
    threshold = f" of {units.format_quantity(bar)}" if units.is_known(bar) else ""
    return f"e-value {format_e_value(value)}{threshold}"


def _format_progress(row: dict[Any, Any], standings: pd.DataFrame, budget: int | None) -> str:
    points = standings[standings["number"] == row["number"]] if len(standings) else standings
    if points.empty:
        return ""
    ticks = int(points["tick"].max() - points["first_tick"].min())
    return f", after {ticks:,} of at most {budget:,} ticks" if budget else f", after {ticks:,} ticks"


def _describe_last(evolutions: pd.DataFrame) -> str:
    decided = evolutions[evolutions["decided_at"].notna()] if len(evolutions) else evolutions
    if decided.empty:
        return "No contest has been decided yet."
    row = decided.sort_values("decided_at").iloc[-1]
    name = name_versions(row["version"]) if row["version"] else f"{row['strategy']} of {row['model']}"
    verdict = _VERDICTS.get(str(row["state"]), str(row["state"]))
    if row["state"] == "retired" and not row["version"]:
        verdict = "ended: it gave no recipe worth a contest"
    elif row["state"] in {"promoted", "retired"}:
        verdict += _REASONS.get(str(row["verdict"]), "")
    return f"The last, {name}, was {verdict} ({units.format_time(int(row['decided_at']), '%Y-%m-%d %H:%M')} UTC)."


def _readable(name: str) -> str:
    return name.replace("_", " ")
