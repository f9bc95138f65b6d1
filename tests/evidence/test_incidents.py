"""Faults of the data: each is detected by name, early and once; thin symbols, nights, busy markets and moving prices are no faults."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from engine.domain.incidents import INCIDENT_KINDS, NO_FAULT, Incident, IncidentState
from engine.domain.market import Books
from engine.domain.record import Bools, Floats
from engine.domain.trading_config import Event
from engine.evidence import incidents, trading_calendar, volume_level
from engine.evidence.staleness import fingerprint_books
from tests.makers import DAY, MINUTE, START

HOUR = 60 * MINUTE
MONDAY = START  # 2024-01-01 is a Monday


@dataclass
class Market:
    """Bars of S symbols one after another, from which pieces can be taken away."""

    symbols: int = 5
    interval: int = MINUTE
    at: int = MONDAY
    seed: int = 5
    watch: IncidentState = field(init=False)
    observed: list[Incident] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = np.random.default_rng(self.seed)
        self.names = tuple(f"S{index}" for index in range(self.symbols))
        self.watch = incidents.initial_incident_state(self.symbols)
        self.price = np.full(self.symbols, 100.0)

    def bar(self, *, volume: float = 1.0, range_: float = 1.0) -> Floats:
        moves = np.abs(self.draw.normal(0, 1e-3, (2, self.symbols))) * range_ + 1e-4
        opened = self.price
        self.price = opened * np.exp(self.draw.normal(0, 5e-4 * range_, self.symbols))
        high, low = np.maximum(opened, self.price) * np.exp(moves[0]), np.minimum(opened, self.price) * np.exp(-moves[1])
        spread = np.log(high / low)
        return np.stack((opened, high, low, self.price, volume * 1e6 * spread * self.draw.gamma(20.0, 0.05, self.symbols)))

    def step(
        self, bar: Floats, fresh: Bools | None = None, events: tuple[Event, ...] = (), books: Books | None = None
    ) -> tuple[Incident, ...]:  # fmt: skip
        self.at += self.interval
        traded = np.asarray(np.isfinite(bar[3]) & (bar[4] > 0)) if fresh is None else fresh
        self.watch = incidents.update_incidents(self.watch, self.at, self.interval, self.names, traded, bar, events, books)
        self.observed += self.watch.changes
        return self.watch.changes

    def run(self, bars: int, **more: float) -> tuple[Incident, ...]:
        """That many whole bars; what they tell."""
        return tuple(incident for _ in range(bars) for incident in self.step(self.bar(**more)))

    def absent(self, bars: int, which: slice = slice(None)) -> tuple[Incident, ...]:
        observed: tuple[Incident, ...] = ()
        for _ in range(bars):
            bar = self.bar()
            bar[:, which] = np.nan
            observed += self.step(bar)
        return observed

    def empty(self, bars: int, which: slice = slice(None)) -> tuple[Incident, ...]:
        observed: tuple[Incident, ...] = ()
        for _ in range(bars):
            bar = self.bar()
            bar[:4, which], bar[4, which] = self.price[which], 0.0
            observed += self.step(bar)
        return observed


def after(days: int = 2, *, symbols: int = 5) -> Market:
    """A market that has been watched for some days."""
    market = Market(symbols)
    assert market.run(days * DAY // market.interval) == ()
    return market


def named(observed: tuple[Incident, ...]) -> list[tuple[str, str, bool]]:
    """Kind, symbol and whether it lasts."""
    return [(incident.kind, incident.symbol, incident.until is None) for incident in observed]


def test_bars_without_volume_everywhere_are_a_halt_until_half_the_market_trades_again() -> None:
    market = after()
    began = market.at
    observed = market.empty(6)
    assert named(observed) == [("halt", "*", True)]
    assert observed[0].since == began
    assert market.watch.open == observed
    market.empty(1, slice(1, None))
    ended = market.run(1)
    assert [(incident.kind, incident.since, incident.until) for incident in ended] == [("halt", began, began + 7 * MINUTE)]
    assert market.watch.open == ()


def test_a_halt_is_detected_within_three_bars() -> None:
    market = after()
    assert named(market.empty(3)) == [("halt", "*", True)]


def test_absent_bars_everywhere_are_a_gap() -> None:
    market = after()
    began = market.at
    assert named(market.absent(3)) == [("gap", "*", True)]
    assert market.run(1) == (Incident("gap", "*", began, began + 3 * MINUTE, market.observed[0].detail),)
    assert "all 5 symbols have no bar: 2 bars in a row" in market.observed[0].detail


def test_a_silent_feed_is_a_gap_once_it_resumes() -> None:
    market = after()
    began = market.at
    market.at += 20 * MINUTE
    observed = market.run(1)
    assert [(incident.kind, incident.symbol, incident.since, incident.until) for incident in observed] == [("gap", "*", began, began + 20 * MINUTE)]
    assert "20 bars" in observed[0].detail
    assert market.watch.open == ()


def test_bars_that_repeat_the_previous_one_are_stale_until_they_change() -> None:
    market = after()
    bar = market.bar()
    observed = tuple(incident for _ in range(5) for incident in market.step(bar))
    assert named(observed) == [("stale", "*", True)]
    assert named(market.run(1)) == [("stale", "*", False)]


def test_a_single_symbol_is_reported_only_after_far_longer_than_its_longest_run() -> None:
    market = after()
    market.empty(5, slice(0, 1))
    assert market.run(10) == ()
    assert market.empty(15, slice(0, 1)) == ()
    assert named(market.empty(1, slice(0, 1))) == [("flat-filled", "S0", True)]
    assert named(market.run(1)) == [("flat-filled", "S0", False)]
    assert named(market.absent(40, slice(1, 2))) == [("gap", "S1", True)]


def test_a_fault_of_one_symbol_does_not_change_the_rates_of_others() -> None:
    market = after()
    before = market.watch.staleness
    market.absent(60, slice(0, 1))
    assert (market.watch.staleness.longest[:, 1:] == before.longest[:, 1:]).all()
    market.run(1)
    assert market.watch.staleness.longest[0, 0] == 20  # a third of what was a fault


def test_thin_symbols_that_miss_most_of_their_bars_are_no_fault() -> None:
    market = Market(symbols=4)
    for _ in range(3 * 1_440):
        bar = market.bar()
        absent = market.draw.random(4) > np.array([0.98, 0.7, 0.5, 0.4])
        bar[:, absent] = np.nan
        market.step(bar)
    assert market.observed == []
    assert named(market.absent(4)) == [("gap", "*", True)]


def test_a_symbol_that_has_not_begun_is_no_gap_and_does_not_hide_one() -> None:
    market = Market()
    market.absent(2 * 1_440, slice(4, 5))
    assert market.observed == []
    assert named(market.absent(3)) == [("gap", "*", True)]


def nights(market: Market, days: int, *, opens: int = 9, closes: int = 17, shift: int = 0) -> None:
    """Days of a market open from one hour to another and not at the weekend; thirteen empty bars, then silence, as the feeds do it."""
    first = (market.at - MONDAY) // DAY + 1 if market.at > MONDAY else 0
    for day in range(first, first + days):
        if day % 7 >= 5:
            continue
        market.at = MONDAY + day * DAY + (opens + shift) * HOUR
        market.run((closes - opens) * 60)
        market.absent(13)


def test_nights_weekends_holidays_and_another_hour_of_opening_are_no_gaps() -> None:
    market = Market(symbols=3)
    nights(market, 9)
    market.at = MONDAY + 10 * DAY + 17 * HOUR  # a holiday: nothing at all that day
    nights(market, 5)
    nights(market, 7, shift=1)
    nights(market, 4, shift=0)
    assert market.observed == []


def test_an_early_close_on_the_half_hour_is_no_gap_and_one_at_another_minute_is() -> None:
    market = Market(symbols=3)
    nights(market, 9)
    market.at = MONDAY + 9 * DAY + 9 * HOUR
    market.run(4 * 60)
    assert market.absent(13) == ()
    market.at = MONDAY + 10 * DAY + 9 * HOUR
    market.run(4 * 60 + 7)
    assert named(market.absent(13)) == [("gap", "*", True)]
    market.at = MONDAY + 11 * DAY + 9 * HOUR
    assert named(market.run(1)) == [("gap", "*", False)]


def test_unknown_hours_of_the_calendar_are_not_expected_open() -> None:
    market = Market(symbols=3)
    market.at = MONDAY + 9 * HOUR
    market.run(8 * 60)
    assert market.absent(13) == ()
    known = market.watch.calendar.traded
    assert trading_calendar.is_expected_open(known, 10 * 2)
    assert not trading_calendar.is_expected_open(known, 17 * 2)
    assert not trading_calendar.is_expected_open(known, 20 * 2)


def test_until_a_week_was_seen_the_year_is_that_of_a_market_that_never_closes() -> None:
    assert trading_calendar.trading_year(trading_calendar.initial_calendar().traded) == (8_760.0, 365.0)
    known = np.ones(336)
    assert trading_calendar.trading_year(known) == (8_760.0, 365.0)
    known[100] = np.nan
    assert trading_calendar.trading_year(known * 0.0) == (8_760.0, 365.0)


def test_the_calendar_learns_weekday_hours_and_ignores_one_holiday() -> None:
    market = Market(symbols=3)
    for day in range(21):
        if day % 7 < 5 and day != 15:  # the last Tuesday is a holiday
            market.at = MONDAY + day * DAY + 9 * HOUR
            market.run(8 * 60)
            market.absent(13)
    hours, days = trading_calendar.trading_year(market.watch.calendar.traded)
    assert days == pytest.approx(365.0 * 5 / 7)
    assert hours == pytest.approx(8_760.0 * 5 * 16 / 336, rel=0.07)  # the half-hour after the close fades more slowly


@pytest.mark.parametrize(("times", "way"), [(20.0, "up"), (1 / 20, "down")])
def test_a_change_in_the_unit_of_volume_is_detected_within_three_bars_and_becomes_normal(times: float, way: str) -> None:
    market = after()
    began = market.at
    observed = market.run(3, volume=times)
    assert [(incident.kind, incident.symbol, incident.since, incident.until) for incident in observed] == [("volume-feed change", "*", began, None)]
    assert f"volume is {way}" in observed[0].detail
    assert "5 of 5 symbols" in observed[0].detail
    assert named(market.run(volume_level.LEARNED_BARS, volume=times)) == [("volume-feed change", "*", False)]
    assert market.run(300, volume=times) == ()
    assert named(market.run(3, volume=1.0)) == [("volume-feed change", "*", True)]


def test_a_storm_with_ranges_and_volume_twenty_times_the_usual_is_no_fault() -> None:
    market = after()
    assert market.run(200, range_=20.0) == ()


def test_a_price_that_jumps_and_a_drift_are_no_faults() -> None:
    market = after()
    market.price = market.price * 0.7
    assert market.run(5) == ()
    for _ in range(300):
        market.price = market.price * 1.001
        assert market.run(1) == ()


def test_volume_that_grows_slowly_is_no_fault() -> None:
    market = after()
    observed = [incident for step in range(3_000) for incident in market.run(1, volume=20.0 ** (step / 3_000))]
    assert observed == []


def test_bars_off_the_clock_and_clocks_that_differ_are_clock_skew() -> None:
    market = after(1)
    market.at += 7 * 10**9
    observed = market.run(1)
    assert [(incident.kind, incident.since == incident.until) for incident in observed] == [("clock skew", True)]
    assert "7 s off the clock of 60 s" in observed[0].detail
    observed = market.step(market.bar(), events=(Event("clock_skew", "*", "-1.27"), Event("clock_skew", "*", "-1.27")))
    assert named(observed) == [("clock skew", "*", True)]
    assert "-1.27 s" in observed[0].detail
    assert market.run(5) == ()
    assert named(market.step(market.bar(), events=(Event("clock_skew", "*", "0"),))) == [("clock skew", "*", False)]
    assert market.watch.open == ()


def test_later_bars_change_no_earlier_result() -> None:
    whole, other = Market(), Market()
    digests = []
    for index in range(800):
        bar = whole.bar()
        whole.step(bar)
        digests.append(whole.watch.digest())
        changed = bar if index < 500 else bar * 1.5
        other.step(changed)
        assert (other.watch.digest() == digests[-1]) == (index < 500)


def test_the_state_stays_small_and_is_reproducible() -> None:
    first, second = after(1, symbols=20), after(1, symbols=20)
    assert first.watch.digest() == second.watch.digest()
    watch = first.watch
    arrays = [
        watch.calendar.traded,
        *(getattr(watch.staleness, name) for name in ("run_bars", "run_since", "runs_begun", "runs_continued", "longest", "last_bar")),
    ]
    arrays += [watch.volume_level.level, watch.volume_level.mean_range, watch.volume_level.profile]
    assert sum(part.nbytes for part in arrays) < 10_000


def test_a_universe_of_one_symbol_can_halt() -> None:
    market = after(symbols=1)
    assert named(market.empty(10)) == [("halt", "*", True)]


@pytest.mark.parametrize("row", range(5))
@pytest.mark.parametrize("value", [np.inf, np.nan, -1.0, 0.0])
def test_impossible_values_leave_no_trace(row: int, value: float) -> None:
    market = after(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        for _ in range(5):
            bar = market.bar()
            bar[row, :2] = value
            market.step(bar, np.ones(5, dtype=bool))
    assert market.run(100) == ()
    for part in (market.watch.volume_level.level, market.watch.volume_level.mean_range, market.watch.volume_level.profile[:10]):
        assert np.isfinite(part).all()
    assert named(market.run(3, volume=20.0)) == [("volume-feed change", "*", True)]


def faults(market: Market) -> list[str]:
    """What is wrong with each symbol at this bar, "" where nothing is."""
    return ["" if kind == NO_FAULT else INCIDENT_KINDS[kind] for kind in market.watch.faults.kind.tolist()]


def repeat(market: Market, bars: int, which: slice) -> tuple[Incident, ...]:
    """Bars in which these symbols repeat their last one exactly."""
    last, observed = market.watch.staleness.last_bar.copy(), ()  # type: tuple[Floats, tuple[Incident, ...]]
    for _ in range(bars):
        bar = market.bar()
        bar[:, which] = last[:, which]
        observed += market.step(bar)
    return observed


@pytest.mark.parametrize("known", [1, 30, 3_000])
def test_a_symbol_that_repeats_its_bars_is_stale_within_ten_bars_even_without_history(known: int) -> None:
    market = Market()
    market.run(known)
    began = market.at
    observed = repeat(market, 10, slice(0, 1))
    assert [(incident.kind, incident.symbol, incident.since) for incident in observed] == [("stale", "S0", began)]
    bars = int(observed[0].detail.split(": ")[1].split()[0])
    assert bars == {1: 4, 30: 3, 3_000: 3}[known]
    assert faults(market) == ["stale", "", "", "", ""]
    assert market.watch.faults.bars.tolist() == [10, 0, 0, 0, 0]
    assert named(market.run(1)) == [("stale", "S0", False)]
    assert faults(market) == [""] * 5


def test_the_first_bar_that_repeats_is_doubted_before_anything_is_an_incident() -> None:
    market = Market()
    market.run(200)
    assert repeat(market, 1, slice(0, 1)) == ()
    assert faults(market) == ["stale", "", "", "", ""]
    assert market.watch.faults.frozen_bar.tolist() == [True, False, False, False, False]
    market.run(1)
    assert faults(market) == [""] * 5


def test_a_symbol_that_trades_a_lot_at_a_time_at_one_price_is_judged_by_its_own_habit() -> None:
    market = Market()
    doubted = 0
    for _ in range(4_000):
        bar = market.bar()
        bar[:4, 0], bar[4, 0] = 100.0 + market.draw.integers(0, 2) * 0.01, market.draw.integers(1, 3)  # a quarter of its bars repeat
        market.step(bar)
        doubted += market.watch.faults.frozen_bar[0]
    assert market.observed == []
    assert doubted < 0.02 * 4_000
    assert ("stale", "S0", True) in named(repeat(market, 60, slice(0, 1)))


def test_a_bar_without_volume_that_moved_within_and_repeats_is_stale_and_a_still_one_is_not() -> None:
    market = Market()
    market.run(100)
    bar = market.bar()
    bar[4] = np.nan
    fresh = np.ones(5, dtype=bool)
    market.step(bar, fresh)
    assert ("stale", "*", True) in named(tuple(incident for _ in range(4) for incident in market.step(bar, fresh)))
    market.run(1)
    bar = market.bar()
    bar[:4], bar[4] = 100.0, 0.0
    assert tuple(incident for _ in range(40) for incident in market.step(bar, fresh)) == ()


def book(market: Market, *, levels: int = 3) -> Books:
    sizes = market.draw.gamma(2.0, 10.0, (2, market.symbols, levels))
    steps = np.arange(1, levels + 1) * 0.01
    return Books(market.price[:, None] - steps, sizes[0], market.price[:, None] + steps, sizes[1])


def mixed(which: int, incident: Books, other: Books) -> Books:
    """The books, with that symbol's taken from the first."""
    mask = (np.arange(len(incident.bid_price)) == which)[:, None]
    return Books(*(np.where(mask, getattr(incident, name), getattr(other, name)) for name in ("bid_price", "bid_size", "ask_price", "ask_size")))


def test_a_book_that_stays_the_same_while_its_symbol_trades_is_stale() -> None:
    market = Market()
    for _ in range(100):
        market.step(market.bar(), books=book(market))
    assert market.observed == []
    dead = book(market)
    market.step(market.bar(), books=dead)
    observed = tuple(incident for _ in range(5) for incident in market.step(market.bar(), books=mixed(2, dead, book(market))))
    assert named(observed) == [("stale book", "S2", True)]
    assert faults(market) == ["", "", "stale book", "", ""]
    assert market.watch.faults.frozen_book.tolist() == [False, False, True, False, False]
    assert not market.watch.faults.frozen_bar.any()
    assert named(market.step(market.bar(), books=book(market))) == [("stale book", "S2", False)]


def test_a_book_that_stands_while_nothing_trades_is_no_fault() -> None:
    market = Market(symbols=1)
    market.run(10)
    dead = book(market)
    for number in range(200):
        bar = market.bar()
        if number % 40:
            bar[:4], bar[4] = market.price, 0.0
        market.step(bar, np.ones(1, dtype=bool), books=dead if number % 40 else (dead := book(market)))
    assert market.observed == []
    assert faults(market) == [""]


def test_books_with_the_same_fingerprint_are_the_same() -> None:
    market = Market(symbols=200)
    incident, other = book(market), book(market)
    assert (
        fingerprint_books(incident) == fingerprint_books(Books(incident.bid_price.copy(), incident.bid_size, incident.ask_price, incident.ask_size))
    ).all()
    assert (fingerprint_books(incident) != fingerprint_books(other)).all()
    swapped = Books(incident.bid_price, incident.ask_size, incident.ask_price, incident.bid_size)
    assert (fingerprint_books(incident) != fingerprint_books(swapped)).all()
    whole = Books(*(np.round(part) for part in (incident.bid_price, incident.bid_size, incident.ask_price, incident.ask_size)))
    more = Books(whole.bid_price, whole.bid_size + np.eye(200, 3), whole.ask_price, whole.ask_size)
    assert ((fingerprint_books(whole) != fingerprint_books(more)) == (np.arange(200) < 3)).all()
    assert (
        fingerprint_books(Books(*(part * np.nan for part in (incident.bid_price, incident.bid_size, incident.ask_price, incident.ask_size)))) == 0
    ).all()


def test_a_halt_after_which_only_a_quarter_of_the_market_trades_ends_for_those_that_do() -> None:
    market = after(symbols=4)
    assert named(market.empty(6)) == [("halt", "*", True)]
    observed = market.empty(incidents.MAX_PARTIAL_BARS, slice(1, None))
    assert ("halt", "*", False) in named(observed)
    market.empty(5, slice(1, None))
    assert faults(market) == ["", "flat-filled", "flat-filled", "flat-filled"]


def test_a_change_of_volume_that_can_no_longer_be_measured_ends() -> None:
    market = after()
    assert named(market.run(3, volume=20.0)) == [("volume-feed change", "*", True)]
    assert faults(market) == ["volume-feed change"] * 5
    for _ in range(incidents.MAX_LEARNING_BARS):
        bar = market.bar()
        bar[4] = np.nan
        market.step(bar, np.ones(5, dtype=bool))
    assert market.watch.open == ()
    assert faults(market) == [""] * 5


def test_a_bar_off_the_clock_is_a_fault_of_that_bar_alone() -> None:
    market = after(1)
    market.at += 7 * 10**9
    market.run(1)
    assert faults(market) == ["clock skew"] * 5
    market.run(1)
    assert faults(market) == [""] * 5
