"""decide(): deterministic, blind to the future, independent of the order of symbols, and robust to faults inside a phase."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from engine.domain.decision import Decisions, Outcome, Phase
from engine.domain.gates import GATES
from engine.domain.market import MarketSnapshot
from engine.domain.record import Floats, Record
from engine.domain.state import State
from engine.domain.trading_config import TradingRules
from engine.orchestrator import decide
from tests import sabotage
from tests.makers import Moment, Played, bold, decided, engine, grew, lesson, moment, play, runner
from tests.sabotage import KINDS, Sabotaged, sabotaged

PARTS = ("decisions", "state", "market_state", "features", "liquidity", "predictions", "forecast", "sizes")


def digests(outcome: Outcome) -> dict[str, str]:
    return {part: getattr(outcome, part).digest() for part in PARTS}


def test_the_same_inputs_state_and_catalog_give_the_same_bits() -> None:
    at = moment()
    assert digests(decided(at)) == digests(decided(at)) == digests(lesson().outcomes[740])


def test_phases_beside_one_another_give_the_same_bits_as_one_after_the_other() -> None:
    with ThreadPoolExecutor(3) as pool:
        assert digests(decided(moment(), pool=pool)) == digests(decided(moment()))


def test_nothing_that_is_decided_from_is_written_to() -> None:
    at = moment()
    before = (at.inputs.digest(), at.state.digest())
    decided(at)
    assert (at.inputs.digest(), at.state.digest()) == before


def scrambled(bars: tuple[MarketSnapshot, ...], after: int) -> list[MarketSnapshot]:
    """Every bar after one replaced at random: prices, volumes, books, flow and freshness."""
    draw = np.random.default_rng([13, after])

    def other(values: Floats) -> Floats:
        return np.abs(values) * np.exp(draw.normal(0.0, 0.05, values.shape)) + draw.random(values.shape) * 1e-3

    def altered(bar: MarketSnapshot) -> MarketSnapshot:
        books = [replace(book, **{one.name: other(getattr(book, one.name)) for one in fields(book)}) for book in (bar.books, bar.fill_books)]
        parts: dict[str, Any] = {name: other(getattr(bar, name)) for name in ("open", "high", "low", "close", "volume", "ofi", "flow")}
        return replace(bar, **parts, fresh=draw.random(len(bar.fresh)) > 0.3, books=books[0], fill_books=books[1])

    return [bar if index <= after else altered(bar) for index, bar in enumerate(bars)]


def test_changing_every_bar_after_a_tick_changes_nothing_up_to_it() -> None:
    taught, after = lesson(), 430  # 30 ticks after a training, 18 after its models were adopted
    ticks = play(engine(Played(taught.feed.info, scrambled(taught.bars, after))), after + 4)
    digest_list = [tick.decisions_digest for tick in ticks]
    assert digest_list[: after + 1] == list(taught.decisions[: after + 1])
    for tick in (0, 200, after):
        assert digests(ticks[tick].outcome) == digests(taught.outcomes[tick])
    assert digest_list[after + 1 :] != list(taught.decisions[after + 1 : after + 4])
    assert list(ticks[after].serving) == [artifact.data_digest for artifact in taught.artifacts[: len(taught.artifacts) // 3]]


def shuffled(value: Any, order: Any) -> Any:
    """A value with its symbols in another order, in every array along the axis of symbols and in the venue's rules."""
    if isinstance(value, TradingRules):
        rules = {one.name: getattr(value, one.name) for one in fields(value)}
        return replace(value, **{name: tuple(rule[index] for index in order) if rule else () for name, rule in rules.items()})
    if isinstance(value, Record):
        return replace(value, **{one.name: shuffled(getattr(value, one.name), order) for one in fields(value)})
    if isinstance(value, tuple):
        return tuple(shuffled(one, order) for one in value)
    if not isinstance(value, np.ndarray) or len(order) not in value.shape:
        return value
    assert value.shape.count(len(order)) == 1, f"which axis of {value.shape} is symbols cannot be told"
    return np.take(value, order, axis=value.shape.index(len(order)))


def permuted(at: Moment, order: Any) -> Moment:
    inputs = replace(shuffled(at.inputs, order), symbols=tuple(at.inputs.symbols[index] for index in order))
    return replace(at, inputs=inputs, state=shuffled(at.state, order))


@pytest.mark.parametrize("tick", [740, 790])
def test_symbols_in_another_order_are_decided_alike(tick: int) -> None:
    at = moment(tick)
    order = np.random.default_rng(tick).permutation(len(at.inputs.symbols))
    plain, other = decided(at), decided(permuted(at, order))
    assert (other.decisions.action == plain.decisions.action[order]).all()
    assert (other.decisions.binding_gate == plain.decisions.binding_gate[order]).all()
    for name in ("target", "delta", "confidence", "edge_to_flip_bps"):
        np.testing.assert_allclose(getattr(other.decisions, name), getattr(plain.decisions, name)[order], rtol=1e-9, atol=1e-9)
    for mine, theirs in zip(other.decisions.gates, plain.decisions.gates, strict=True):
        np.testing.assert_allclose(mine.value, theirs.value[order], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(other.forecast.mean, plain.forecast.mean[:, order], atol=1e-9)
    np.testing.assert_allclose(other.state.gram, plain.state.gram, rtol=1e-9, atol=1e-9)


def test_the_moments_that_faults_are_put_into_would_open_new_risk() -> None:
    assert grew(decided(bold()), bold().inputs.account).sum() >= 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("phase", Phase)
def test_a_failed_phase_is_named_and_opens_nothing(phase: Phase, kind: str) -> None:
    at, run = sabotaged(bold(), phase, kind)
    outcome = decide(at.inputs, at.state, at.catalog, run)
    assert outcome.degraded == (phase,)
    assert not grew(outcome, at.inputs.account).any()
    assert [span.phase for span in run.spans if span.fallback] == [phase]
    assert len(outcome.decisions.gates) == len(GATES)
    assert (outcome.decisions.action == 0).all()
    assert ok(outcome.decisions)
    later = moment(at.inputs.tick + 10)
    following = decided(replace(later, state=replace(outcome.state, tick=later.state.tick, conditions=later.state.conditions)))
    assert following.degraded == ()


def ok(decisions: Decisions) -> bool:
    return bool(np.isfinite(decisions.target).all() and np.isfinite(decisions.delta).all())


@pytest.mark.parametrize("phase", [Phase.MARKET, Phase.FEATURES, Phase.MICROSTRUCTURE])
def test_a_phase_that_fails_in_a_pool_is_named_too(phase: Phase) -> None:
    at, run = sabotaged(bold(), phase, "exception")
    with ThreadPoolExecutor(3) as pool:
        run.pool = pool
        assert decide(at.inputs, at.state, at.catalog, run).degraded == (phase,)


def test_all_phases_failing_at_once_still_finish_the_tick() -> None:
    at = bold()
    forced = dict.fromkeys(Phase, "made to fail")
    outcome = decided(at, forced_failures=forced)
    assert outcome.degraded == tuple(Phase)
    assert outcome.orders == ()
    assert outcome.state.tick == at.inputs.tick
    assert isinstance(outcome.state, State)


def test_a_family_of_features_that_fails_is_the_fault_of_its_phase() -> None:
    at = bold()

    def raises(family: Any, view: Any) -> Floats:
        raise IndexError("made to fail")

    for build in (raises, lambda family, view: family.build(view)[:, :-1], lambda family, view: family.build(view) * np.inf):
        spoiled = sabotage.family_that(at, build)
        outcome = decided(spoiled)
        assert outcome.degraded == (Phase.FEATURES,)
        assert not grew(outcome, at.inputs.account).any()


def test_features_that_are_blank_for_one_symbol_silence_that_symbol_only() -> None:
    at = bold()
    growing = grew(decided(at), at.inputs.account)
    chosen = int(growing.argmax())
    others = np.arange(len(growing)) != chosen
    outcome = decided(sabotage.family_that(at, lambda family, view: np.where(others[:, None], family.build(view), np.nan)))
    assert growing[chosen]
    assert ((outcome.predictions.active_models > 0) == others).all()
    assert not grew(outcome, at.inputs.account)[chosen]
    assert outcome.degraded == ()


def test_a_model_that_fails_is_the_fault_of_validation() -> None:
    at = bold()

    def raises(served: Any, x: Floats) -> Floats:
        raise MemoryError("made to fail")

    def one_blank(served: Any, x: Floats) -> Floats:
        prediction = served.model.predict(served.fitted, x).copy()
        prediction[1, 3] = np.nan
        return np.asarray(prediction)

    for predict in (raises, one_blank, lambda served, x: served.model.predict(served.fitted, x).T, lambda served, x: None):
        outcome = decided(sabotage.model_that(at, predict))
        assert outcome.degraded == (Phase.VALIDATION,)
        assert not grew(outcome, at.inputs.account).any()


@pytest.mark.parametrize("phase", Phase)
def test_a_blank_where_a_blank_is_allowed_never_crashes_the_tick(phase: Phase) -> None:
    """With each array that may hold NaN all NaN: the tick is valid or degraded, and no order is NaN."""
    at = bold()
    result = runner(at)
    decide(at.inputs, at.state, at.catalog, result)
    kind = type(result.results[phase])
    for name in [name for name, letters in kind.SHAPES.items() if letters.endswith("?")]:
        run = runner(at, Sabotaged, phase=phase, fault="blank", name=name)
        outcome = decide(at.inputs, at.state, at.catalog, run)
        assert ok(outcome.decisions), name
        assert all(np.isfinite(order.units) and abs(order.units) < 1e6 for order in outcome.orders), name
