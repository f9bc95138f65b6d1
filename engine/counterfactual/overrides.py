"""Pauses and flattenings scored like a model: what the engine would have done without them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.counterfactual.comparison import SpanFigures, bound_difference, collect_figures, compare_pnl
from engine.counterfactual.lasting_change import lift_override
from engine.counterfactual.rolling import Report, TickSpan, choose_span
from engine.domain.counterfactual import PnlDifference, ScoredOverride, ScoredOverrides
from engine.domain.trading_config import TradingConfig
from engine.store.errors import NotStored
from engine.store.read.history import TickHistory

SEARCHED = 20_000  # newest ticks in which overrides are looked for
MOST_OVERRIDES = 12  # newest, which are scored
MOST_TICKS = 300  # first ticks of an override, which are scored


@dataclass(frozen=True, slots=True)
class OverrideSpan:
    """Consecutive ticks on which trading was paused or flattened."""

    kind: str
    first: int
    last: int


def find_overrides(changes: list[tuple[int, TradingConfig]], last: int) -> list[OverrideSpan]:
    """The spans of an override, oldest first; `changes` are the ticks from which another configuration holds, `last` is the newest tick."""
    spans: list[OverrideSpan] = []
    ends = [*(tick - 1 for tick, _ in changes[1:]), last]
    for (tick, config), end in zip(changes, ends, strict=False):  # no changes, no spans
        kind = "flattened" if config.flatten else "paused" if config.paused else ""
        if kind and spans and (spans[-1].kind, spans[-1].last) == (kind, tick - 1):
            spans[-1] = OverrideSpan(kind, spans[-1].first, end)
        elif kind:
            spans.append(OverrideSpan(kind, tick, end))
    return spans


def score_overrides(history: TickHistory, report: Report | None = None) -> ScoredOverrides:
    """Decide the newest overrides of the newest session again without them, each until its end or for its first MOST_TICKS ticks.

    The P&L goes one tick beyond, to the bar on which the last of its orders are filled; positions are valued there. Raises NotStored.
    """
    newest = choose_span(history, 1)
    held = history.tick_range(newest.session.id) or (newest.last, newest.last)
    first, last = max(held[0], newest.last - SEARCHED + 1), newest.last
    spans = find_overrides(history.config_changes(newest.session.id, first, last), last)
    chosen = spans[::-1][:MOST_OVERRIDES]
    ends = [min(span.last + 1, last, span.first + MOST_TICKS) for span in chosen]
    total, done, scored, figures_by_span = sum(end - span.first + 1 for span, end in zip(chosen, ends, strict=True)), 0, [], []
    for span, end in zip(chosen, ends, strict=True):
        before = done

        def step(count: int, _all: int, before: int = before) -> None:
            if report is not None:
                report(before + count, total)

        try:
            figures = collect_figures(history, TickSpan(newest.session, span.first, end), (lift_override(),), step)
        except NotStored:
            break  # older ones are not stored either
        scored.append(_score(history, span, figures, last))
        figures_by_span.append(figures)
        done += end - span.first + 1
    return ScoredOverrides(first, last, tuple(scored), len(spans) - len(scored), _add_up(figures_by_span))


def _score(history: TickHistory, span: OverrideSpan, figures: SpanFigures, last: int) -> ScoredOverride:
    without, record = figures.arms[0], figures.record
    flips = int((np.array(without.actions) != np.array(record.actions)).sum())
    earlier = figures.at[0] - figures.span.session.interval  # the bar before, after which the command was carried out
    name = "pause" if span.kind == "paused" else "flatten"
    command = next(iter(history.commands_since(figures.span.session.id, earlier, (name,))), None)
    return ScoredOverride(
        span.kind, span.first, span.last, span.last == last, figures.ticks[-1] < min(span.last, last), flips, without.costs - record.costs,
        compare_pnl(figures, without, record), "" if command is None else command.by, "" if command is None else command.reason, figures.at[0],
    )  # fmt: skip


def _add_up(spans: list[SpanFigures]) -> PnlDifference | None:
    """The sum over all spans, oldest first, as a share of the equity before the first."""
    if not spans:
        return None
    ordered = spans[::-1]
    gained = [np.diff(np.array(figures.record.equity)) - np.diff(np.array(figures.arms[0].equity)) for figures in ordered]
    ticks = [np.array(figures.ticks[1:], dtype=np.int64) for figures in ordered]
    return bound_difference(np.concatenate(gained), np.concatenate(ticks), ordered[0].record.equity[0], ordered[0].span.session.horizons)
