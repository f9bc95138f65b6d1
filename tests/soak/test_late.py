"""Which differences of bars pass: those that Podium reported and the ledger explains, and no other."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.live import BookUpdate, StreamEvent, StreamFault, Trade
from engine.domain.ports import FeedInfo
from engine.live.bar_builder import LiveBarBuilder
from engine.live.recorder import ParquetRecorder
from engine.live.session_recording import SessionRecording
from tests.exchanges.market import TradeTruth
from tests.soak.bars import Bar, JudgedBar
from tests.soak.late import build_bar, count_late, explain_bars, read_arrivals

SECOND = 10**9
LEDGER = [TradeTruth(str(10 * second + place), second * SECOND + place, 100.0 + place, 1.0, 1.0) for second in range(1, 6) for place in range(3)]
LATE = "42"  # the last trade of the bar that closes at 5 s


def bar_of(close: int, *without: str) -> Bar:
    made = build_bar([trade for trade in LEDGER if trade.at // SECOND + 1 == close and trade.id not in without])
    assert made is not None
    return made


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> SessionRecording:
    """Bars of 1 s; a trade of the bar that closes at 5 s comes after it, and one of the bar before never does."""
    folder = tmp_path_factory.mktemp("late") / "recording"
    recorder = ParquetRecorder(
        folder, FeedInfo("live", "test", ("A",), SECOND, 1, True, False, 10.0, 2.0, (0.01,)), has_messages=True, flush_seconds=None
    )
    builder = LiveBarBuilder(1, SECOND, 1, 0)

    def take(event: StreamEvent) -> None:
        recorder.add_event(event)
        builder.add(event)

    def send(trade: TradeTruth, at: int) -> None:
        take(Trade(0, trade.at, at, trade.price, trade.size, trade.sign, trade.id))

    for stream in ("trades", "book"):
        take(StreamFault(0, stream, "reconnected", 0, ""))
    for second in range(1, 6):
        take(BookUpdate(0, second * SECOND, second * SECOND, np.array([[99.0], [1.0], [101.0], [1.0]])))
        for trade in LEDGER:
            if trade.at // SECOND == second and trade.id not in {LATE, "32"}:
                send(trade, trade.at)
        at = (second + 1) * SECOND
        recorder.add_bar(builder.close_bar(at, at + 1, 0))
        if second == 4:
            send(next(trade for trade in LEDGER if trade.id == LATE), at + SECOND // 2)
    recorder.close()
    return SessionRecording(folder)


def judge(recording: SessionRecording, close: int, own: Bar) -> str:
    judged = [JudgedBar(close * SECOND, "A", "differing", own, bar_of(close))]
    return explain_bars(judged, read_arrivals(recording), {"A": LEDGER}, SECOND)[0].verdict


def test_a_bar_without_the_trade_that_was_late_is_reported(recording: SessionRecording) -> None:
    assert judge(recording, 5, bar_of(5, LATE)) == "reported"
    arrivals = read_arrivals(recording)
    assert arrivals.reported == {(5 * SECOND, 0)}
    assert count_late(arrivals, ("A",), {("A", LATE): 5 * SECOND + 7}, 6) == (1, 1)
    assert count_late(arrivals, ("A",), {("A", LATE): 5 * SECOND + 5}, 6) == (1, 0)


def test_a_bar_that_lacks_more_than_the_late_trade_fails(recording: SessionRecording) -> None:
    assert judge(recording, 5, bar_of(5, LATE, "41")) == "differing"


def test_a_bar_that_lacks_a_trade_which_never_came_fails(recording: SessionRecording) -> None:
    assert judge(recording, 4, bar_of(4, "32")) == "differing"


def test_a_bar_whose_values_the_ledger_does_not_give_fails(recording: SessionRecording) -> None:
    first, high, low, last, volume = bar_of(5, LATE)
    assert judge(recording, 5, (first, high + 1.0, low, last, volume)) == "differing"


def test_a_revised_candle_that_was_compared_is_reported(recording: SessionRecording) -> None:
    arrivals = read_arrivals(recording)
    judged = [JudgedBar(3 * SECOND, "A", "differing", bar_of(3), bar_of(4))]
    assert explain_bars(judged, arrivals, {"A": LEDGER}, SECOND)[0].verdict == "differing", "nothing was reported"
    arrivals.reported.add((3 * SECOND, 0))
    assert explain_bars(judged, arrivals, {"A": LEDGER}, SECOND)[0].verdict == "reported"
