"""The clocks of a feed: an event when one goes wrong, one when it is right again, and none in between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from engine.domain.incidents import Incident
from engine.domain.trading_config import Event
from engine.feeds.recorded import RecordedFeed
from engine.service import clock_skew
from engine.service.feed_window import FeedWindow
from tests.feeds.recordings import SECOND, START, write
from tests.makers import simulated

NAMES = ("A", "B", "C")
BOOK = "ts,ts_recv,bid_px_0,bid_sz_0,ask_px_0,ask_sz_0"


def skewed(*symbols: str) -> tuple[Incident, ...]:
    return tuple(Incident("clock skew", symbol, 0, None, "") for symbol in symbols)


def skew_events(*lags: float, lasting: tuple[Incident, ...] = ()) -> list[tuple[str, str]]:
    events = clock_skew.detect_skew(np.array(lags), NAMES, lasting)
    assert {event.kind for event in events} <= {"clock_skew"}
    return [(event.subject, event.detail) for event in events]


def test_what_is_received_before_it_is_sent_is_a_clock_that_is_wrong() -> None:
    assert skew_events(0.02, -0.4, np.nan) == [("B", "-0.40")]
    assert skew_events(0.02, -0.4, 3.0, lasting=skewed("B")) == []


def test_a_late_but_possible_receipt_is_none() -> None:
    assert skew_events(0.3, 2.0, 4.9) == []
    assert skew_events(0.3, 2.0, 60.0) == [("C", "60.00")]


def test_all_clocks_together_are_one_fault() -> None:
    assert skew_events(-1.27, -1.25, np.nan) == [("*", "-1.26")]
    assert skew_events(-1.27, -1.25, -1.3, lasting=skewed("*")) == []


def test_a_clock_that_is_right_again_is_told_once_it_is_clearly_so() -> None:
    assert skew_events(0.01, -0.08, 0.0, lasting=skewed("B")) == []
    assert skew_events(0.01, -0.01, 0.0, lasting=skewed("B")) == [("B", "0")]
    assert skew_events(0.01, -1.2, 0.0, lasting=skewed("*")) == [("*", "0")]
    assert skew_events(np.nan, np.nan, np.nan, lasting=skewed("*")) == []


def test_a_feed_without_clocks_is_not_asked() -> None:
    assert clock_skew.find_clock_lags(simulated(5)) is None


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds of books a symbol: B's recorder is 0.5 s behind in the second one, C does not say."""
    for symbol, late in (("A", (0.01, 0.03)), ("B", (0.02, -0.5))):
        rows = [(START + int((second + part) * SECOND), START + int((second + part + late[second]) * SECOND), 99, 1, 101, 1)
                for second in (0, 1) for part in (0.1, 0.4, 0.8)]  # fmt: skip
        write(tmp_path, symbol, "books", BOOK, rows, ".parquet")
        stamp(tmp_path / symbol / "books.parquet")
    write(tmp_path, "C", "books", BOOK.replace("ts_recv,", ""), [(START + int(part * SECOND), 99, 1, 101, 1) for part in (0.5, 1.5)], ".parquet")
    return tmp_path


def stamp(file: Path) -> None:
    """Makes ts_recv a timestamp, as ts is."""
    table = pyarrow.parquet.read_table(file)
    received = table["ts_recv"].cast(pa.timestamp("ns", "UTC"))
    pyarrow.parquet.write_table(table.set_column(1, "ts_recv", received), file)


def test_a_recording_tells_its_lag_bar_by_bar_and_symbol_by_symbol(recording: Path) -> None:
    feed = RecordedFeed(recording, interval=SECOND)
    first, second = (feed.clock_lags(bar.at) for bar in feed.slices(None))
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(first, [0.01, 0.02, np.nan])
    np.testing.assert_allclose(second, [0.03, -0.5, np.nan])
    read_lags = clock_skew.find_clock_lags(feed)
    assert read_lags is not None
    assert clock_skew.detect_skew(second, feed.info.symbols, ()) == [Event("clock_skew", "B", "-0.50")]


def test_a_part_of_a_recording_has_its_clocks_too(recording: Path) -> None:
    whole = RecordedFeed(recording)
    lags, of_part = clock_skew.find_clock_lags(whole), clock_skew.find_clock_lags(FeedWindow(whole, since=START))
    assert lags is not None
    assert of_part is not None
    for at in (START + SECOND, START + 2 * SECOND):
        np.testing.assert_array_equal(of_part(at), lags(at))
