"""The gap between two clocks while travelling: the same estimates as known at the past tick and as known now, drawn side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from engine import units
from engine.domain.intents import phrase_gate
from engine.store.read import decisions, models, portfolio, same_forecasts
from engine.store.read.past import PastTick
from engine.store.read.reader import Reader
from engine.store.read.same_forecasts import ScoredHorizon
from pages.ui import cache, forest_plot, live, tables, theme, widgets
from pages.ui.forest_plot import IntervalEstimate, finite_or_none, iterate_rows, to_percent
from pages.ui.tables import TableRow

THEN, NOW = "as known then", "as known now"
SERIES = ((THEN, theme.UP), (NOW, theme.WARNING))
COLUMNS = (*tables.text_columns("estimate"), *tables.number_columns(THEN, "n then", NOW, "n now", "then less now"))
SAME_NOTE = (
    "The same forecasts are those up to the tick, scored by the outcomes of then and of now; the other estimates of now rest on later ones too."
)
SECONDS = 60  # s for which what is known now is not read again


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What one clock knows: skill, declined-trade P&L, equity, and skill of the forecasts that both clocks have."""

    skill: pd.DataFrame
    declined: pd.DataFrame
    equity: float | None  # money at the newest tick that it knows
    same: tuple[ScoredHorizon, ...]  # the newest forecasts up to the past tick, by the outcomes that it knows


@dataclass(frozen=True, slots=True)
class Gap:
    """One estimate by both clocks."""

    then: IntervalEstimate
    now: IntervalEstimate

    @property
    def size(self) -> float | None:
        """How much more was thought then than is known now; None where one is unknown."""
        return None if self.then.value is None or self.now.value is None else self.then.value - self.now.value


def show_gap(horizons: tuple[int, ...]) -> None:
    """Draw the gap of the ensemble's skill, and of what each gate cost; nothing while the page shows now."""
    past = cache.past_tick()
    if past is None:
        return
    then, now = fetch_both(past)
    skill_gaps, gate_gaps = list_skill_gaps(then, now, horizons), list_gate_gaps(then, now)
    widgets.show_heading("How much hindsight changes", f"estimates of tick {past.tick:,} against those of now", term="as known then")
    if then.skill.empty:
        widgets.show_empty("no estimate is stored for this tick or before: estimates of the past are stored since this version only")
        return
    skill_gaps = [*list_same_gaps(then, now), *skill_gaps]
    rows = [gap.then.row for gap in skill_gaps]
    figure = forest_plot.plot_intervals([point for gap in skill_gaps for point in (gap.then, gap.now)], rows, SERIES)
    live.show_chart(figure, key="hindsight", label="Skill as known then and as known now")
    widgets.show_note(f"{SAME_NOTE} {describe_equity(then, now)}")
    with st.expander("Skill and declined-trade P&L as a table, by both clocks"):
        widgets.show_table(COLUMNS, [*_list_rows(skill_gaps, "%", 2), *_list_rows(gate_gaps, "bps", 1)], label="Estimates by both clocks")


def list_skill_gaps(then: Knowledge, now: Knowledge, horizons: tuple[int, ...]) -> list[Gap]:
    """Return recent and session skill of the ensemble at each horizon, by both clocks."""
    names = [(scope, word, horizon) for horizon in horizons for scope, word in (("recent", "recent skill"), ("ensemble", "session skill"))]
    return [Gap(*(_skill_estimate(known.skill, scope, horizon, word, clock) for known, clock in _both(then, now))) for scope, word, horizon in names]


def list_same_gaps(then: Knowledge, now: Knowledge) -> list[Gap]:
    """Return the skill of the same forecasts at each horizon, by both clocks."""
    return [
        Gap(*(
            IntervalEstimate(
                f"same forecasts, {units.format_count(part.horizon, 'bar')}", clock, to_percent(part.r2), to_percent(part.low), to_percent(part.high),
                part.n,
            )
            for part, clock in ((before, THEN), (after, NOW))
        ))
        for before, after in zip(then.same, now.same, strict=False)
    ]  # fmt: skip


def list_gate_gaps(then: Knowledge, now: Knowledge) -> list[Gap]:
    """Return the declined-trade P&L of every gate that either clock knows."""
    gates = list(dict.fromkeys([*then.declined["gate"], *now.declined["gate"]]))
    return [Gap(*(_gate_estimate(known.declined, gate, clock) for known, clock in _both(then, now))) for gate in gates]


def describe_equity(then: Knowledge, now: Knowledge) -> str:
    """Say what equity was and is; booked equity is never revised, so the two differ by later trading only."""
    if then.equity is None or now.equity is None:
        return f"Equity: {units.NOT_MEASURED}."
    change = units.format_percent(now.equity / then.equity - 1, 2, signed=True) if then.equity > 0 else units.NOT_MEASURED
    return f"Equity was {units.format_money(then.equity)} and is {units.format_money(now.equity)} now ({change})."


def fetch_both(past: PastTick) -> tuple[Knowledge, Knowledge]:
    """Return what was known at the past tick, and what is known now of it and since."""
    url = cache.store_url()
    then, later = (f"{url}\n{replace(past, knows_now=known).to_text()}" for known in (False, True))
    return _fetch(then), replace(_fetch(url), same=_fetch(later).same)


def read_knowledge(reader: Reader) -> Knowledge:
    """Read what a reader knows."""
    line = portfolio.read_equity(reader, 2)
    equity = finite_or_none(line["equity"].iloc[-1]) if len(line) else None
    return Knowledge(decisions.read_skill(reader), models.read_declined(reader), equity, same_forecasts.read_same_forecasts(reader))


@st.cache_data(max_entries=64, ttl=SECONDS, show_spinner=False)
def _fetch(address: str) -> Knowledge:
    return read_knowledge(cache.open_reader(address))


def _both(then: Knowledge, now: Knowledge) -> tuple[tuple[Knowledge, str], tuple[Knowledge, str]]:
    return (then, THEN), (now, NOW)


def _skill_estimate(frame: pd.DataFrame, scope: str, horizon: int, word: str, clock: str) -> IntervalEstimate:
    row = f"{word}, {units.format_count(horizon, 'bar')}"
    known = frame[(frame["scope"] == scope) & (frame["model"] == "ensemble") & (frame["regime"] == "all") & (frame["horizon"] == horizon)]
    for cell in iterate_rows(known):
        return IntervalEstimate(row, clock, to_percent(cell.r2), to_percent(cell.low), to_percent(cell.high), int(cell.n))
    return IntervalEstimate(row, clock, None, None, None, 0)


def _gate_estimate(frame: pd.DataFrame, gate: str, clock: str) -> IntervalEstimate:
    for cell in iterate_rows(frame[frame["gate"] == gate]):
        mean, low, high = (finite_or_none(value) for value in (cell.mean_bps, cell.low, cell.high))
        return IntervalEstimate(phrase_gate(gate), clock, mean, low, high, int(cell.n))
    return IntervalEstimate(phrase_gate(gate), clock, None, None, None, 0)


def _list_rows(gaps: list[Gap], unit: str, digits: int) -> list[TableRow]:
    return [
        TableRow(
            gap.then.row,
            (
                gap.then.row, _format(gap.then, unit, digits), f"{gap.then.n:,}", _format(gap.now, unit, digits), f"{gap.now.n:,}",
                units.format_number(gap.size, digits, unit, signed=True),
            ),
        )
        for gap in gaps
    ]  # fmt: skip


def _format(point: IntervalEstimate, unit: str, digits: int) -> str:
    if point.value is None or point.low is None or point.high is None:
        return units.NOT_ENOUGH
    return f"{units.format_number(point.value, digits, unit, signed=True)} ({units.format_interval(point.low, point.high, digits, unit)})"
