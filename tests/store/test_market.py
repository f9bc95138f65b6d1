"""What Market reads: the last ticks of one symbol, each part in its place, and no more than that."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from engine.store.read import market, timeline
from engine.store.read.market import MarketHistory
from engine.store.read.reader import Reader, StoreUnreadable
from tests.store.made import MINUTE, SYMBOLS, filled

TICKS = 160


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> str:
    return filled(tmp_path_factory.mktemp("market"), ticks=TICKS)


@pytest.fixture(scope="module")
def history(full: str) -> MarketHistory:
    history = market.read_market(Reader(full), "ETH")
    assert history is not None
    return history


def copied(full: str, folder: Path) -> tuple[Reader, Path]:
    path = folder / "podium.db"
    shutil.copy(full.removeprefix("sqlite:///"), path)
    return Reader(f"sqlite:///{path}"), path


def change(path: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as store, store:
        store.execute(sql, values)


def test_bars_are_those_of_the_symbol_and_stand_beside_its_decisions(full: str, history: MarketHistory) -> None:
    rows = Reader(full).frame("SELECT tick, price, action, fresh FROM decisions WHERE symbol = 'ETH' ORDER BY tick")
    assert history.bars["tick"].tolist() == rows["tick"].tolist() == list(range(TICKS))
    assert history.bars["action"].tolist() == rows["action"].tolist()
    fresh = rows["fresh"] == 1
    assert history.bars["fresh"].tolist() == fresh.tolist()
    np.testing.assert_allclose(history.bars["close"][fresh], rows["price"][fresh])
    assert history.bars["close"][~fresh].isna().all()


def test_regimes_add_up_at_every_tick(history: MarketHistory) -> None:
    shares = history.bars[[f"regime {name}" for name in history.session.regimes]]
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-6)


def test_the_book_is_the_newest_and_its_depth_is_money(history: MarketHistory) -> None:
    book = history.book
    assert book is not None
    assert book.bid_price[0] < book.ask_price[0]
    assert list(book.bid_price) == sorted(book.bid_price, reverse=True)
    money = sum(price * size for price, size in zip(book.ask_price, book.ask_size, strict=True))
    assert history.bars["ask_depth"].iloc[-1] == pytest.approx(money)


def test_a_forecast_stands_beside_what_the_price_did_over_its_horizon(full: str, history: MarketHistory) -> None:
    price = Reader(full).frame("SELECT tick, log_price, fresh FROM decisions WHERE symbol = 'ETH' ORDER BY tick")
    forecast = history.forecasts[(history.forecasts["horizon"] == 12) & history.forecasts["realised_bps"].notna()].iloc[7]
    tick = int(forecast["tick"])
    assert forecast["realised_bps"] == pytest.approx((price["log_price"][tick + 12] - price["log_price"][tick]) * 1e4)
    assert forecast["due"] == history.bars["at"][tick] + 12 * MINUTE
    due = history.forecasts[history.forecasts["horizon"] == 12].tail(12)
    assert due["realised_bps"].isna().all()


def test_a_bar_that_was_missing_is_no_price_to_judge_by(full: str) -> None:
    missing_symbol = Reader(full).frame("SELECT symbol FROM decisions WHERE fresh = 0 AND tick < 150 ORDER BY tick LIMIT 1")["symbol"].iloc[0]
    history = market.read_market(Reader(full), str(missing_symbol))
    assert history is not None
    missing = history.bars[~history.bars["fresh"].astype(bool)]["tick"].tolist()
    assert missing
    one_bar = history.forecasts[history.forecasts["horizon"] == 1].set_index("tick")
    assert one_bar.loc[[tick for tick in missing if tick in one_bar.index], "realised_bps"].isna().all()


def test_coverage_counts_only_forecasts_that_do_not_overlap(history: MarketHistory) -> None:
    first, three, twelve = history.coverage
    assert first.low is not None
    assert first.high is not None
    assert first.low < first.covered / first.n < first.high
    assert three.n_effective == pytest.approx(three.n / 3)
    assert twelve.low is None  # 12 apart are too few


def test_no_more_than_the_last_ticks_are_read(full: str) -> None:
    few = market.read_market(Reader(full), "ETH", 20)
    assert few is not None
    assert few.bars["tick"].tolist() == list(range(TICKS - 20, TICKS))
    many = market.read_market(Reader(full), "ETH", 10**9)
    assert many is not None
    assert len(many.bars) <= market.MAX_TICKS


def test_a_symbol_that_is_not_followed_is_none_and_no_error(full: str) -> None:
    assert market.read_market(Reader(full), "NOBODY") is None


def test_a_damaged_bar_is_told_in_a_line(full: str, tmp_path: Path) -> None:
    reader, path = copied(full, tmp_path)
    change(path, "UPDATE market_snapshots SET data = x'00112233' WHERE tick = 150")
    with pytest.raises(StoreUnreadable, match="the bar of tick 150 cannot be read"):
        market.read_market(reader, "ETH")


def test_incidents_are_those_of_the_symbol_and_of_all(full: str, tmp_path: Path) -> None:
    reader, path = copied(full, tmp_path)
    at = [int(time) for time in reader.frame("SELECT at FROM ticks ORDER BY tick")["at"]]
    for kind, symbol, since, until in (
        ("halt", "ETH", at[100], at[110]), ("gap", "BTC", at[100], None), ("stale", "*", at[150], None), ("gap", "ETH", at[0] - 9, at[0] - 5),
    ):  # fmt: skip
        change(path, "INSERT INTO incidents (session, kind, symbol, since, until, detail) VALUES (1, ?, ?, ?, ?, 'made')", kind, symbol, since, until)
    history = market.read_market(reader, "ETH")
    assert history is not None
    assert history.incidents["kind"].tolist() == ["stale", "halt", "gap"]  # the last is the whole market's, of the store as made


def test_marks_lie_on_the_line_of_equity(full: str) -> None:
    reader = Reader(full)
    marks, times = timeline.read_timeline(reader), set(reader.frame("SELECT at FROM ticks")["at"].tolist())
    acted = reader.frame("SELECT DISTINCT at FROM decisions WHERE action <> 'hold' ORDER BY tick")["at"].tolist()
    assert marks[marks["kind"] == "acted"]["at"].tolist() == acted
    assert set(marks["kind"]) >= {"acted", "retrained"}
    assert set(marks["at"]) <= times


def test_reading_the_market_costs_the_same_however_long_the_history(full: str, tmp_path: Path) -> None:
    short = filled(tmp_path, ticks=60)

    def steps(url: str, ticks: int) -> int:
        counted = 0

        def count() -> None:
            nonlocal counted
            counted += 1

        picked = json.dumps(list(range(ticks - 40, ticks)))
        given = {"limit": 40, "session": 1, "picked": picked, "symbol": "ETH", "first": ticks - 40, "last": ticks}
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as store:
            store.set_progress_handler(count, 1)
            for sql in (market._TICKS, market._SNAPSHOTS, market._DECISIONS):
                store.execute(sql, given).fetchall()
        return counted

    assert steps(full, TICKS) == pytest.approx(steps(short, 60), rel=0.02)


def test_a_symbol_of_the_store_is_any_of_the_sessions(full: str) -> None:
    for symbol in SYMBOLS:
        history = market.read_market(Reader(full), symbol)
        assert history is not None
        assert history.symbol == symbol
