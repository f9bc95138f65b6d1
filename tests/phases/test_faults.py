"""With any fault in the data of a symbol no target grows, and a position with a current bar can be reduced."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.decision import ACTIONS
from engine.domain.incidents import EVERYWHERE, INCIDENT_KINDS, NO_FAULT, DataFaults, Incident
from engine.domain.record import Bools
from engine.domain.trading_config import Event
from engine.evidence import incidents
from engine.phases import gates
from tests.makers import MINUTE, START, bold, decided, grew
from tests.phases.situations import Situation, situation

FRESH = gates.GATE_NAMES.index("fresh data")
SYMBOLS = 4
NAMES = tuple(f"S{index}" for index in range(SYMBOLS))


def with_faults(case: Situation, data_faults: DataFaults) -> Situation:
    return replace(case, market_state=replace(case.market_state, incident_state=replace(case.market_state.incident_state, faults=data_faults)))


def found_in(kind: str, symbol: str, *, bars: int = 14) -> DataFaults:
    """The data faults of each symbol for an incident that has been open for so many bars."""
    lasting = Incident(kind, symbol, START - bars * MINUTE, None, "")
    return incidents.find_faults((lasting,), None, START, MINUTE, NAMES)


@pytest.mark.parametrize("kind", INCIDENT_KINDS)
@pytest.mark.parametrize("symbol", ["S1", EVERYWHERE])
@given(
    shares=st.lists(st.floats(-0.2, 0.2), min_size=SYMBOLS, max_size=SYMBOLS),
    means=st.lists(st.floats(-3.0, 3.0), min_size=SYMBOLS, max_size=SYMBOLS),
    frozen=st.booleans(),
)
@settings(max_examples=60, deadline=None)  # of each of 12 kinds and places
def test_no_target_grows_while_an_incident_is_open(kind: str, symbol: str, shares: list[float], means: list[float], frozen: bool) -> None:
    data_faults = found_in(kind, symbol)
    data_faults = replace(data_faults, frozen_bar=np.full(SYMBOLS, frozen))
    case = with_faults(situation(SYMBOLS).holding(*shares).expecting(*means), data_faults)
    settled, held = case.settled(), case.sizes().current
    touched = data_faults.kind != NO_FAULT
    assert touched.sum() == (SYMBOLS if symbol == EVERYWHERE else 1)
    assert not settled.gates.passed[FRESH, touched].any()
    assert settled.gates.passed[FRESH, ~touched].all()
    assert (settled.gates.value[FRESH, touched] == 14).all()
    target = settled.target[touched]
    assert (np.abs(target) <= np.abs(held[touched]) + 1e-12).all()
    assert (target * held[touched] >= 0).all()
    if frozen:
        assert (settled.delta[touched] == 0).all()


@pytest.mark.parametrize("kind", INCIDENT_KINDS)
def test_a_position_against_the_forecast_is_closed_on_a_bar_of_this_moment(kind: str) -> None:
    case = with_faults(situation(SYMBOLS).holding(-0.1, -0.1, -0.1, -0.1), found_in(kind, "S1"))
    settled = case.settled()
    assert settled.target[1] == 0.0
    assert settled.target[0] > 0.0
    assert (case.with_config(flatten=True).settled().target == 0.0).all()


@pytest.mark.parametrize("kind", INCIDENT_KINDS)
def test_what_would_be_bought_is_held_and_fresh_data_binds(kind: str) -> None:
    settled = with_faults(situation(SYMBOLS), found_in(kind, "S1")).settled()
    assert [ACTIONS[action] for action in settled.action] == ["buy", "hold", "buy", "buy"]
    assert settled.binding_gate[1] == FRESH


def test_a_frozen_bar_is_no_price_to_close_at_not_even_by_hand() -> None:
    data_faults = replace(found_in("stale", "S1"), frozen_bar=np.arange(SYMBOLS) == 1)
    case = with_faults(situation(SYMBOLS).holding(-0.1, -0.1, -0.1, -0.1).with_config(flatten=True), data_faults)
    assert case.settled().delta[1] == 0.0
    assert case.settled(waived=("fresh data",)).target[1] == 0.0


def touching(kind: str) -> Bools:
    """The symbols that would be opened or added to, and are not while this incident is open on the first two of them."""
    at = bold()
    wanted = grew(decided(at), at.inputs.account)
    some = np.flatnonzero(wanted)[:2]
    lasting = tuple(Incident(kind, at.inputs.symbols[index], at.inputs.at - 9 * MINUTE, None, "") for index in some)
    watch = replace(
        at.state.incident_state, open=lasting, volume_level=replace(at.state.incident_state.volume_level, bars=1)
    )  # what is counted anew has not been learned yet
    grown = grew(decided(replace(at, state=replace(at.state, incident_state=watch))), at.inputs.account)
    assert (grown[np.setdiff1d(np.flatnonzero(wanted), some)]).all()
    return wanted & ~grown


@pytest.mark.parametrize("kind", ["clock skew", "volume-feed change"])  # the others end with a bar that is there and moves
def test_a_whole_decision_opens_nothing_on_a_symbol_with_an_open_incident(kind: str) -> None:
    assert touching(kind).sum() == 2


def test_a_skewed_clock_that_is_told_with_this_bar_holds_from_this_bar_on() -> None:
    at = bold()
    skewed = replace(at, inputs=replace(at.inputs, events=(Event("clock_skew", EVERYWHERE, "-1.27"),)))
    assert grew(decided(at), at.inputs.account).any()
    assert not grew(decided(skewed), at.inputs.account).any()


def test_the_graver_of_two_incidents_is_named() -> None:
    open_ones = tuple(Incident(kind, "S1", START - bars * MINUTE, None, "") for kind, bars in (("stale", 5), ("clock skew", 90)))
    data_faults = incidents.find_faults(open_ones, None, START, MINUTE, NAMES)
    assert (INCIDENT_KINDS[data_faults.kind[1]], data_faults.bars[1]) == ("stale", 5)
    assert set(incidents.SEVERITY) == set(INCIDENT_KINDS)


def test_where_the_market_could_not_be_looked_at_what_is_open_stays_open() -> None:
    watch = replace(incidents.initial_incident_state(SYMBOLS), faults=replace(found_in("stale", EVERYWHERE), frozen_bar=np.ones(SYMBOLS, dtype=bool)))
    unknown = incidents.skip_bar(watch)
    assert (unknown.faults.kind == INCIDENT_KINDS.index("stale")).all()
    assert not unknown.faults.frozen_bar.any()
