"""The engine's step: fills, decides and keeps; whatever the data is, a tick is sound, degraded, or lost and told."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.domain.control import Event
from engine.domain.record import Bools
from engine.domain.tick import Artifact, Tick
from engine.run import FallbackFailed
from engine.shell import training
from engine.shell.engine import Engine
from engine.shell.training import Job
from engine.store.errors import StoreFailed
from tests.makers import (
    KNOBS,
    MINUTE,
    START,
    Drawer,
    Inline,
    Played,
    StoppedClock,
    bold,
    command,
    decided,
    engine,
    grew,
    lesson,
    moment,
    play,
    resumed,
    settings,
    simulated,
)
from tests.shell.hazards import DISTURBING, UNTRADABLE, Hazard, gone


def at_bold() -> int:
    return bold().inputs.tick


def stepped(hazard: Hazard, mask: Bools, ticks: int = 6) -> list[Tick]:
    """What comes of a hazard in the bar of the boldest moment and in the bars after it."""
    first = at_bold()
    bars = [hazard(bar, mask) if first <= number < first + 3 else bar for number, bar in enumerate(lesson().bars)]
    return play(resumed(first, bars, keeper=Drawer()), ticks)


def sound(tick: Tick) -> bool:
    outcome, account = tick.outcome, tick.inputs.account
    numbers = [outcome.decisions.target, outcome.decisions.delta, outcome.sizes.held, account.positions, np.array([account.equity, account.cash])]
    numbers.append(np.array([order.units for order in outcome.orders]))
    return all(bool(np.isfinite(part).all()) for part in numbers)


def wanted() -> Bools:
    return grew(decided(bold()), bold().inputs.account)


def test_an_engine_that_goes_on_decides_what_it_had_decided() -> None:
    first = at_bold()
    ticks = play(resumed(first, lesson().bars), 8)
    assert [tick.decisions_digest for tick in ticks] == list(lesson().decisions[first : first + 8])


@pytest.mark.parametrize("name", UNTRADABLE)
def test_no_new_risk_on_a_symbol_that_cannot_be_traded(name: str) -> None:
    for mask in (wanted(), np.ones(8, dtype=bool)):
        ticks = stepped(UNTRADABLE[name], mask)
        assert len(ticks) == 6
        for tick in ticks[:3]:
            assert sound(tick)
            assert (tick.outcome.decisions.delta[mask] == 0).all()
        assert all(sound(tick) for tick in ticks)


@pytest.mark.parametrize("name", DISTURBING)
def test_data_that_cannot_be_right_is_sound_or_degraded(name: str) -> None:
    for mask in (np.arange(8) == 0, np.ones(8, dtype=bool)):
        ticks = stepped(DISTURBING[name], mask)
        assert len(ticks) == 6
        for tick in ticks:
            assert sound(tick)
            if tick.outcome.degraded:
                assert not grew(tick.outcome, tick.inputs.account).any()


def test_time_that_goes_back_is_refused_in_one_line_and_changes_nothing() -> None:
    first = at_bold()
    for late in (0, MINUTE):
        one = resumed(first, [])
        one.step()
        state, account = one.state, one.account
        earlier = replace(lesson().bars[first], at=lesson().bars[first - 1].at - late)
        one._slices = iter([earlier])
        with pytest.raises(ValueError, match=r"^bars go back in time: \d+ after \d+$"):
            one.step()
        assert (one.state, one.account, one.tick) == (state, account, first)


def test_the_first_bars_hold_and_say_that_history_is_missing() -> None:
    ticks = play(engine(simulated(40), trains=False))
    assert len(ticks) == 40
    for tick in ticks:
        assert tick.outcome.degraded == ()
        assert (tick.outcome.decisions.action == 0).all()
        assert {tick.outcome.decisions.gates[index].name for index in tick.outcome.decisions.binding} == {"history"}


def test_a_single_symbol_is_decided_trained_on_and_traded_alone() -> None:
    feed = simulated(420, symbols=1, signal=0.4)
    one = engine(feed, knobs=replace(KNOBS, first_training=300, retrain_every=1_000, prior_rows=50.0, skill_alpha=0.5))
    ticks = play(one)
    assert all(tick.outcome.degraded == () for tick in ticks)
    assert one.trained
    assert ticks[-1].outcome.opinions.heard[0] >= 1
    assert np.isfinite(ticks[-1].outcome.opinions.mean).all()


def test_symbols_that_are_never_there_disturb_nobody() -> None:
    feed = simulated(200)
    mask = np.arange(8) == 3
    ticks = play(engine(Played(feed.info, [gone(bar, mask) for bar in feed.slices(None)]), trains=False))
    assert all(tick.outcome.degraded == () for tick in ticks)
    names = {tick.outcome.decisions.gates[tick.outcome.decisions.binding[3]].name for tick in ticks}
    assert names == {"fresh data"}
    assert {tick.outcome.decisions.gates[index].name for tick in ticks[130:] for index in tick.outcome.decisions.binding[~mask]} == {"models heard"}


def test_a_tick_whose_fallback_fails_is_lost_and_told_of_at_the_next() -> None:
    first = at_bold()
    one = resumed(first, lesson().bars, keeper=(keeper := Drawer()))
    good = one.account
    one.account = replace(good, positions=np.full(8, np.nan))
    with pytest.raises(FallbackFailed, match="the fallback of risk failed"):
        one.step()
    assert (keeper.ticks, one.tick) == ([], first)
    one.account = good
    following = one.step()
    assert following is not None
    assert following.inputs.tick == first
    assert following.inputs.at == lesson().bars[first + 1].at
    assert Event("tick_lost", str(first), "a fallback failed") in following.inputs.events
    np.testing.assert_array_equal(following.inputs.bars.close[:, -2], lesson().bars[first - 1].close)
    np.testing.assert_array_equal(following.inputs.bars.close[:, -1], lesson().bars[first + 1].close)
    assert np.isnan(following.outcome.state.pending.price[1:]).all()
    again = one.step()
    assert again is not None
    assert again.inputs.events == ()


class Reluctant(Drawer):
    """Fails to save until it is told not to."""

    refuses = True

    def save(self, tick: Tick) -> None:
        if self.refuses:
            raise StoreFailed("the store is locked")
        super().save(tick)


def test_a_tick_that_could_not_be_saved_is_saved_first_and_decided_once() -> None:
    keeper = Reluctant()
    one = resumed(at_bold(), lesson().bars, keeper=keeper)
    for _ in range(3):
        with pytest.raises(StoreFailed):
            one.step()
    keeper.refuses = False
    kept = [one.step() for _ in range(3)]
    assert [tick.inputs.tick for tick in kept if tick is not None] == [at_bold() + number for number in range(3)]
    assert [tick.decisions_digest for tick in keeper.ticks] == list(lesson().decisions[at_bold() : at_bold() + 3])


def test_a_tick_that_is_decided_is_kept_whatever_fails_after_it() -> None:
    """Else the next one does not follow it, and nothing is ever saved again."""
    keeper = Drawer()
    one = resumed(at_bold(), lesson().bars, keeper=keeper)
    rows, one.rows = one.rows, None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        one.step()
    one.rows = rows
    assert [tick.inputs.tick for tick in play(one, 3)] == [at_bold() + number for number in range(3)]
    assert [tick.inputs.tick for tick in keeper.ticks] == [at_bold() + number for number in range(3)]


class NoProcess(Inline):
    def submit(self, *_: object, **__: object) -> Future[Any]:
        raise OSError(11, "Resource temporarily unavailable")


def test_a_training_that_cannot_begin_is_told_and_costs_no_tick() -> None:
    one = resumed(at_bold(), lesson().bars)
    one._trainers = NoProcess()
    one.obey(command("retrain"))
    first, second, third = play(one, 3)
    assert [tick.inputs.tick for tick in (first, second, third)] == [at_bold() + number for number in range(3)]
    (told,) = second.inputs.events
    assert told.kind == "training_failed"
    assert "Resource temporarily unavailable" in told.detail
    assert one.trouble == told.detail
    assert third.inputs.events == ()


def test_what_was_ordered_is_filled_on_the_next_bar_before_it_is_decided() -> None:
    first = at_bold()
    ticks = play(resumed(first, lesson().bars), 2)
    orders, fills = ticks[0].outcome.orders, ticks[1].fills
    assert [fill.symbol for fill in fills] == [order.symbol for order in orders]
    for order, fill in zip(orders, fills, strict=True):
        before, after = ticks[0].inputs.account.positions[order.symbol], ticks[1].inputs.account.positions[order.symbol]
        assert after - before == pytest.approx(fill.units)


def test_models_serve_from_k_bars_after_what_they_were_trained_on() -> None:
    taught = lesson()
    for artifact in taught.artifacts:
        assert artifact.serves_from == artifact.trained_to + KNOBS.adopt_after
    one = engine(simulated(420), keeper=(keeper := Drawer()))
    play(one)
    adopted = [tick for tick in keeper.ticks if any(event.kind == "model_adopted" for event in tick.inputs.events)]
    assert [tick.inputs.tick for tick in adopted] == [keeper.artifacts[0].trained_to + KNOBS.adopt_after]
    assert len(adopted[0].inputs.events) == len(training.models())
    before = keeper.ticks[adopted[0].inputs.tick - 1]
    assert set(before.serving) == {None}
    assert adopted[0].serving == tuple(event.detail for event in adopted[0].inputs.events)


def waiting(*, error: Exception | None = None, artifacts: tuple[Artifact, ...] = ()) -> tuple[Future[Artifact], ...]:
    """A future that waits, or has failed, and behind it those of artifacts that are there."""
    future: Future[Artifact] = Future()
    if error is not None:
        future.set_exception(error)
    return (future, *(_done(artifact) for artifact in artifacts))


def _done(artifact: Artifact) -> Future[Artifact]:
    future: Future[Artifact] = Future()
    future.set_result(artifact)
    return future


def impatient(job: Job) -> Engine:
    one = Engine(settings(), Played(lesson().feed.info, lesson().bars), StoppedClock(), trainers=None, patient=False)
    one.jobs.append(job)
    return one


def test_a_training_that_is_late_is_told_and_the_old_models_serve_on() -> None:
    artifacts = lesson().artifacts[: len(training.models())]
    futures = waiting(artifacts=artifacts[1:])
    one = impatient(Job(1, 3, futures))
    ticks = play(one, 6)
    told = [(tick.inputs.tick, event.kind) for tick in ticks for event in tick.inputs.events]
    assert told == [(3, "training_late")]
    assert all(digest is None for digest in ticks[-1].serving)
    futures[0].set_result(artifacts[0])
    (later,) = play(one, 1)
    assert [event.kind for event in later.inputs.events] == ["model_adopted"] * len(artifacts)


def test_a_training_that_failed_is_told_and_changes_nothing() -> None:
    one = impatient(Job(1, 3, waiting(error=ValueError("too few rows"))))
    ticks = play(one, 5)
    assert [event for tick in ticks for event in tick.inputs.events] == [Event("training_failed", "1", "ValueError: too few rows")]
    assert one.jobs == []


def test_commands_hold_from_the_next_tick_on_and_are_kept_with_it() -> None:
    first = at_bold()
    one = resumed(first, lesson().bars)
    one.obey(command("pause"))
    (paused,) = play(one, 1)
    assert (paused.outcome.decisions.delta == 0).all()
    assert paused.inputs.events == (Event("command", "pause", ""),)
    one.obey(command("flatten"))
    flat = play(one, 3)
    assert (flat[0].outcome.decisions.target == 0).all()
    assert (flat[-1].inputs.account.positions == 0).all()
    one.obey(command("resume"))
    assert any((tick.outcome.decisions.delta != 0).any() for tick in play(one, 10))


def test_retraining_by_hand_trains_at_once_and_serves_twelve_bars_later() -> None:
    one = resumed(at_bold(), lesson().bars)
    one.obey(command("retrain"))
    ticks = play(one, 14)
    assert [instruction.detail for instruction in ticks[0].outcome.instructions] == ["by hand"]
    adopted = [tick.inputs.tick for tick in ticks if any(event.kind in {"model_adopted", "training_failed"} for event in tick.inputs.events)]
    assert adopted == [at_bold() + 12]


def test_commands_that_cannot_be_carried_out_are_refused_in_one_line() -> None:
    one = resumed(at_bold(), lesson().bars)
    for bad in (command("dance"), command("set"), command("set", signal="much"), command("set", signal="0.9"), command("set", signal="0.1")):
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            one.obey(bad)
    assert play(one, 1)[0].inputs.events == ()


def test_the_state_is_kept_every_hundred_ticks_and_skill_every_twenty() -> None:
    keeper = Drawer()
    play(engine(simulated(205), keeper=keeper, trains=False))
    assert [tick.inputs.tick for tick in keeper.ticks if tick.checkpoint] == [0, 100, 200]
    assert [tick.inputs.tick for tick in keeper.ticks if tick.skill] == list(range(19, 205, 20))
    assert all(len(tick.phase_digests) == 10 for tick in keeper.ticks)
    assert keeper.ticks[0].inputs.at == START + MINUTE
    assert moment(640).inputs.tick == 640
