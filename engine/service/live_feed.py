"""A live market as the service runs it: waiting for bars, the end of the history, and the state of the streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from engine.domain.live import StreamStatus
from engine.domain.ports import Clock, Feed, LiveSource, ReportsProblem
from engine.service.component_status import ComponentStatus
from engine.settings import Settings

SAME_OUTAGE_SECONDS = 60.0  # from the first stream that fails to the last: streams that are silent are noticed one after another
SLICE_SECONDS = 0.5  # of a wait for a bar, after which a stop takes effect at the latest


class StreamStore(Protocol):
    """The part of the store's writer that stores the state of streams."""

    def save_streams(self, status: Sequence[StreamStatus]) -> None: ...


class OutageLog(Protocol):
    """The part of the log of failures that takes what is over."""

    def record_past_failure(self, component: str, part: str, seconds: float, fault: str, *, tries: int, how: str | None = None) -> None: ...


def find_live_source(feed: Feed) -> LiveSource | None:
    """The feed, where its bars come as time passes; else None."""
    return feed if isinstance(feed, LiveSource) else None


def choose_tick_interval(settings: Settings, feed: Feed) -> float:
    """Seconds between two ticks: those of the settings, 0 for as fast as possible; of a live market, those of its bars."""
    return feed.info.interval / 1e9 if isinstance(feed, LiveSource) else settings.tick_interval_seconds


def is_history(source: LiveSource, at: int) -> bool:
    """Whether the bar that closed at `at` ns is from before the connection: every bar, until the end of the history is known."""
    end = source.history_end
    return end is None or at <= end


def expects_history(source: LiveSource, last_bar_at: int | None) -> bool:
    """Whether the bar after the last one is from before the connection."""
    end = source.history_end
    return end is None or last_bar_at is None or last_bar_at < end


def wait_for_bar(read_source: Callable[[], LiveSource | None], after: int | None, *ends: Event) -> bool:
    """Wait until there is a bar later than `after` (ns UTC); False where one of the events is set first, or the feed is opened again meanwhile.

    Raises what the feed raises.
    """
    source = read_source()
    while source is not None and not any(end.is_set() for end in ends):
        is_there = source.wait(SLICE_SECONDS, after)
        if read_source() is not source:
            return False
        if is_there:
            return True
    return False


def describe_problems(streams: Sequence[StreamStatus]) -> str | None:
    """The oldest standing problem of the streams in one line, with the number of the others; None without any."""
    standing = sorted((stream for stream in streams if stream.problem is not None), key=lambda stream: stream.problem_since or 0)
    if not standing:
        return None
    oldest, more = standing[0], len(standing) - 1
    return f"{oldest.symbol} {oldest.stream}: {' '.join(str(oldest.problem).split())}{f'; and {more} more' if more else ''}"


@dataclass
class _Outage:
    noticed: float  # s of the monotonic clock
    begun: float  # the same
    line: str  # the first about it
    streams: set[tuple[str, str]]  # symbols and streams that are not well yet


class StreamReporter:
    """Reports the state of every stream; an outage that is over goes to the log of failures, with the seconds that it lasted.

    Streams that fail within a minute are one outage, which lasts until each of them is well. A later one is another, whatever still stands.
    """

    def __init__(self, components: ComponentStatus, store: StreamStore, failures: OutageLog, clock: Clock) -> None:
        self._components, self._store, self._failures, self._clock = components, store, failures, clock
        self._outages: list[_Outage] = []  # that stand, oldest first

    def report(self, source: LiveSource) -> None:
        """Store every stream; the component "feed" shows what its start waits for, then standing problems of the feed and its streams."""
        progress, streams = source.progress, source.read_streams()
        if progress is not None and self._components.state("feed") == "starting":
            self._components.set_state("feed", "starting", progress)
        if progress is None:
            self._components.mark_started("feed")
        self._components.report_part("feed", "streams", describe_problems(streams))
        self._components.report_part("feed", "market", source.problem if isinstance(source, ReportsProblem) else None)
        self._note_outages(streams)
        self._store.save_streams(streams)

    def _note_outages(self, streams: Sequence[StreamStatus]) -> None:
        failing, now = {(stream.symbol, stream.stream): stream for stream in streams if stream.problem is not None}, self._clock.tick()
        for outage in self._outages:
            outage.streams &= failing.keys()
            if not outage.streams:
                self._failures.record_past_failure("feed", "streams", now - outage.begun, outage.line, tries=1, how="the streams are well again")
        self._outages = [outage for outage in self._outages if outage.streams]
        fresh = failing.keys() - {key for outage in self._outages for key in outage.streams}
        if not fresh:
            return
        if self._outages and now - self._outages[-1].noticed <= SAME_OUTAGE_SECONDS:
            self._outages[-1].streams |= fresh
            return
        wall, statuses = self._clock.now(), [status for key, status in failing.items() if key in fresh]
        since = min(status.problem_since or wall for status in statuses)
        self._outages.append(_Outage(now, now - max(0, wall - since) / 1e9, describe_problems(statuses) or "", fresh))
