"""The engine's step: fills, decides and stores; whatever the data, a tick is sound, degraded, or lost and reported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.record import Bools
from engine.domain.tick import Tick
from engine.domain.trading_config import Event
from engine.run import FallbackFailed
from engine.store.errors import StoreError
from tests.makers import (
    KNOBS,
    MINUTE,
    START,
    Drawer,
    Played,
    bold,
    command,
    decided,
    engine,
    grew,
    lesson,
    moment,
    play,
    resumed,
    simulated,
)
from tests.resilience.hazards import DISTURBING, UNTRADABLE, Hazard, missing_bar


def at_bold() -> int:
    return bold().inputs.tick


def stepped(hazard: Hazard, mask: Bools, ticks: int = 6) -> list[Tick]:
    """What comes of a hazard in the bar of the boldest moment and in the bars after it."""
    first = at_bold()
    bars = [hazard(bar, mask) if first <= number < first + 3 else bar for number, bar in enumerate(lesson().bars)]
    return play(resumed(first, bars, keeper=Drawer()), ticks)


def sound(tick: Tick) -> bool:
    outcome, account = tick.outcome, tick.inputs.account
    numbers = [outcome.decisions.target, outcome.decisions.delta, outcome.sizes.current, account.positions, np.array([account.equity, account.cash])]
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
        subject = resumed(first, [])
        subject.step()
        state, account = subject.state, subject.account
        earlier = replace(lesson().bars[first], at=lesson().bars[first - 1].at - late)
        subject._slices = iter([earlier])
        with pytest.raises(ValueError, match=r"^bars go back in time: \d+ after \d+$"):
            subject.step()
        assert (subject.state, subject.account, subject.tick) == (state, account, first)


def test_the_first_bars_hold_and_say_that_history_is_missing() -> None:
    ticks = play(engine(simulated(40), trains=False))
    assert len(ticks) == 40
    for tick in ticks:
        assert tick.outcome.degraded == ()
        assert (tick.outcome.decisions.action == 0).all()
        assert {tick.outcome.decisions.gates[index].name for index in tick.outcome.decisions.binding_gate} == {"history"}


def test_a_single_symbol_is_decided_trained_on_and_traded_alone() -> None:
    feed = simulated(420, symbols=1, signal=0.4)
    subject = engine(feed, trading=replace(KNOBS, first_training=300, retrain_every=1_000, shrinkage_rows=50.0, skill_alpha=0.5))
    ticks = play(subject)
    assert all(tick.outcome.degraded == () for tick in ticks)
    assert subject.trained_artifacts
    assert ticks[-1].outcome.predictions.active_models[0] >= 1
    assert np.isfinite(ticks[-1].outcome.predictions.mean).all()


def test_symbols_that_are_never_there_disturb_nobody() -> None:
    feed = simulated(200)
    mask = np.arange(8) == 3
    ticks = play(engine(Played(feed.info, [missing_bar(bar, mask) for bar in feed.slices(None)]), trains=False))
    assert all(tick.outcome.degraded == () for tick in ticks)
    names = {tick.outcome.decisions.gates[tick.outcome.decisions.binding_gate[3]].name for tick in ticks}
    assert names == {"fresh data"}
    assert {tick.outcome.decisions.gates[index].name for tick in ticks[130:] for index in tick.outcome.decisions.binding_gate[~mask]} == {
        "active models"
    }


def test_a_tick_whose_fallback_fails_is_lost_and_told_of_at_the_next() -> None:
    first = at_bold()
    subject = resumed(first, lesson().bars, keeper=(keeper := Drawer()))
    good = subject.account
    subject.account = replace(good, positions=np.full(8, np.nan))
    with pytest.raises(FallbackFailed, match="the fallback of risk failed"):
        subject.step()
    assert (keeper.ticks, subject.tick) == ([], first)
    subject.account = good
    following = subject.step()
    assert following is not None
    assert following.inputs.tick == first
    assert following.inputs.at == lesson().bars[first + 1].at
    assert Event("tick_lost", str(first), "a fallback failed") in following.inputs.events
    np.testing.assert_array_equal(following.inputs.bars.close[:, -2], lesson().bars[first - 1].close)
    np.testing.assert_array_equal(following.inputs.bars.close[:, -1], lesson().bars[first + 1].close)
    assert np.isnan(following.outcome.state.pending.price[1:]).all()
    again = subject.step()
    assert again is not None
    assert again.inputs.events == ()


class Reluctant(Drawer):
    """Fails to save until it is told not to."""

    refuses = True

    def save(self, tick: Tick) -> None:
        if self.refuses:
            raise StoreError("the store is locked")
        super().save(tick)


def test_a_tick_that_could_not_be_saved_is_saved_first_and_decided_once() -> None:
    keeper = Reluctant()
    subject = resumed(at_bold(), lesson().bars, keeper=keeper)
    for _ in range(3):
        with pytest.raises(StoreError):
            subject.step()
    keeper.refuses = False
    stored = [subject.step() for _ in range(3)]
    assert [tick.inputs.tick for tick in stored if tick is not None] == [at_bold() + number for number in range(3)]
    assert [tick.decisions_digest for tick in keeper.ticks] == list(lesson().decisions[at_bold() : at_bold() + 3])


def test_a_tick_that_is_decided_is_kept_whatever_fails_after_it() -> None:
    """Else the next one does not follow it, and nothing is ever saved again."""
    keeper = Drawer()
    subject = resumed(at_bold(), lesson().bars, keeper=keeper)
    rows, subject.rows = subject.rows, None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        subject.step()
    subject.rows = rows
    assert [tick.inputs.tick for tick in play(subject, 3)] == [at_bold() + number for number in range(3)]
    assert [tick.inputs.tick for tick in keeper.ticks] == [at_bold() + number for number in range(3)]


def test_what_was_ordered_is_filled_on_the_next_bar_before_it_is_decided() -> None:
    first = at_bold()
    ticks = play(resumed(first, lesson().bars), 2)
    orders, fills = ticks[0].outcome.orders, ticks[1].fills
    assert [fill.symbol for fill in fills] == [order.symbol for order in orders]
    for order, fill in zip(orders, fills, strict=True):
        before, after = ticks[0].inputs.account.positions[order.symbol], ticks[1].inputs.account.positions[order.symbol]
        assert after - before == pytest.approx(fill.units)


def test_commands_hold_from_the_next_tick_on_and_are_kept_with_it() -> None:
    first = at_bold()
    subject = resumed(first, lesson().bars)
    subject.handle_command(command("pause"))
    (paused,) = play(subject, 1)
    assert (paused.outcome.decisions.delta == 0).all()
    assert paused.inputs.events == (Event("command", "pause", ""),)
    subject.handle_command(command("flatten"))
    flat = play(subject, 3)
    assert (flat[0].outcome.decisions.target == 0).all()
    assert (flat[-1].inputs.account.positions == 0).all()
    subject.handle_command(command("resume"))
    assert any((tick.outcome.decisions.delta != 0).any() for tick in play(subject, 10))


def test_a_drawdown_stop_closes_everything_until_a_person_resumes_with_a_reason() -> None:
    subject = resumed(at_bold(), lesson().bars)
    subject.account = replace(subject.account, peak_equity=subject.account.equity / 0.8)
    (stopped,) = play(subject, 1)
    assert (stopped.outcome.decisions.target == 0).all()
    with pytest.raises(ValueError, match=r"^the drawdown of 2\d\.\d % has passed its limit of 15\.0 %: to resume, give a reason \(reason=\.\.\.\)$"):
        subject.handle_command(replace(command("resume"), reason=" "))
    assert not grew(play(subject, 1)[0].outcome, subject.account).any()
    before = subject.account
    subject.handle_command(command("resume"))
    ticks = play(subject, 10)
    restarted = Event("peak_restarted", f"{before.peak_equity:.2f}", f"{before.equity:.2f}")
    assert ticks[0].inputs.events == (restarted, Event("command", "resume", ""))
    assert ticks[0].inputs.account.peak_equity == max(before.equity, ticks[0].inputs.account.equity)
    assert any(grew(tick.outcome, tick.inputs.account).any() for tick in ticks)


def test_resuming_within_the_limit_leaves_the_peak_alone() -> None:
    subject = resumed(at_bold(), lesson().bars)
    subject.account = replace(subject.account, peak_equity=subject.account.equity / 0.9)
    subject.handle_command(replace(command("resume"), reason=""))
    (tick,) = play(subject, 1)
    assert tick.inputs.account.peak_equity == subject.account.peak_equity
    assert [event.kind for event in tick.inputs.events] == ["command"]


def test_commands_that_cannot_be_carried_out_are_refused_in_one_line() -> None:
    subject = resumed(at_bold(), lesson().bars)
    for bad in (command("dance"), command("set"), command("set", signal="much"), command("set", signal="0.9"), command("set", signal="0.1")):
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            subject.handle_command(bad)
    assert play(subject, 1)[0].inputs.events == ()


def test_the_state_is_kept_every_hundred_ticks_and_skill_every_twenty() -> None:
    keeper = Drawer()
    play(engine(simulated(205), keeper=keeper, trains=False))
    assert [tick.inputs.tick for tick in keeper.ticks if tick.checkpoint] == [0, 100, 200]
    assert [tick.inputs.tick for tick in keeper.ticks if tick.skill] == list(range(19, 205, 20))
    assert all(len(tick.phase_digests) == 10 for tick in keeper.ticks)
    assert keeper.ticks[0].inputs.at == START + MINUTE
    assert moment(640).inputs.tick == 640
