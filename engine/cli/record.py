"""record: write the configured feed as a recording, without deciding anything."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from threading import Event
from types import FrameType

from engine import libraries
from engine.cli._arguments import Subcommand, add_feed_options, print_notice, require_server, resolve_feed_settings
from engine.domain.market import MarketSnapshot
from engine.domain.ports import Feed
from engine.feeds.live import LiveFeed
from engine.live.recorder import ParquetRecorder, open_recorder
from engine.service.clock import WallClock
from engine.settings import Settings

WAIT_SECONDS = 0.25  # between two looks for a signal
FLUSH_BARS = 1_000  # bars of a feed without a pace that are held at most


class RecordingStopped(KeyboardInterrupt):
    """The person or the system has ended the recording."""


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="a new folder, or one that the same market was recorded in before")
    add_feed_options(parser, ticks="stop after N bars")


def _run(options: argparse.Namespace) -> int:
    libraries.require_libraries(dashboard=False)
    from engine.service.feeds import open_configured_feed

    settings = resolve_feed_settings(options, record=options.folder)
    require_server(settings, "record")
    feed = open_configured_feed(settings)
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        bars, problem = record_feed(settings, feed, options.ticks)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    print(f"recorded {bars:,} bars of {len(feed.info.symbols)} symbols in {options.folder}" + (f"; {problem}" if problem else ""))
    return 1 if problem else 0


def _stop(number: int, frame: FrameType | None) -> None:
    raise RecordingStopped


def record_feed(settings: Settings, feed: Feed, ticks: int | None) -> tuple[int, str | None]:
    """Record bars until their number is reached, the feed ends or RecordingStopped is raised. Returns their number and what was not written."""
    recorder = open_recorder(settings, feed.info, print_notice)
    if recorder is None:
        raise ValueError("there is no folder to record in: give one")
    bars = 0
    try:
        for _ in _record_bars(settings, feed, recorder):
            bars += 1
            if bars == ticks:
                break
    except RecordingStopped:
        pass
    finally:
        if isinstance(feed, LiveFeed):
            feed.close()
        recorder.close()
    return bars, _explain_losses(recorder)


def _record_bars(settings: Settings, feed: Feed, recorder: ParquetRecorder) -> Iterator[MarketSnapshot]:
    """Record each bar and yield it; a live feed records its own messages and bars."""
    if isinstance(feed, LiveFeed):
        feed.set_recorder(recorder)
        yield from _follow(settings, feed, None)
        return
    clock = WallClock()
    for number, bar in enumerate(_follow(settings, feed, recorder.last_bar_at), 1):
        recorder.add_snapshot(bar, clock.now())
        if number % FLUSH_BARS == 0:
            recorder.flush()
        yield bar


def _follow(settings: Settings, feed: Feed, after: int | None) -> Iterator[MarketSnapshot]:
    """The feed's bars after a time at the pace of the settings, or as they come where the market is live."""
    slices, pause = feed.slices(after), Event()
    while (bar := next(slices, None)) is not None:
        yield bar
        if isinstance(feed, LiveFeed):
            while not feed.wait(WAIT_SECONDS):
                pass
        elif settings.tick_interval_seconds:
            pause.wait(settings.tick_interval_seconds)


def _explain_losses(recorder: ParquetRecorder) -> str | None:
    if recorder.problem is not None:
        return recorder.problem
    return f"{recorder.lost_rows:,} rows in {recorder.gaps:,} gaps were not written" if recorder.gaps else None


COMMAND = Subcommand("record", "write the configured feed as a recording, until Ctrl-C, --ticks or its end", _add, _run)
