"""recording.toml: the unit of size, the trading costs and the trading hours of each symbol."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.domain.trading_config import TradingRules
from engine.feeds._contracts import TradingSession
from engine.feeds._recording_files import BadRecording
from engine.feeds.recorded import RecordedFeed
from engine.settings import Settings, build_trading_config
from tests.feeds.recordings import BAR, BOOK, MINUTE, SECOND, START, TRADE, bar, minutes, write

HOUR = 60 * MINUTE


def written(folder: Path, symbol: str = "A") -> None:
    """A book and two trades at 200, in whole contracts."""
    write(folder, symbol, "books", BOOK, [(START + at * SECOND, 199, 6, 201, 4) for at in (1, 50, 70)])
    write(folder, symbol, "trades", TRADE, [(START + 5 * SECOND, 200, 10, "buy"), (START + 6 * SECOND, 200, 2, "sell")])


def write_settings(folder: Path, text: str) -> None:
    (folder / "recording.toml").write_text(text)


def test_inverse_contracts_are_worth_their_money_at_any_price(tmp_path: Path) -> None:
    written(tmp_path)
    write_settings(tmp_path, "[symbols.A]\nmultiplier = 100\ninverse = true\n")
    first = next(RecordedFeed(tmp_path).slices(None))
    np.testing.assert_allclose(first.books.bid_price * first.books.bid_size, 600.0)
    np.testing.assert_allclose(first.books.ask_price * first.books.ask_size, 400.0)
    np.testing.assert_allclose(first.volume * 200.0, 1_200.0)
    np.testing.assert_allclose(first.flow[0, 0] * 200.0, 800.0)  # bought less sold
    np.testing.assert_allclose(first.flow[0, 2], 200.0)  # the mean price is no matter of size
    np.testing.assert_allclose(first.ofi, 0.0)  # a book that stays is no event


def test_a_multiplier_turns_sizes_into_base_units(tmp_path: Path) -> None:
    written(tmp_path)
    write_settings(tmp_path, "multiplier = 0.01\n")
    first = next(RecordedFeed(tmp_path).slices(None))
    np.testing.assert_allclose(first.books.bid_size, 0.06)
    np.testing.assert_allclose(first.volume, 0.12)


def test_recorded_bars_in_contracts_are_valued_at_their_close(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(0, 50.0, 5.0), bar(1, 40.0, 8.0)])
    write_settings(tmp_path, "[symbols.A]\nmultiplier = 10.0\ninverse = true\n")
    np.testing.assert_allclose([snapshot.volume[0] for snapshot in RecordedFeed(tmp_path).slices(None)], [1.0, 2.0])


@pytest.mark.parametrize(("symbol", "worth"), [("BTCUSD_PERP", 600.0), ("ETHUSD_PERP", 60.0), ("ADAUSD_240927", 60.0), ("BTCUSDT", 6 * 199.0)])
def test_without_a_file_only_binances_coin_margined_names_are_taken_for_contracts(tmp_path: Path, symbol: str, worth: float) -> None:
    written(tmp_path, symbol)
    first = next(RecordedFeed(tmp_path).slices(None))
    np.testing.assert_allclose(first.books.bid_price * first.books.bid_size, worth)


def test_sizes_that_are_not_whole_are_no_contracts_and_a_file_has_the_last_word(tmp_path: Path) -> None:
    written(tmp_path / "whole", "BTCUSD_PERP")
    write_settings(tmp_path / "whole", "")
    np.testing.assert_array_equal(next(RecordedFeed(tmp_path / "whole").slices(None)).books.bid_size, [[6.0]])
    write(tmp_path / "coins", "BTCUSD_PERP", "books", BOOK, [(START, 199, 6.5, 201, 4)])
    np.testing.assert_array_equal(next(RecordedFeed(tmp_path / "coins").slices(None)).books.bid_size, [[6.5]])


def test_ticks_and_fees_are_each_symbols_own(tmp_path: Path) -> None:
    for symbol in ("A", "B", "C"):
        written(tmp_path, symbol)
    write_settings(tmp_path, "fee_bps = 4.0\ntick = 0.5\n[symbols.B]\nfee_bps = 0\n[symbols.C]\ntick = 0.1\n")
    info = RecordedFeed(tmp_path).info
    assert (info.tick_size, info.fees_bps) == ((0.5, 0.5, 0.1), (4.0, 0.0, 4.0))
    assert build_trading_config(Settings("", ""), info).fees_bps == (4.0, 0.0, 4.0)
    assert build_trading_config(replace(Settings("", ""), fee_bps=7.0), info).fees_bps == ()  # the person's own setting holds for all


def test_a_recording_that_tells_no_fee_leaves_it_to_the_settings(tmp_path: Path) -> None:
    written(tmp_path)
    write_settings(tmp_path, "tick = 0.5\n")
    assert RecordedFeed(tmp_path, fee_bps=3.0).info.fees_bps == ()


def test_trading_rules_are_each_symbols_own_and_sizes_are_in_base_units(tmp_path: Path) -> None:
    for symbol in ("A", "B", "C"):
        written(tmp_path, symbol)
    write_settings(
        tmp_path,
        "lot = 0.1\nmin_notional = 5\nfee_bps = 4\nmaker_fee_bps = -1\nspot = true\n"
        "[symbols.B]\nmultiplier = 0.01\nlot = 1\nborrow_rate = 0.08\nmaker_fee_bps = 2\n"
        "[symbols.C]\nmultiplier = 100\ninverse = true\nlot = 1\nspot = false\nfunding_rate = 0.0001\nmin_notional = 0\n",
    )
    info = RecordedFeed(tmp_path).info
    assert info.maker_fees_bps == (-1.0, 2.0, -1.0)
    assert info.rules == TradingRules(
        lots=(0.1, 0.01, 100.0), money_lots=(False, False, True), min_notionals=(5.0, 5.0, 0.0), shorts=(False, True, True),
        borrow_rates=(0.0, 0.08, 0.0), funding_rates=(0.0, 0.0, 0.0001),
    )  # fmt: skip
    knobs = build_trading_config(Settings("", ""), info)
    assert (knobs.rules, knobs.maker_fees_bps) == (info.rules, (-1.0, 2.0, -1.0))
    assert build_trading_config(replace(Settings("", ""), fee_bps=7.0), info).maker_fees_bps == ()  # what a person sets holds for all fills


def test_a_recording_without_rules_has_none(tmp_path: Path) -> None:
    written(tmp_path)
    assert RecordedFeed(tmp_path).info.rules == TradingRules()
    write_settings(tmp_path, "tick = 0.5\n")
    info = RecordedFeed(tmp_path).info
    assert info.rules == TradingRules()
    assert build_trading_config(Settings("", ""), info).rules == TradingRules(ticks=(0.5,))


def test_bars_outside_the_session_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(i) for i in range(0, 600, 30)])
    write_settings(tmp_path, 'session = "01:30-03:00"\n')
    feed = RecordedFeed(tmp_path)
    assert minutes(feed.slices(None)) == [120.0, 150.0, 180.0]
    assert feed.info.sessions == ("01:30-03:00",)
    assert feed.info.trading_hours == (252 * 1.5,)
    assert build_trading_config(Settings("", ""), feed.info).trading_hours == (252 * 1.5,)


def test_each_symbol_keeps_its_own_hours(tmp_path: Path) -> None:
    for symbol in ("A", "B"):
        write(tmp_path, symbol, "bars", BAR, [bar(i) for i in range(0, 300, 60)])
    write_settings(tmp_path, '[symbols.B]\nsession = "02:00-03:00"\n')
    fresh = [snapshot.fresh.tolist() for snapshot in RecordedFeed(tmp_path).slices(None)]
    assert fresh == [[True, False], [True, False], [True, True], [True, False], [True, False]]


def test_hours_a_year_are_those_of_252_days_and_left_open_where_a_venue_does_not_close() -> None:
    york = TradingSession("", 9 * HOUR + 30 * MINUTE, 16 * HOUR, "America/New_York")
    assert york.hours_per_year == 252 * 6.5
    assert TradingSession("", 18 * HOUR, 17 * HOUR, "America/Chicago").hours_per_year == 252 * 23.0
    assert TradingSession("", 0, 24 * HOUR, "UTC").hours_per_year == 0.0


def test_a_symbol_that_declares_no_hours_has_none_beside_one_that_does(tmp_path: Path) -> None:
    for symbol in ("A", "B"):
        write(tmp_path, symbol, "bars", BAR, [bar(i) for i in range(0, 300, 60)])
    write_settings(tmp_path, '[symbols.B]\nsession = "02:00-03:00"\n')
    assert RecordedFeed(tmp_path).info.trading_hours == (0.0, 252.0)
    write_settings(tmp_path, "tick = 0.5\n")
    assert RecordedFeed(tmp_path).info.trading_hours == ()


def test_a_session_moves_with_the_clocks_of_its_zone_and_may_cross_midnight() -> None:
    york = TradingSession("", 9 * HOUR + 30 * MINUTE, 16 * HOUR, "America/New_York")
    days = [np.datetime64(day, "ns").astype(np.int64) for day in ("2025-11-28", "2026-06-15")]
    opens = np.array([days[0] + 14 * HOUR + 30 * MINUTE, days[1] + 13 * HOUR + 30 * MINUTE])
    np.testing.assert_array_equal(
        york.covers(np.concatenate((opens - 1, opens, opens + 6 * HOUR + 30 * MINUTE))), [False] * 2 + [True] * 2 + [False] * 2
    )
    night = TradingSession("", 22 * HOUR, 2 * HOUR, "UTC")
    np.testing.assert_array_equal(night.covers(days[0] + np.array([0, 1, 2, 12, 21, 22, 23]) * HOUR), [True, True, False, False, False, True, True])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("multiplyer = 10", "there is no 'multiplyer': it is multiplier"),
        ("colour = 10", "there is no 'colour': there are multiplier, inverse, tick, lot, min_notional, fee_bps, maker_fee_bps, spot, borrow_rate"),
        ("[symbols.A]\nfees = 10", "A: there is no 'fees'"),
        ("multiplier = 0", "multiplier is 0: make it a number above 0"),
        ("multiplier = -1", "multiplier is -1"),
        ("multiplier = nan", "multiplier is nan"),
        ('multiplier = "ten"', "multiplier is 'ten'"),
        ("multiplier = true", "multiplier is True"),
        ("[symbols.A]\ntick = -0.1", "A: tick is -0.1: make it a number of at least 0"),
        ("inverse = 1", "inverse is 1: make it true or false"),
        ("lot = -1", "lot is -1: make it a number of at least 0"),
        ("lot = inf", "lot is inf: make it a number of at least 0"),
        ('[symbols.A]\nmin_notional = "5"', "A: min_notional is '5': make it a number of at least 0"),
        ("maker_fee_bps = -2000", "maker_fee_bps is -2000: make it a number of at least -1000"),
        ("fee_bps = 4\n[symbols.A]\nmaker_fee_bps = 5", "A: maker_fee_bps is 5, above fee_bps of 4: swap them"),
        ('spot = "yes"', "spot is 'yes': make it true or false"),
        ("borrow_rate = 12", "borrow_rate is 12: make it a number from 0 to 10, a fraction per year: 0.05 is 5 %"),
        ("borrow_rate = -0.1", "borrow_rate is -0.1"),
        ("funding_rate = 1", "funding_rate is 1: make it a number from -0.1 to 0.1, a fraction per 8 h: 0.0001 is 1 bps"),
        ("funding_rate = [0.0001, 0.0002]", "a series over time is not supported"),
        ("spot = true\nfunding_rate = 0.0001", "funding_rate is 0.0001 and spot is true: only derivatives pay funding, so remove one of them"),
        ("lots = 1", "there is no 'lots': it is lot"),
        ("symbols = 3", "symbols must be one table per symbol"),
        ("multiplier = ", "recording.toml cannot be read"),
        ('session = "9 to 5"', "session is '9 to 5': write it as"),
        ('session = "25:00-26:00"', "session is '25:00-26:00'"),
        ('session = "09:30-16:00 Mars/Olympus"', "the zone 'Mars/Olympus'"),
        ('session = "05:00-06:00"', "A has no bar in its session of 05:00-06:00"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    written(tmp_path)
    write_settings(tmp_path, text)
    with pytest.raises(BadRecording, match=message) as refused:
        RecordedFeed(tmp_path)
    assert "\n" not in str(refused.value)
