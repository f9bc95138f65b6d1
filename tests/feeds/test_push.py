"""The push feed: what is posted is taken whole or refused whole, repeated without effect, and closed into the bars of recordings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from engine.domain.ports import LiveSource
from engine.feeds import push
from engine.feeds._bar_grid import LONGEST_SILENCE
from engine.feeds._push_posts import PostConflicts, PostRefused, PostTooEarly
from engine.feeds._push_terms import describe_push_market
from engine.feeds.push import PostReceipt
from engine.feeds.recorded import RecordedFeed
from engine.service.live_feed import describe_problems
from engine.service.settings_loader import load_settings
from engine.settings import Settings, SettingsError
from tests.feeds.posting import MINUTE, SECOND, START, SYMBOLS, Posts, Row, bar, book, digest_of, trade


def test_a_bar_closes_once_that_of_every_symbol_is_there() -> None:
    posts = Posts()
    posts.clock.at = START + SECOND
    posts.post(bars=[bar("B", START - MINUTE, 50.0)])
    assert posts.take() is None
    assert posts.post(bars=[bar("A", START - MINUTE)]) == PostReceipt(1, 0, START)
    closed = posts.take()
    assert closed is not None
    assert (closed.at, closed.fresh.tolist(), posts.take()) == (START, [True, True], None)
    values = np.stack([closed.open, closed.high, closed.low, closed.close, closed.volume])
    assert values.tolist() == [[100.0, 50.0], [102.0, 52.0], [99.0, 49.0], [101.0, 51.0], [5.0, 5.0]]
    assert (closed.books.bid_price.shape, closed.ofi.shape, closed.flow.shape, closed.trades_after_arrival) == ((2, 0), (2, 0), (2, 0), None)
    assert isinstance(posts.feed, LiveSource)
    timing = posts.feed.read_timing(START)
    assert timing is not None
    assert timing.read_at == posts.clock.at


def test_a_bar_without_that_of_a_symbol_closes_when_its_time_is_up() -> None:
    posts = Posts()
    posts.begin()
    posts.clock.at = START + MINUTE + 9 * SECOND
    posts.post(bars=[bar("A", START)])
    assert posts.take() is None
    posts.clock.at = START + MINUTE + 10 * SECOND
    closed = posts.take()
    assert closed is not None
    assert (closed.fresh.tolist(), bool(np.isnan(closed.close[1]))) == ([True, False], True)
    with pytest.raises(PostConflicts, match=r"bars of B: the bar of 2023-11-14T22:14:00.000Z is late, the bars up to the close at .* are taken"):
        posts.post(bars=[bar("B", START)])
    posts.clock.at = START + 2 * MINUTE + 10 * SECOND
    empty = posts.take()
    assert empty is not None
    assert not empty.fresh.any()


REFUSALS: list[tuple[dict[str, list[Row]], type[PostRefused], str]] = [
    ({"bars": [bar("A", START, high=None)]}, PostRefused, "bars of A has no valid row: 1 has a price that is missing or not finite"),
    ({"bars": [bar("A", START, open=-1.0)]}, PostRefused, "bars of A has negative prices"),
    ({"bars": [bar("A", START, close=0.0)]}, PostRefused, "a price of 0"),
    ({"bars": [bar("A", START, high=99.5)]}, PostRefused, "an open or close outside of low to high"),
    ({"bars": [bar("A", START, volume=-1.0)]}, PostRefused, "a volume that is missing, infinite or below 0"),
    ({"bars": [bar("A", START, close="much")]}, PostRefused, "row 1 has the close 'much': make it a number"),
    ({"bars": [bar("A", START, close=True)]}, PostRefused, "row 2 has the 'close' true: make it a number"),
    ({"bars": [bar("A", START, close="absent")]}, PostRefused, "a price that is missing or not finite"),
    ({"bars": [{"ts": START, "open": 1.0}]}, PostRefused, "a row has no symbol"),
    ({"bars": [bar("a", START)]}, PostRefused, "there is no symbol 'a': there are A, B"),
    ({"bars": [bar("A", START, ts=None)]}, PostRefused, "bars of A: row 1 has no ts"),
    ({"bars": [bar("A", START, ts="today")]}, PostRefused, "row 1 has the ts 'today'"),
    ({"bars": [bar("A", START + SECOND)]}, PostRefused, "row 1 opens at 2023-11-14T22:14:01.000Z, which is no multiple of 1m"),
    ({"bars": [bar("A", START + MINUTE)]}, PostRefused, "a close at 2023-11-14T22:16:00.000Z lies in the future, it is 2023-11-14T22:15:01"),
    ({"bars": [bar("A", START), bar("A", START, 7.0)]}, PostRefused, "row 2 is a second and different bar"),
    ({"bars": [bar("A", START - MINUTE, 7.0)]}, PostConflicts, "differs from the one that was accepted: what is decided on is not revised"),
    ({"bars": [bar("A", START - 9 * MINUTE)]}, PostConflicts, "the bar of 2023-11-14T22:05:00.000Z is late"),
    ({"trades": [trade("A", START)]}, PostRefused, 'trades are not expected: set push_data = "trades"'),
    ({"books": [book("A", START)]}, PostRefused, r'books are not expected: set push_data = "books\+bars"|"bars\+books"'),
    ({"candles": [bar("A", START)]}, PostRefused, "there is no 'candles'"),
]


@pytest.mark.parametrize(("rows", "kind", "message"), REFUSALS)
def test_what_cannot_be_a_bar_of_this_market_is_refused_whole(rows: dict[str, list[Row]], kind: type[PostRefused], message: str) -> None:
    posts, other = Posts(), Posts()
    posts.begin(), other.begin()
    posts.clock.at = other.clock.at = START + MINUTE + SECOND
    with pytest.raises(kind, match=message) as refusal:
        posts.post(**{name: [bar("B", START, 300.0), *part] if name == "bars" else part for name, part in rows.items()})
    assert "\n" not in str(refusal.value)
    assert digest_of(posts) == digest_of(other)  # B's good bar was not taken either


BOOKS_AND_TRADES: list[tuple[dict[str, list[Row]], type[PostRefused], str]] = [
    ({"books": [book("A", START, bid=101.5)]}, PostRefused, "best bid above its best ask|no valid best bid and ask"),
    ({"books": [book("A", START), book("A", START + 1, ask=99.0), book("A", START + 2)]}, PostRefused, "row 2 has no valid best bid and ask"),
    ({"books": [book("A", START, bid=-9.0)]}, PostRefused, "negative prices"),
    ({"books": [book("A", START, bid_sz_0=0.0)]}, PostRefused, "no valid best bid and ask"),
    ({"books": [book("A", START, bid_px_1=99.5, bid_sz_1=1.0, ask_px_1=102.0, ask_sz_1=1.0)]}, PostRefused, "bid levels that do not go away"),
    ({"books": [book("A", START, bid_px_1=98.0)]}, PostRefused, "level 1 is not whole"),
    ({"books": [book("A", START + MINUTE)]}, PostRefused, "lies in the future"),
    ({"trades": [trade("A", START + MINUTE)]}, PostRefused, "lies in the future, it is"),
    ({"trades": [trade("A", START, price=0.0)]}, PostRefused, "a price that is missing, not finite or 0"),
    ({"trades": [trade("A", START, size=-1.0)]}, PostRefused, "a size that is missing, not finite, 0 or below"),
    ({"trades": [trade("A", START, side="up")]}, PostRefused, "up"),
    ({"trades": [trade("A", START + 5), trade("A", START)]}, PostRefused, "row 2 goes back in time"),
    ({"trades": [trade("A", START - 2 * MINUTE)]}, PostConflicts, r"is late, after .* \(history is posted as bars\)"),
]


@pytest.mark.parametrize(("rows", "kind", "message"), BOOKS_AND_TRADES)
def test_what_can_be_no_book_or_trade_is_refused_whole(rows: dict[str, list[Row]], kind: type[PostRefused], message: str) -> None:
    posts = Posts("trades+books")
    posts.clock.at = START + SECOND
    with pytest.raises(kind, match=message):
        posts.post(**rows)
    assert posts.feed.progress == "waiting for the first post to /api/v1/market"


def test_one_faulty_row_among_many_refuses_them_all() -> None:
    posts = Posts()
    posts.clock.at = START + SECOND
    rows = [bar("A", START - number * MINUTE) for number in range(200, 0, -1)]
    rows[7]["close"] = None
    with pytest.raises(
        PostRefused, match="bars of A has 1 faulty row of 200, more than 0 %: 1 has a price that is missing or not finite, the first is row 8"
    ):
        posts.post(bars=rows)
    ticks = [trade("A", START + number) for number in range(200)]
    ticks[3]["size"] = 0.0
    with pytest.raises(PostRefused, match="1 faulty row of 200"):
        Posts("trades").post(trades=ticks)


def test_the_same_post_again_changes_nothing_and_is_answered_alike() -> None:
    posts, other = Posts(), Posts()
    posts.begin(), other.begin()
    again = posts.post(bars=[bar("A", START - MINUTE), bar("B", START - MINUTE)])
    assert again == PostReceipt(2, 2, START)
    assert posts.take() is None
    posts.clock.at = other.clock.at = START + MINUTE + SECOND
    assert posts.post(bars=[bar("A", START - MINUTE), bar("A", START, 200.0)]) == PostReceipt(2, 1, START + MINUTE)  # the last two bars each time
    assert posts.post(bars=[bar("B", START, 300.0)]).repeated == 0
    other.post(bars=[bar("A", START, 200.0), bar("B", START, 300.0)])
    assert [snapshot.digest() for snapshot in posts.take_all()] == [snapshot.digest() for snapshot in other.take_all()]


def test_a_repeat_of_trades_does_not_count_them_twice() -> None:
    posts = Posts("trades")
    posts.clock.at = START + 30 * SECOND
    rows = [trade("A", START + SECOND), trade("B", START + SECOND), trade("A", START + 2 * SECOND, 103.0)]
    assert posts.post(trades=rows) == PostReceipt(3, 0, START + MINUTE)
    assert posts.post(trades=rows) == PostReceipt(3, 3, START + MINUTE)
    with pytest.raises(PostConflicts, match=r"trades of A: .* is late"):
        posts.post(trades=rows[:1])
    posts.clock.at = START + 2 * MINUTE - SECOND
    posts.post(trades=[trade(symbol, START + MINUTE + SECOND, 105.0, 2.0) for symbol in SYMBOLS])
    posts.clock.at = START + 2 * MINUTE + 10 * SECOND
    first, second = posts.take_all()
    assert not first.fresh.any()  # what happened before the first trade is not known
    assert (second.volume.tolist(), second.fresh.tolist()) == ([2.0, 2.0], [True, True])


def test_after_a_restart_the_bars_that_were_decided_on_are_recognised() -> None:
    posts = Posts()
    decided = posts.begin()
    values = np.stack([decided.open, decided.high, decided.low, decided.close, decided.volume])[:, :, None]
    restarted = Posts(after=decided.at)
    restarted.clock.at = START + MINUTE + SECOND
    restarted.feed.restore_bars(np.array([decided.at]), values)
    assert restarted.post(bars=[bar("A", START - MINUTE)]).repeated == 1
    with pytest.raises(PostConflicts, match="differs"):
        restarted.post(bars=[bar("A", START - MINUTE, 7.0)])
    with pytest.raises(PostConflicts, match="late"):
        restarted.post(bars=[bar("A", START - 2 * MINUTE)])
    assert restarted.take() is None


def test_what_was_missed_by_a_restart_is_not_fresh_and_a_gap_stays_a_gap() -> None:
    restarted = Posts(after=START)
    restarted.clock.at = START + 30 * MINUTE + SECOND
    missed = [START + number * MINUTE for number in (0, 1, 28)]
    for symbol in SYMBOLS:
        restarted.post(bars=[bar(symbol, opened) for opened in missed])
    restarted.post(bars=[bar(symbol, START + 29 * MINUTE) for symbol in SYMBOLS])
    taken = restarted.take_all()
    assert [snapshot.at for snapshot in taken if np.isfinite(snapshot.close).all()] == [opened + MINUTE for opened in (*missed, START + 29 * MINUTE)]
    assert [bool(snapshot.fresh.any()) for snapshot in taken] == [False] * (len(taken) - 1) + [True]
    assert sum(not np.isfinite(snapshot.close).any() for snapshot in taken) == LONGEST_SILENCE
    assert restarted.feed.history_end == START + 29 * MINUTE


def test_history_is_given_as_far_as_every_symbol_has_it_and_ends_with_the_first_bar_of_the_moment() -> None:
    posts = Posts()
    posts.clock.at = START + SECOND
    opened = [START - number * MINUTE for number in range(50, 1, -1)]
    posts.post(bars=[bar("A", at, 100.0 + place) for place, at in enumerate(opened)])
    assert posts.take_all() == []  # B's may follow
    posts.post(bars=[bar("B", at) for at in opened[:20]])
    assert [snapshot.at for snapshot in posts.take_all()] == [at + MINUTE for at in opened[:20]]
    assert (posts.feed.history_end, posts.feed.progress) == (None, "taking history; a bar of this moment ends it")
    posts.post(bars=[bar("B", at) for at in opened[20:]])
    taken = posts.take_all()
    assert all(snapshot.fresh.all() for snapshot in taken)
    posts.begin()
    assert (posts.feed.history_end, posts.feed.progress) == (START - MINUTE, None)
    assert posts.feed.read_timing(taken[-1].at) is None


def test_silence_is_a_problem_of_its_stream_until_something_is_posted_again() -> None:
    posts = Posts()
    posts.begin()
    assert [(status.symbol, status.stream, status.state) for status in posts.feed.read_streams()] == [("A", "candles", "ok"), ("B", "candles", "ok")]
    posts.clock.at = START + 2 * MINUTE
    posts.post(bars=[bar("A", START)])
    statuses = posts.feed.read_streams()
    assert [status.state for status in statuses] == ["ok", "stale"]
    assert describe_problems(statuses) == "B candles: nothing posted for 1 min: see to the program that posts it"
    posts.take_all()
    posts.clock.at += SECOND
    posts.post(bars=[bar("B", START + MINUTE)])
    assert [status.state for status in posts.feed.read_streams()] == ["ok", "ok"]
    assert [status.reconnects for status in posts.feed.read_streams()] == [0, 1]


def test_a_program_that_never_posts_is_reported() -> None:
    posts = Posts()
    posts.clock.at = START + 3 * MINUTE
    assert {status.state for status in posts.feed.read_streams()} == {"stale"}
    assert posts.take() is None


def test_bars_of_trades_and_books_are_those_of_a_recording(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows, books = [], []
    for at in range(START, START + 5 * MINUTE, SECOND):
        price = float(100.0 + rng.normal())
        rows += [trade(symbol, at + 7, price, float(rng.integers(1, 5)), str(rng.choice(["buy", "sell"]))) for symbol in SYMBOLS]
        books += [book(symbol, at + 3, price - 1.0, price + 1.0) for symbol in SYMBOLS]
    for symbol in SYMBOLS:
        folder = tmp_path / symbol
        folder.mkdir()
        for kind, part in (("trades", rows), ("books", books)):
            own = [{name: value for name, value in row.items() if name != "symbol"} for row in part if row["symbol"] == symbol]
            pyarrow.parquet.write_table(pa.Table.from_pylist(own), folder / f"{kind}.parquet")
    posts = Posts("trades+books", settle_ms=500.0)
    given = []
    for second in range(5 * 60 + 1):
        posts.clock.at = START + second * SECOND + SECOND // 2 + SECOND // 10
        low, high = posts.clock.at - SECOND, posts.clock.at
        fresh = {"trades": [row for row in rows if low < row["ts"] <= high], "books": [row for row in books if low < row["ts"] <= high]}
        posts.post(**{kind: part for kind, part in fresh.items() if part})
        given += posts.take_all()
    recorded = {snapshot.at: snapshot for snapshot in RecordedFeed(tmp_path, latency_ms=750.0).slices(None)}
    assert len(given) == 5
    for snapshot in given[1:]:  # the first began before the first trade
        wanted = recorded[snapshot.at]
        for name in ("open", "high", "low", "close", "volume", "fresh", "trades_after_arrival"):
            np.testing.assert_array_equal(getattr(snapshot, name), getattr(wanted, name), err_msg=name)
        np.testing.assert_array_equal(snapshot.ofi[:, :1], wanted.ofi)
        np.testing.assert_array_equal(snapshot.books.bid_price[:, :1], wanted.books.bid_price)
        np.testing.assert_array_equal(snapshot.fill_books.ask_price[:, :1], wanted.fill_books.ask_price)


def test_trades_that_stop_within_a_bar_leave_no_bar_of_a_part_of_them() -> None:
    posts = Posts("trades")
    for at in range(START, START + 2 * MINUTE, 5 * SECOND):
        posts.clock.at = at
        posts.post(trades=[trade(symbol, at) for symbol in SYMBOLS if symbol == "A" or at <= START + 65 * SECOND])
    posts.clock.at = START + 2 * MINUTE + 10 * SECOND
    bars = {snapshot.at: snapshot for snapshot in posts.take_all()}
    assert np.isfinite(bars[START + 2 * MINUTE].close).tolist() == [True, False]
    assert [status.state for status in posts.feed.read_streams()] == ["ok", "stale"]


def test_what_waits_to_be_decided_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "HISTORY_ROWS", 10)
    posts = Posts()
    posts.clock.at = START + SECOND
    posts.post(bars=[bar("A", START - (40 - number) * MINUTE) for number in range(9)])
    with pytest.raises(PostTooEarly, match="9 bars wait to be decided"):
        posts.post(bars=[bar("B", START - (40 - number) * MINUTE) for number in range(9)])
    posts.post(bars=[bar("B", START - 40 * MINUTE)])
    assert len(posts.take_all()) == 1


def test_nothing_is_taken_before_the_engine_is_ready_or_after_it_has_closed() -> None:
    posts = Posts()
    posts.feed.close()
    with pytest.raises(PostTooEarly, match="the engine is starting and takes no bars yet"):
        posts.post(bars=[bar("A", START - MINUTE)])
    assert not posts.feed.wait(0.0)


def test_a_feed_that_is_opened_again_decides_on_what_was_accepted_by_the_one_before() -> None:
    posts, other = Posts(), Posts(after=START)
    posts.begin()
    posts.clock.at = other.clock.at = START + MINUTE + SECOND
    posts.post(bars=[bar("A", START)])
    other.feed.continue_from(posts.feed)
    assert other.post(bars=[bar("A", START)]).repeated == 1
    other.post(bars=[bar("B", START)])
    closed = other.take()
    assert closed is not None
    assert closed.fresh.all()


TERMS = {
    "fee_bps": 2.0,
    "symbols": {"A": {"tick": 0.5, "lot": 0.1, "multiplier": 10.0, "maker_fee_bps": 1.0}, "B": {"spot": True, "session": "09:30-16:00"}},
}


def test_the_terms_of_a_symbol_are_those_of_a_recording() -> None:
    posts = Posts(terms=TERMS)
    info = posts.feed.info
    assert (info.tick_size, info.fees_bps, info.maker_fees_bps, info.rules.lots) == ((0.5, 0.0), (2.0, 2.0), (1.0, 2.0), (1.0, 0.0))
    assert (info.rules.shorts, info.sessions) == ((True, False), ("", "09:30-16:00"))
    posts.clock.at = START + SECOND
    with pytest.raises(PostRefused, match="bars of B: row 1 opens outside of its session of 09:30-16:00"):
        posts.post(bars=[bar("B", START - MINUTE)])
    posts.post(bars=[bar("A", START - MINUTE)])
    posts.clock.at = START + 10 * SECOND
    closed = posts.take()
    assert closed is not None
    assert closed.volume[0] == 50.0


def read(folder: Path, text: str, **variables: str) -> Settings:
    (folder / "podium.toml").write_text(text)
    return load_settings({"HOME": str(folder), "PODIUM_FEED": "push", "PODIUM_SYMBOLS": "A,B"} | variables, folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("push = 5", "push in podium.toml must be a table"),
        ("[push.symbols.C]\ntick = 1", r"\[push.symbols.C\] in podium.toml is of no symbol of this feed: there are A, B"),
        ("[push]\ntik = 1", "there is no 'tik': it is tick"),
        ("[push.symbols.A]\nlot = -1", "A: lot is -1: make it a number"),
        ('push_data = "quotes"', "push_data in podium.toml"),
    ],
)
def test_terms_that_cannot_be_used_are_refused_at_the_start(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, text)


def test_a_bar_waits_ten_seconds_for_the_others_or_half_its_length(tmp_path: Path) -> None:
    assert [read(tmp_path, "", PODIUM_INTERVAL=text).settle_ms for text in ("1m", "5s")] == [10_000.0, 2_500.0]
    assert read(tmp_path, 'push_data = "trades"').settle_ms == 500.0
    assert read(tmp_path, "settle_ms = 100").settle_ms == 100.0
    assert json.loads(read(tmp_path, "[push]\ntick = 0.5").push_terms) == {"tick": 0.5}


def test_books_need_bars_that_are_longer_than_the_wait_for_their_orders() -> None:
    chosen = Settings(
        home="unused", database_url="sqlite:///unused", feed="push", symbols=SYMBOLS, interval=SECOND, settle_ms=800.0, push_data="bars+books"
    )
    with pytest.raises(ValueError, match="settle_ms and latency_ms together do not fit into bars of 1s"):
        describe_push_market(chosen)
