"""Skill in words and tiles: whether it is proven now, recent skill, and skill over the whole session."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from engine import units
from engine.explain import LAPSED, NOT_PROVEN, PROVEN, UNKNOWN, judge_skill
from engine.store.read.recent import fewest_outcomes
from engine.store.read.status import EngineStatus
from pages.ui import theme
from pages.ui.widgets import Tile, render_notice

WARM = "warm-up included"
Figures = dict[tuple[str, int], dict[str, float | None]]
Estimates = pd.DataFrame | Figures  # the table of skill, or what `index_figures` makes of it


@dataclass(frozen=True, slots=True)
class SkillVerdict:
    """Whether skill is proven, and the horizon (bars) of the best proof, now or before; the shortest where there is none."""

    state: str  # as engine.explain has it
    horizon: int
    bound: float | None  # lower bound of R2 at that horizon, on which sizes rest


def judge_current_skill(status: EngineStatus, skill: Estimates) -> SkillVerdict | None:
    """Return the verdict on skill now; None before the first tick."""
    if status.last is None or status.session is None or not status.session.horizons:
        return None
    horizons = status.session.horizons
    bounds = (*status.last.skill_bounds, *[None] * len(horizons))[: len(horizons)]
    figures = index_figures(skill)
    whole = [figures.get(("ensemble", horizon), {}).get("low") for horizon in horizons]
    state = judge_skill(whole, bounds)
    moves = [max(0.0, low or 0.0) * bars for low, bars in zip(bounds if state == PROVEN else whole, horizons, strict=True)]
    place = moves.index(max(moves))
    return SkillVerdict(state, horizons[place], bounds[place])


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes that the ensemble's skill at the horizon acted on rests on, and the fewest that a bound needs."""

    seen: int
    needed: int

    @property
    def is_enough(self) -> bool:
        return self.seen >= self.needed


def count_outcomes(estimates: Estimates, current: SkillVerdict, symbols: int) -> Outcomes:
    """Count the outcomes that have been scored; 0 before the first."""
    n = index_figures(estimates).get(("ensemble", current.horizon), {}).get("n")
    return Outcomes(0 if n is None else int(n), fewest_outcomes(symbols, current.horizon))


def render_skill_banner(current: SkillVerdict, cross_check: str, outcomes: Outcomes | None = None) -> str:
    """Return the verdict as a banner of constant height.

    With too few outcomes nobody can judge the models: the words are neutral, and there is no cross-check.
    """
    is_young = outcomes is not None and not outcomes.is_enough and current.state in {NOT_PROVEN, UNKNOWN}
    if outcomes is not None and is_young:
        text = f"The models have not yet earned the right to trade: {outcomes.seen:,} of at least {outcomes.needed:,} outcomes seen."
        text = f"No position is opened until it is. {text}"
        return f'<div class="pd pd-verdict">{render_notice(text, word="Skill is not proven yet.", colour=theme.NEUTRAL)}</div>'
    bars = units.format_count(current.horizon, "bar")
    word, text, colour = {
        PROVEN: (
            "Skill is proven.",
            f"At {bars} the lower bound of R² is {units.format_percent(current.bound, 2, signed=True)}. Position sizes follow it.",
            theme.GOOD,
        ),
        LAPSED: ("Skill is lost.", f"Recent skill at {bars} is no longer proven. No position is opened until it is.", theme.HARM),
        NOT_PROVEN: ("Skill is not proven yet.", "No position is opened until it is.", theme.NEUTRAL),
    }.get(current.state, ("Skill is unknown.", "The newest tick could not measure it. No position is opened.", theme.WARNING))
    doubt = "" if cross_check == "reliable" else f" Cross-check: {cross_check}."
    return f'<div class="pd pd-verdict">{render_notice(text + doubt, word=word, colour=colour)}</div>'


def build_skill_tiles(skill: Estimates, horizon: int, halflife: float | None = None) -> list[Tile]:
    """Build the tiles of the ensemble's R2 out of sample, recent and over the whole session, with interval and n."""
    memory = "" if halflife is None else f", half-life {halflife:,.0f} ticks"
    bars, figures = units.format_count(horizon, "bar"), index_figures(skill)
    return [
        _tile(figures, "recent", horizon, f"Recent skill (R², {bars})", memory),
        _tile(figures, "ensemble", horizon, f"Session skill (R², {bars})", f", {WARM}"),
    ]


def _tile(figures: Figures, scope: str, horizon: int, label: str, more: str) -> Tile:
    known = figures.get((scope, horizon), {})
    n = known.get("n")
    if n is None:
        return Tile(label, units.NOT_MEASURED, "no forecast has fallen due")
    r2, low, high = (known.get(name) for name in ("r2", "low", "high"))
    if r2 is None or low is None or high is None:
        return Tile(label, units.NOT_ENOUGH, f"n={int(n):,}{more}")
    return Tile(label, units.format_percent(r2, 2, signed=True), f"95 %: {units.format_interval(low * 100, high * 100, 2, '%')}, n={int(n):,}{more}")


def index_figures(skill: Estimates) -> Figures:
    """Return the ensemble's figures over all regimes, by scope and horizon; an unknown one is None. What is indexed already is returned."""
    if isinstance(skill, dict):
        return skill
    if skill.empty:
        return {}
    keys = zip(*(skill[name].tolist() for name in ("scope", "model", "regime", "horizon")), strict=True)
    places: dict[tuple[str, int], int] = {}
    for place, (scope, model, regime, horizon) in enumerate(keys):
        if model == "ensemble" and regime == "all":
            places.setdefault((scope, horizon), place)
    columns = {name: skill[name].tolist() for name in ("r2", "low", "high", "n")}
    return {key: {name: _known(values[place]) for name, values in columns.items()} for key, place in places.items()}


def _known(value: float | None) -> float | None:
    return float(value) if value is not None and units.is_known(value) else None
