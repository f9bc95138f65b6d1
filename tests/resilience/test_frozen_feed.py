"""A feed that freezes or is skewed: no position is opened in affected symbols, positions can be closed, and other symbols trade as before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from engine.domain.incidents import INCIDENT_KINDS, NO_FAULT
from engine.domain.market import MarketSnapshot
from engine.domain.record import Bools, Floats
from engine.domain.tick import Tick
from engine.phases import gates
from tests.makers import BARS, MINUTE, Played, bold, command, decided, grew, lesson, play, resumed, simulated
from tests.resilience.frozen_feeds import freeze

ALL = np.ones(8, dtype=bool)


def first() -> int:
    """The moment at which most symbols are opened or added to."""
    return bold().inputs.tick


@cache
def market() -> tuple[MarketSnapshot, ...]:
    """The lesson's market, 100 bars longer."""
    return tuple(simulated(BARS + 100).slices(None))


def wanted() -> Bools:
    """The symbols that the next bar's decision would open or add to."""
    return grew(decided(bold()), bold().inputs.account)


def one_wanted() -> Bools:
    """One of them alone."""
    return np.asarray(np.arange(8) == int(np.flatnonzero(wanted())[0]))


def played(bars: Sequence[MarketSnapshot], ticks: int = 100) -> list[Tick]:
    return play(resumed(first(), bars), ticks)


def growing(ticks: Sequence[Tick]) -> Bools:
    """(N, S) where orders open or add."""
    return np.array([grew(tick.outcome, tick.inputs.account) for tick in ticks])


def reasons(tick: Tick) -> list[str]:
    """What is wrong with each symbol's data, "" where nothing is."""
    return ["" if kind == NO_FAULT else INCIDENT_KINDS[kind] for kind in tick.outcome.market_state.incident_state.faults.kind.tolist()]


def test_the_market_as_it_is_is_traded_at_this_moment() -> None:
    assert growing(played(market(), 1)).sum() >= 3


def test_a_feed_that_freezes_is_not_traded_on_from_its_first_repeated_bar() -> None:
    ticks = played(freeze(market(), first(), ALL))
    assert not growing(ticks).any()
    assert all((tick.outcome.decisions.delta == 0).all() for tick in ticks)
    changes = [change for tick in ticks for change in tick.outcome.market_state.incident_state.changes]
    assert [(change.kind, change.symbol, change.since) for change in changes] == [("stale", "*", market()[first()].at - MINUTE)]
    assert {gates.GATE_NAMES[index] for tick in ticks for index in tick.outcome.decisions.binding_gate} == {"fresh data"}


def test_one_frozen_symbol_among_moving_ones_is_found_within_three_bars_and_the_others_are_traded() -> None:
    mask = one_wanted()
    ticks = played(freeze(market(), first(), mask))
    assert not growing(ticks)[:, mask].any()
    assert growing(ticks)[:, ~mask].any()
    changes = [(change.kind, tick.inputs.at - change.since) for tick in ticks for change in tick.outcome.market_state.incident_state.changes]
    assert changes == [("stale", 3 * MINUTE)]
    (fault,) = {reasons(tick)[int(mask.argmax())] for tick in ticks}
    assert fault == "stale"


def test_a_symbol_is_traded_again_when_it_moves_again() -> None:
    mask = one_wanted()
    ticks = played(freeze(market(), first(), mask, until=first() + 20), 30)
    named = [reasons(tick)[int(mask.argmax())] for tick in ticks]
    assert named == ["stale"] * 20 + [""] * 10


@pytest.mark.parametrize("mask", [ALL, None], ids=["all", "one"])
def test_books_that_stand_still_while_bars_move_are_not_traded_on_and_positions_can_be_closed(mask: Bools | None) -> None:
    mask = one_wanted() if mask is None else mask
    ticks = played(freeze(market(), first(), mask, prices=False))
    assert not growing(ticks)[:, mask].any()
    changes = [(change.kind, tick.inputs.tick - first()) for tick in ticks for change in tick.outcome.market_state.incident_state.changes]
    assert [kind for kind, _ in changes] == ["stale book"]
    assert changes[0][1] <= 2
    subject = resumed(first(), freeze(market(), first(), mask, prices=False))
    play(subject, 5)
    subject.handle_command(command("flatten"))
    held = subject.account.positions[mask] != 0
    flat = play(subject, 2)[-1]
    assert held.any()
    assert (flat.inputs.account.positions == 0).all()
    fills = [fill for fill in flat.fills if mask[fill.symbol]]
    opened: Floats = market()[flat.inputs.tick].open
    assert all(fill.mid == opened[fill.symbol] for fill in fills)  # at the next open, never by walking a book that is not one of this moment


def test_on_a_frozen_bar_nothing_is_closed_either_not_even_by_hand() -> None:
    subject = resumed(first(), freeze(market(), first(), ALL))
    subject.handle_command(command("flatten"))
    ticks = play(subject, 5)
    assert (ticks[0].inputs.account.positions != 0).any()
    assert all((tick.outcome.decisions.delta == 0).all() for tick in ticks)


@dataclass
class Skewed(Played):
    """A feed that says by how much its clock differs."""

    lag: float = -2.0

    def clock_lags(self, at: int) -> Floats:
        return np.where(one_wanted(), self.lag, 0.0)


def test_a_symbol_whose_clock_is_off_is_only_reduced() -> None:
    mask = one_wanted()
    subject = resumed(first(), market())
    subject.reopen(Skewed(lesson().feed.info, market()))
    ticks = play(subject, 60)
    assert not growing(ticks)[:, mask].any()
    assert growing(ticks)[:, ~mask].any()
    assert {reasons(tick)[int(mask.argmax())] for tick in ticks} == {"clock skew"}
    assert any((tick.outcome.decisions.delta[mask] != 0).any() for tick in ticks)  # reduced or closed


def test_bars_off_the_clock_are_not_traded_on() -> None:
    bars = [replace(bar, at=bar.at + (7 * 10**9 if number >= first() and number % 2 else 0)) for number, bar in enumerate(market())]
    ticks = played(bars, 12)
    off = [number for number in range(1, 12) if (ticks[number].inputs.at - ticks[number - 1].inputs.at) % MINUTE]
    assert len(off) == 11
    assert not growing(ticks)[off].any()
    assert not any(ticks[number].outcome.decisions.gates.passed[gates.FRESH_DATA].any() for number in off)


def test_a_move_across_a_frozen_bar_is_not_learned_from() -> None:
    mask = one_wanted()
    ticks = played(freeze(market(), first(), mask), 10)
    price = ticks[-1].outcome.state.pending.price
    assert np.isnan(price[:10, mask]).all()
    assert np.isfinite(price[:10, ~mask]).all()
