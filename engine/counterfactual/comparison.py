"""A span of ticks decided again under a change, compared with the record: flips, exposure, costs, declined trades, and P&L with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.counterfactual.rolling import DecidedArm, LockstepTick, Report, TickSpan, decide_span_again
from engine.domain.counterfactual import (
    ActionFlip,
    CounterfactualCurve,
    DeclinedDifference,
    PnlDifference,
    Preview,
    SymbolFlips,
)
from engine.domain.decision import ACTIONS
from engine.domain.market import Account
from engine.domain.record import Floats, Ints
from engine.domain.state import State
from engine.evidence.neighbours import MIN_BLOCK_TICKS, mean_by_blocks
from engine.phases.gates import GATE_NAMES
from engine.store.read.history import TickHistory
from engine.story.what_if import Change

MOST_FLIPS = 200  # listed one by one
CURVE_POINTS = 600
MIN_AFFECTED = 5  # blocks in which the P&L must differ for an interval
HOLD = ACTIONS.index("hold")


@dataclass(slots=True)
class ArmFigures:
    """What is read of one arm, tick by tick."""

    equity: list[float] = field(default_factory=list)
    exposure: list[float] = field(default_factory=list)
    actions: list[Ints] = field(default_factory=list)  # (S,) each
    costs: float = 0.0  # money
    first_state: State | None = None  # after the first tick
    last_state: State | None = None

    def add(self, arm: DecidedArm) -> None:
        """Add an arm as it is after a tick."""
        assert arm.outcome is not None
        self.equity.append(arm.account.equity)
        self.exposure.append(measure_exposure(arm.account))
        self.actions.append(arm.outcome.decisions.action)
        self.costs += sum(abs(fill.units) * fill.price * (fill.fee_bps + fill.spread_bps + fill.impact_bps) / 1e4 for fill in arm.fills if fill.units)
        self.first_state, self.last_state = self.first_state or arm.state, arm.state


@dataclass(slots=True)
class SpanFigures:
    """What is read of the record and of every arm."""

    span: TickSpan
    arms: tuple[ArmFigures, ...]
    record: ArmFigures = field(default_factory=ArmFigures)
    ticks: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    unreproduced: int | None = None  # the first such tick
    differs: list[bool] = field(default_factory=list)  # by arm: some decision, account or state has other bits than the record
    prices: list[Floats] = field(default_factory=list)  # (S,) marks, of each tick
    deltas: list[Floats] = field(default_factory=list)  # (S,) base units to trade, by the record
    cost_bps: list[Floats] = field(default_factory=list)  # (S,) one way
    horizons: list[int] = field(default_factory=list)  # bars

    def add(self, tick: LockstepTick) -> None:
        """Add one tick."""
        self.ticks.append(tick.stored.tick)
        self.at.append(tick.stored.at)
        self.record.add(tick.record)
        self._add_outcome(tick.record)
        if not tick.reproduced and self.unreproduced is None:
            self.unreproduced = tick.stored.tick
        for place, (figures, arm) in enumerate(zip(self.arms, tick.arms, strict=True)):
            figures.add(arm)
            self.differs[place] = self.differs[place] or _differs(tick.record, arm)

    def _add_outcome(self, record: DecidedArm) -> None:
        assert record.outcome is not None
        self.prices.append(record.account.mark_price)
        self.deltas.append(record.outcome.decisions.delta)
        self.cost_bps.append(record.outcome.liquidity.cost_bps)
        self.horizons.append(self.span.session.horizons[record.outcome.sizes.horizon])


def preview_change(
    history: TickHistory, span: TickSpan, changes: Sequence[Change], change: Change, report: Report | None = None, tries: int = 1
) -> Preview:
    """Decide the span again under one change, which `changes` describe in words."""
    figures = collect_figures(history, span, (change,), report)
    return compare_arm(figures, 0, tuple(part.words for part in changes), tries)


def collect_figures(history: TickHistory, span: TickSpan, changes: Sequence[Change], report: Report | None = None) -> SpanFigures:
    """Decide the span again under each change, and read the figures."""
    figures = SpanFigures(span, tuple(ArmFigures() for _ in changes), differs=[False] * len(changes))
    for tick in decide_span_again(history, span, changes, report):
        figures.add(tick)
    return figures


def compare_arm(figures: SpanFigures, place: int, words: tuple[str, ...], tries: int = 1) -> Preview:
    """Compare one arm with the record."""
    arm, record, symbols = figures.arms[place], figures.record, figures.span.session.symbols
    before, after = (np.array(source.actions, dtype=np.int64).reshape(-1, len(symbols)) for source in (record, arm))
    flipped = before != after
    rows, columns = np.nonzero(flipped)
    flips = tuple(
        ActionFlip(figures.ticks[row], symbols[column], ACTIONS[int(before[row, column])], ACTIONS[int(after[row, column])])
        for row, column in zip(rows.tolist()[::-1][:MOST_FLIPS], columns.tolist()[::-1][:MOST_FLIPS], strict=True)
    )
    by_symbol = tuple(
        SymbolFlips(symbol, int(flipped[:, index].sum()), int((before[:, index] != HOLD).sum()), int((after[:, index] != HOLD).sum()))
        for index, symbol in enumerate(symbols)
    )
    return Preview(
        words, figures.ticks[0], figures.ticks[-1], figures.unreproduced is None, figures.unreproduced, not figures.differs[place], before.size,
        int(flipped.sum()), flips, by_symbol, record.costs, arm.costs, _mean(record.exposure), _mean(arm.exposure),
        _compare_declined(record, arm), compare_pnl(figures, record, arm, tries), _draw_curve(figures, arm), _notes(figures),
    )  # fmt: skip


def compare_pnl(figures: SpanFigures, before: ArmFigures, after: ArmFigures, tries: int = 1) -> PnlDifference:
    """P&L of `after` less that of `before`; the difference of one tick is that of the changes of equity."""
    gained = np.diff(np.array(after.equity)) - np.diff(np.array(before.equity))
    return bound_difference(gained, np.array(figures.ticks[1:], dtype=np.int64), before.equity[0], figures.span.session.horizons, tries)


def bound_difference(gained: Floats, ticks: Ints, start: float, horizons: tuple[int, ...], tries: int = 1) -> PnlDifference:
    """The sum of money gained tick by tick, as a share of `start`, with an interval by blocks of time at least as long as the longest horizon.

    Bounds need 15 blocks, and 5 in which the P&L differs at all: fewer are a few trades, whose luck no interval measures. With `tries` the error is
    divided among them (Bonferroni), so that the best of them is not taken for more than it is.
    """
    money, block = float(gained.sum()), max(MIN_BLOCK_TICKS, *horizons)
    affected = len(np.unique(ticks[gained != 0.0] // block))
    _, low, high, blocks = mean_by_blocks(gained, ticks, block, tries)
    bounds: tuple[float | None, float | None] = (None, None)
    if start > 0.0 and affected >= MIN_AFFECTED and low is not None and high is not None:
        bounds = (low * len(gained) / start, high * len(gained) / start)
    return PnlDifference(money, money / start if start > 0.0 else None, *bounds, 1.0 - 0.05 / tries, tries, len(gained), blocks, affected)


def measure_exposure(account: Account) -> float:
    """Gross exposure as a share of equity; NaN without equity."""
    value = np.abs(account.positions * account.mark_price)
    return float(np.where(np.isfinite(value), value, 0.0).sum()) / account.equity if account.equity > 0.0 else float("nan")


def _differs(record: DecidedArm, arm: DecidedArm) -> bool:
    assert record.outcome is not None
    assert arm.outcome is not None
    same = record.outcome.decisions.digest() == arm.outcome.decisions.digest() and record.account.digest() == arm.account.digest()
    return not same or record.state.digest() != arm.state.digest()


def _compare_declined(record: ArmFigures, arm: ArmFigures) -> tuple[DeclinedDifference, ...]:
    """The gates that declined trades within the span, in the order of the gates."""
    sums = [_declined_sums(figures) for figures in (record, arm)]
    rows = []
    for gate, name in enumerate(GATE_NAMES):
        (gain, count), (gain_after, count_after) = ((float(total[0, gate]), round(float(total[1, gate]))) for total in sums)
        if count or count_after:
            rows.append(
                DeclinedDifference(name, count, gain / count if count else None, count_after, gain_after / count_after if count_after else None)
            )
    return tuple(rows)


def _declined_sums(figures: ArmFigures) -> Floats:
    """(2, G) bps and trades declined whose horizon ended within the span."""
    totals = []
    for state in (figures.first_state, figures.last_state):
        assert state is not None
        scores = state.declined_trades.scores
        totals.append(np.stack((scores.gain[0, 0], scores.rows[0, 0])))
    return np.asarray(totals[1] - totals[0])


def _draw_curve(figures: SpanFigures, arm: ArmFigures) -> CounterfactualCurve:
    """At most CURVE_POINTS points, evenly spaced back from the last tick."""
    record, stride = figures.record, max(1, -(-len(figures.ticks) // CURVE_POINTS))
    places = range(len(figures.ticks) - 1, -1, -stride)[::-1]
    start = record.equity[0]
    pnl = [tuple(_share(source.equity[place] - source.equity[0], start) for place in places) for source in (record, arm)]
    exposure = [tuple(_known(source.exposure[place]) for place in places) for source in (record, arm)]
    ticks, at = (tuple(values[place] for place in places) for values in (figures.ticks, figures.at))
    return CounterfactualCurve(ticks, at, exposure[0], exposure[1], pnl[0], pnl[1])


def _notes(figures: SpanFigures) -> tuple[str, ...]:
    if figures.unreproduced is None:
        return ()
    return (f"without the change tick {figures.unreproduced:,} is not decided as it was stored, so part of the difference is not the change's",)


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else None


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _share(money: float, start: float) -> float | None:
    return money / start if start > 0.0 else None
