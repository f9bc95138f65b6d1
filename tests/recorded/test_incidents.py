"""Faults of the data on recorded markets: each that is known is told within three bars, and next to nothing else is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from engine.domain.incidents import Incident, IncidentState
from engine.domain.trading_config import Event
from engine.evidence import incidents
from engine.feeds.recorded import RecordedFeed
from tests.makers import MINUTE, engine, play

pytestmark = pytest.mark.recordings


@dataclass(frozen=True)
class Told:
    """An incident and the close of the bar it was told at."""

    at: int
    what: Incident


def moment(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


@cache
def watched(folder: Path, since: str | None = None, until: str | None = None) -> tuple[tuple[Told, ...], IncidentState]:
    """All that begins or ends in a recording, bar by bar, and what is known at its end."""
    feed = RecordedFeed(folder, since=moment(since) if since else None, until=moment(until) if until else None)
    watch, told = incidents.initial_incident_state(len(feed.info.symbols)), list[Told]()
    for one in feed.slices(None):
        bar = np.stack((one.open, one.high, one.low, one.close, one.volume))
        watch = incidents.update_incidents(watch, one.at, feed.info.interval, feed.info.symbols, one.fresh, bar)
        told += [Told(one.at, what) for what in watch.changes]
    return tuple(told), watch


def begun(told: tuple[Told, ...]) -> list[tuple[str, str]]:
    """Kind and symbol of each incident, in order of being told."""
    return [(one.what.kind, one.what.symbol) for one in told if one.what.until is None or one.what.until == one.what.since]


def first(told: tuple[Told, ...], kind: str, after: str) -> Told:
    return next(one for one in told if one.what.kind == kind and one.what.symbol == "*" and one.at > moment(after))


def last(told: tuple[Told, ...], kind: str) -> Incident:
    return next(one.what for one in reversed(told) if one.what.kind == kind and one.what.symbol == "*")


def test_the_binance_halt_and_its_gap_are_told_within_three_bars_and_eleven_months_have_nothing_else(recordings: Path) -> None:
    told, watch = watched(recordings / "binance_spot_5m_2022_2023")
    halt, gap = first(told, "halt", "2023-03-24T00:00"), first(told, "gap", "2023-03-24T00:00")
    assert halt.what.since == moment("2023-03-24T11:30")
    assert halt.at <= halt.what.since + 3 * 5 * MINUTE
    assert gap.what.since == moment("2023-03-24T12:40")
    assert gap.at <= gap.what.since + 3 * 5 * MINUTE
    assert last(told, "halt").until == last(told, "gap").until == moment("2023-03-24T14:00")
    assert "all 20 symbols" in halt.what.detail
    assert begun(told) == [("halt", "*"), ("gap", "*")]
    assert watch.open == ()


def test_the_bitfinex_outage_is_told_within_three_bars_and_absent_minutes_are_no_fault(recordings: Path) -> None:
    told, watch = watched(recordings / "bitfinex_1m_2018q4", None, "2018-11-01T00:00")
    outage = first(told, "gap", "2018-10-01T00:00")
    assert outage.what.since == moment("2018-10-04T08:32")
    assert outage.at <= outage.what.since + 3 * MINUTE
    ended = last(told, "gap").until
    assert ended is not None
    assert moment("2018-10-04T09:37") <= ended <= moment("2018-10-04T10:46")
    # IOTUSD came back last, at 10:46, when most others had traded for a while
    assert begun(told) == [("gap", "*"), ("gap", "IOTUSD")]
    assert watch.open == ()


def test_another_outage_in_which_no_symbol_traded_is_told_too(recordings: Path) -> None:
    told, _ = watched(recordings / "bitfinex_1m_2018q4", "2018-12-20T00:00", "2018-12-24T00:00")
    assert begun(told) == [("gap", "*")]
    assert (last(told, "gap").since, last(told, "gap").until) == (moment("2018-12-23T11:37"), moment("2018-12-23T11:48"))


def test_the_three_changes_of_the_volume_feed_are_told_within_three_bars_and_nights_holidays_and_half_days_are_no_gaps(recordings: Path) -> None:
    told, watch = watched(recordings / "us_equity_1m_2025_2026")
    changes = [one for one in told if one.what.kind == "volume-feed change" and one.what.until is None]
    # the open, the open, and 62 minutes after it, when the first three symbols change; most do a minute later
    starts = [moment(start) for start in ("2026-01-22T14:30", "2026-03-09T13:30", "2026-03-12T14:32")]
    assert len(changes) == 3
    assert all(start <= one.what.since and one.at <= start + 3 * MINUTE for one, start in zip(changes, starts, strict=True))
    assert [one.what.detail.split()[2] for one in changes] == ["up", "down", "up"]
    before = [one for one in told if one.at < moment("2026-01-22T00:00")]
    assert before == []
    # XLF ends in the middle of a session and does not come back
    assert begun(told)[-1] == ("gap", "XLF")
    assert [(one.kind, one.symbol, one.since) for one in watch.open] == [("gap", "XLF", moment("2026-03-12T14:32"))]


def test_a_clean_recording_has_no_fault(recordings: Path) -> None:
    told, watch = watched(recordings / "btc_perp_1m_202201")
    assert told == ()
    assert watch.staleness.bars > 45_000


@pytest.mark.parametrize("folder", ["nasdaq_20120621", "bitstamp_20150501"])
def test_bars_made_of_books_and_trades_have_no_fault(recordings: Path, folder: str) -> None:
    assert watched(recordings / folder)[0] == ()


def test_a_stop_without_empty_bars_is_the_same_gap(recordings: Path) -> None:
    feed = RecordedFeed(recordings / "binance_spot_5m_2022_2023", since=moment("2023-03-17T00:00"), until=moment("2023-03-25T00:00"))
    watch, told = incidents.initial_incident_state(20), list[Incident]()
    for one in feed.slices(None):
        if np.isfinite(one.close).any():  # as of a feed that says nothing while nothing comes
            bar = np.stack((one.open, one.high, one.low, one.close, one.volume))
            watch = incidents.update_incidents(watch, one.at, feed.info.interval, feed.info.symbols, one.fresh, bar)
            told += [what for what in watch.changes if what.until is None or what.kind == "gap"]
    assert [one.kind for one in told] == ["halt"]  # the market does not trade since 11:30 already
    assert watch.open == ()


def test_a_recorder_whose_clock_is_behind_the_venue_is_told_at_the_first_bar_and_replays_as_an_event(recordings: Path) -> None:
    feed = RecordedFeed(recordings / "binance_l2_20240808")
    ticks = play(engine(feed, trains=False), 5)
    told = [one for tick in ticks for one in tick.outcome.market_state.incident_state.changes]
    assert [(one.kind, one.symbol, one.since, one.until) for one in told] == [("clock skew", "*", ticks[0].inputs.at - MINUTE, None)]
    assert "-1.27 s" in told[0].detail
    assert ticks[0].inputs.events == (Event("clock_skew", "*", "-1.27"),)
    assert [tick.inputs.events for tick in ticks[1:]] == [()] * 4
    assert ticks[-1].outcome.state.incident_state.open == tuple(told)


def test_recordings_that_do_not_say_when_they_were_received_tell_no_clock(recordings: Path) -> None:
    for folder in ("nasdaq_20120621", "bitstamp_20150501", "btc_perp_1m_202201"):
        feed = RecordedFeed(recordings / folder)
        assert feed.clock_lags(next(feed.slices(None)).at) is None
