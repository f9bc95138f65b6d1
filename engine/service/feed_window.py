"""A part of a feed: from a time, up to a time, or a number of bars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, takewhile

from engine.domain.market import MarketSnapshot
from engine.domain.ports import Clocked, CountsData, DataCounts, ExplainsMoves, Feed, FeedInfo
from engine.domain.record import Floats


class FeedWindow:
    """The slices of a feed that close later than `since` and not later than `until` (ns UTC), at most `bars` of them."""

    def __init__(self, feed: Feed, *, since: int | None = None, until: int | None = None, bars: int | None = None) -> None:
        if since is not None and until is not None and until <= since:
            raise ValueError("the time to end at is not later than the time to begin at")
        self._feed = feed
        self._since = since
        self._until = until
        self._bars = bars

    @property
    def info(self) -> FeedInfo:
        return self._feed.info

    def __len__(self) -> int:
        """The largest possible number of slices, 0 where it is unknown."""
        length = getattr(self._feed, "__len__", None)
        known = [count for count in (self._bars, length() if length else None) if count is not None]
        return min(known, default=0)

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        """The part's slices in order of time; see Feed."""
        begin = self._since if after is None else max(after, self._since or after)
        wanted = takewhile(lambda bar: self._until is None or bar.at <= self._until, self._feed.slices(begin))
        return islice(wanted, self._bars)

    def clock_lags(self, at: int) -> Floats | None:
        """See Clocked; None where the feed is not Clocked."""
        return self._feed.clock_lags(at) if isinstance(self._feed, Clocked) else None

    def flow_r2(self, since: int, until: int) -> tuple[float | None, ...]:
        """See ExplainsMoves; None for every symbol where the feed does not."""
        return self._feed.flow_r2(since, until) if isinstance(self._feed, ExplainsMoves) else (None,) * len(self.info.symbols)

    @property
    def counts(self) -> tuple[DataCounts, ...]:
        """See CountsData: for the whole files; empty where the feed has no files."""
        return self._feed.counts if isinstance(self._feed, CountsData) else ()

    @property
    def left_out(self) -> Mapping[str, str]:
        """See CountsData."""
        return self._feed.left_out if isinstance(self._feed, CountsData) else {}

    def switch_signal(self, signal: float, at: int) -> None:
        self._feed.switch_signal(signal, at)
