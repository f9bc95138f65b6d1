"""The simulated market's relation changes where it is scheduled to, and nothing else does."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.domain.market import MarketSnapshot
from engine.domain.record import Floats
from engine.domain.signal_changes import CHANGE_KINDS, ChangeKind, SignalChange, format_changes, parse_changes
from engine.feeds._simulated_changes import append_returns, empty_history, schedule_gains
from engine.feeds._simulated_oracle import best_forecast, ratio_interval
from engine.feeds._simulated_prices import PricePath
from engine.feeds.simulated import FEED, MINUTE, START, SimulatedFeed
from engine.service.settings_loader import load_settings
from engine.settings import Settings, SettingsError

CHANGES = "3000:flip,6000:none,9000:interaction,12000:other"


def build_schedule(steps: list[tuple[int, ChangeKind]]) -> tuple[SignalChange, ...]:
    """The changes after the given numbers of bars, each counted from the change before."""
    bars = np.cumsum([gap for gap, _ in steps]).tolist()
    return tuple(SignalChange(bar, kind) for bar, (_, kind) in zip(bars, steps, strict=True))


schedules = st.lists(st.tuples(st.integers(1, 200), st.sampled_from(CHANGE_KINDS)), max_size=5).map(build_schedule)


def digests(bars: list[MarketSnapshot]) -> list[str]:
    return [bar.digest() for bar in bars]


def r2(truth: PricePath, first: int, end: int) -> float:
    returns, expected = truth.returns[first:end], truth.expected[first:end]
    return float(1.0 - ((returns - expected) ** 2).sum() / (returns**2).sum())


def drives(feed: SimulatedFeed, truth: PricePath) -> Floats:
    """(n, S) the drive before each bar."""
    drive, persistence = np.zeros_like(truth.returns), feed.gains_at(np.arange(len(truth.returns))).persistence
    for bar in range(1, len(drive)):
        drive[bar] = persistence[bar - 1] * drive[bar - 1] + truth.returns[bar - 1] - truth.expected[bar - 1]
    return drive


def slope(y: Floats, x: Floats) -> float:
    return float((x * y).sum() / (x * x).sum())


@given(schedules)
def test_changes_are_read_as_they_are_written(changes: tuple[SignalChange, ...]) -> None:
    assert parse_changes(format_changes(changes)) == changes
    assert parse_changes(format_changes(changes).replace(",", " , ").replace(":", " : ")) == changes


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    refusal = ""
    try:
        assert parse_changes(format_changes(parse_changes(text))) == parse_changes(text)
    except ValueError as error:
        refusal = str(error)
    assert len(refusal.splitlines()) <= 1
    assert len(refusal) < 300


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3000:flop", "'flop' is not a change of the simulated market: did you mean flip"),
        ("3000:FLIP", "did you mean flip"), ("3000:xyzzy", "the changes are flip, none, interaction, other"),
        ("6000:flip,3000:none", "the change at bar 3000 follows the change at bar 6000: give bars that rise"),
        ("3000:flip,3000:none", "give bars that rise"), ("-5:flip", "give a whole number from 0"), ("99999999999:flip", "give a whole number from 0"),
        ("ten:flip", "'ten:flip' is not a change: write BAR:KIND"), ("1.5:flip", "write BAR:KIND"), ("1e3:flip", "write BAR:KIND"),
        ("٣:flip", "write BAR:KIND"), ("3000", "write BAR:KIND"), ("3000:flip,", "'' is not a change"), ("flip:3000", "write BAR:KIND"),
        ("1:" + "a" * 5_000, "letters"), ("9" * 5_000 + ":flip", "letters"), (",".join(f"{bar}:flip" for bar in range(101)), "at most 100"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_changes_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        SimulatedFeed(changes=text)
    (tmp_path / "podium.toml").write_text(f'sim_changes = "{text}"', encoding="utf-8")
    for name, environ in (("PODIUM_SIM_CHANGES", {"PODIUM_SIM_CHANGES": text}), ("sim_changes in podium.toml", {})):
        with pytest.raises(SettingsError) as bad:
            load_settings(environ, tmp_path)
        assert str(bad.value).startswith(name)
        assert message in str(bad.value)
        assert "\n" not in str(bad.value)


@pytest.mark.parametrize("value", ["3000", "[]", "true", '""'])
def test_the_setting_is_a_text(value: str, tmp_path: Path) -> None:
    (tmp_path / "podium.toml").write_text(f"sim_changes = {value}", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"^sim_changes in podium.toml"):
        load_settings({}, tmp_path)


@pytest.mark.parametrize("kind", ["other", "interaction"])
def test_a_relation_to_other_symbols_needs_two(kind: str) -> None:
    for symbols in (SimulatedFeed, lambda **given: SimulatedFeed(symbols=("ALFA",), **(given | {"symbol_count": 8}))):
        with pytest.raises(ValueError, match=f"the change 5:{kind} relates a symbol to the others: simulate at least 2 symbols"):
            symbols(symbol_count=1, changes=f"5:{kind}")
    assert len(list(SimulatedFeed(symbol_count=1, changes="2:flip,4:none", bars=6).slices(None))) == 6
    assert len(list(SimulatedFeed(symbol_count=2, changes=f"2:{kind}", bars=6).slices(None))) == 6


def test_the_label_and_the_settings_carry_the_changes() -> None:
    assert SimulatedFeed().info.label == "simulated market"
    assert SimulatedFeed(changes=" 3000 : flip").info.label == "simulated market, changes 3000:flip"
    feed = FEED.open(Settings("", "", sim_changes="10:none", sim_symbols=2))
    assert feed.info.simulated
    assert feed.info.label == "simulated market, changes 10:none"


def test_without_changes_every_bar_is_that_of_the_version_before() -> None:
    """The market of a seed is pinned; the pin was taken before relations could change, of returns rounded to 1e-9 so that it holds on any machine."""
    truth = SimulatedFeed(bars=1500).truth(1500)
    assert hashlib.blake2b(np.rint(truth.returns * 1e9).astype(np.int64).tobytes(), digest_size=8).hexdigest() == "018bfca8a736fe48"
    plain, later = (digests(list(SimulatedFeed(bars=600, changes=changes).slices(None))) for changes in ("", "600:none"))
    assert plain == later


@settings(max_examples=6, deadline=None)
@given(schedules, st.integers(0, 449), st.sampled_from([2, 60]), st.integers(1, 3))
def test_reading_resumes_anywhere_in_any_schedule(changes: tuple[SignalChange, ...], after: int, count: int, seed: int) -> None:
    def feed() -> SimulatedFeed:
        return SimulatedFeed(symbol_count=count, seed=seed, bars=450, changes=format_changes(changes))

    whole = digests(list(feed().slices(None)))
    assert digests(list(islice(feed().slices(START + after * MINUTE), 20))) == whole[after : after + 20]
    first = changes[0].bar if changes else 450
    plain = digests(list(islice(SimulatedFeed(symbol_count=count, seed=seed, bars=450).slices(None), min(first, 450))))
    assert plain == whole[: len(plain)]  # nothing moves before the first change


@settings(max_examples=6, deadline=None)
@given(schedules, st.integers(1, 1_000))
def test_the_future_schedule_moves_nothing_before_it(changes: tuple[SignalChange, ...], bar: int) -> None:
    known = tuple(change for change in changes if change.bar < bar)
    less, more = (SimulatedFeed(symbol_count=4, changes=format_changes(part)).truth(1_000) for part in (known, changes))
    np.testing.assert_array_equal(less.returns[:bar], more.returns[:bar])
    np.testing.assert_array_equal(less.expected[:bar], more.expected[:bar])


@settings(max_examples=6, deadline=None)
@given(schedules, st.sampled_from([2, 60]))
@example(parse_changes("100:interaction"), 60)
def test_the_true_forecast_follows_from_returns_and_the_schedule_alone(changes: tuple[SignalChange, ...], count: int) -> None:
    feed = SimulatedFeed(symbol_count=count, changes=format_changes(changes))
    feed.switch_signal(0.02, START + 300 * MINUTE)
    truth = feed.truth(900)
    forecast = best_forecast(truth.returns, feed.gains_at(np.arange(901)))
    np.testing.assert_allclose(forecast[:-1], truth.expected, atol=1e-12)


def test_a_change_of_signal_and_scheduled_changes_work_together() -> None:
    feed = SimulatedFeed(bars=2600, symbol_count=3, changes="700:interaction,2000:flip")
    played: list[MarketSnapshot] = []
    for bar in feed.slices(None):
        played.append(bar)
        if len(played) in {1000, 1800}:
            feed.switch_signal(0.0 if len(played) == 1000 else 0.1, bar.at)
    truth = feed.truth(2600)
    assert not truth.expected[1000:1800].any()
    assert truth.expected[1800:2000].any()
    again = SimulatedFeed(bars=2600, symbol_count=3, changes="700:interaction,2000:flip")
    again.switch_signal(0.0, played[999].at)
    again.switch_signal(0.1, played[1799].at)
    assert digests(list(islice(again.slices(played[1899].at), 300))) == digests(played[1900:2200])


@pytest.mark.parametrize("kind", ["flip", "other", "interaction"])
@pytest.mark.parametrize("signal", [0.05, 0.25])
def test_the_r2_of_the_best_forecast_stays_the_signal(kind: str, signal: float) -> None:
    truths = [SimulatedFeed(seed=seed, signal=signal, changes=f"400:{kind}").truth(7_400) for seed in (1, 7)]
    returns, expected = (np.concatenate([getattr(truth, name)[400:] for truth in truths]) for name in ("returns", "expected"))
    value, low, high = ratio_interval(returns**2 - (returns - expected) ** 2, returns**2)
    assert abs(value - signal) < high - low
    assert high - low < 0.6 * signal


@pytest.mark.parametrize("count", [2, 3, 30])
def test_the_size_of_the_interaction_does_not_depend_on_the_number_of_symbols(count: int) -> None:
    truth = SimulatedFeed(symbol_count=count, changes="400:interaction").truth(5_400)
    size = (truth.expected[400:] ** 2).sum() / (truth.returns[400:] ** 2).sum()
    assert size == pytest.approx(0.05, rel=0.06)


def test_neither_factor_of_the_interaction_alone_predicts() -> None:
    truth = SimulatedFeed(changes="0:interaction").truth(8_000)
    history, rows = empty_history(8), []
    for returns in truth.returns:
        rows.append((history.recent[-1], history.usual, (history.recent**2).sum(axis=0)))
        history = append_returns(history, returns[None])
    last, usual, power = (np.stack(parts)[100:] for parts in zip(*rows, strict=True))
    ranks = [(values.argsort(axis=1).argsort(axis=1) / 7.0 - 0.5) for values in (last / np.sqrt(usual), power / usual)]
    expected = truth.expected[100:]
    scaled = expected / np.sqrt((truth.returns**2).mean())
    for factor in (*ranks, last):
        assert np.corrcoef(scaled.ravel(), factor.ravel())[0, 1] ** 2 < 0.05  # symbols of extreme variance make extreme returns
    assert np.corrcoef(scaled.ravel(), (ranks[0] * ranks[1]).ravel())[0, 1] ** 2 > 0.8


def test_the_relation_is_what_the_schedule_says() -> None:
    feed = SimulatedFeed(changes=CHANGES)
    truth = feed.truth(15_000)
    drive = drives(feed, truth)
    mean = np.broadcast_to(drive.mean(axis=1, keepdims=True), drive.shape)
    gain = float(np.sqrt(0.05 / 0.95 * (1.0 - 0.95**2)))
    assert slope(truth.expected[:3000], drive[:3000]) == pytest.approx(gain)
    assert slope(truth.expected[3000:6000], drive[3000:6000]) < -gain
    assert slope(truth.returns[:3000], drive[:3000]) > 0.5 * gain
    assert slope(truth.returns[3000:6000], drive[3000:6000]) < -0.5 * gain
    assert not truth.expected[6000:9000].any()
    assert abs(np.corrcoef(truth.expected[9000:12000].ravel(), drive[9000:12000].ravel())[0, 1]) < 0.1
    np.testing.assert_allclose(truth.expected[12000:], slope(truth.expected[12000:], mean[12000:]) * mean[12000:], atol=1e-15)
    assert slope(truth.expected[12000:], mean[12000:]) > gain


@pytest.mark.parametrize("changes", ["0:flip", "0:other", "0:other,1:flip", "0:flip,1:flip"])
def test_the_best_forecast_is_seen_in_the_returns_of_two_hundred_bars(changes: str) -> None:
    """A relation whose drive cannot be recovered from a window of returns would be no truth that anybody could find."""
    feed = SimulatedFeed(symbol_count=3, changes=changes)
    truth = feed.truth(3_000)
    gains = feed.gains_at(np.arange(201))
    windows = [best_forecast(truth.returns[bar - 200 : bar], replace(gains, own=gains.own[-1:].repeat(201), other=gains.other[-1:].repeat(201),
               persistence=gains.persistence[-1:].repeat(201)))[-1] for bar in range(300, 3_000, 50)]  # fmt: skip
    np.testing.assert_allclose(windows, truth.expected[300:3_000:50], atol=1e-6)


def test_a_flip_reverses_the_relation_before_it_whatever_that_is() -> None:
    for kind in ("none", "other", "interaction"):
        before, after = (SimulatedFeed(symbol_count=3, changes=f"299:{kind}{rest}").truth(301).expected[300] for rest in ("", ",300:flip"))
        plain = SimulatedFeed(symbol_count=3).truth(301).expected[300]
        assert (np.sign(after) == -np.sign(plain if kind == "none" else before)).all()
    bars = np.arange(10)
    changes = parse_changes("1:flip,2:none,4:flip,5:interaction,7:flip,8:other,9:flip")
    gains = schedule_gains(np.full(10, 0.05), 0.95, bars, changes, (8, 0.5))
    np.testing.assert_array_equal(np.sign(gains.own), [1, -1, 0, 0, 1, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(np.sign(gains.interaction), [0, 0, 0, 0, 0, 1, 1, -1, 0, 0])
    np.testing.assert_array_equal(np.sign(gains.other), [0, 0, 0, 0, 0, 0, 0, 0, 1, -1])
    np.testing.assert_array_equal(gains.persistence == 0.95, [1, 0, 1, 1, 1, 1, 1, 1, 1, 0])
    assert gains.own[0] == gains.own[4]
    assert gains.interaction[5] == -gains.interaction[7]


def test_a_history_does_not_depend_on_how_many_bars_are_added_at_once() -> None:
    returns = np.random.default_rng(1).standard_normal((60, 3))
    at_once, singly = append_returns(empty_history(3), returns), empty_history(3)
    for row in returns:
        singly = append_returns(singly, row[None])
    np.testing.assert_array_equal(at_once.recent, singly.recent)
    np.testing.assert_allclose(at_once.usual, singly.usual, rtol=1e-12)
