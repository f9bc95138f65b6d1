"""Takes bars from a feed: what fails there is told as the feed's own fault, and is opened anew after the last bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from engine.domain.market import MarketSnapshot
from engine.domain.optimization import MemoryBlock
from engine.domain.ports import Feed
from engine.resilience.circuit_breaker import PLUGIN_ERRORS


class FeedFailed(ValueError):
    """The feed did not give its next bar, in one line; nothing was taken."""


@runtime_checkable
class ReleasesBars(Protocol):
    """A feed that holds what it has handed over, and can let go of it."""

    def played(self, at: int) -> MemoryBlock: ...

    def forget(self, at: int) -> None: ...


def take_bar(feed: Feed, slices: Iterator[MarketSnapshot] | None, after: int | None) -> tuple[MarketSnapshot | None, Iterator[MarketSnapshot]]:
    """The next bar, None at the feed's end, and where the one after it comes from. Raises FeedFailed: then `slices` is of no more use."""
    try:
        slices = slices or feed.slices(after)
        return next(slices, None), slices
    except PLUGIN_ERRORS as error:
        raise FeedFailed(str(error) or type(error).__name__) from error


def prepare_reopened_feed(feed: Feed, before: Feed, switches: Sequence[tuple[float, int]]) -> Feed:
    """Another opening of the same market, switched as the one before; raises ValueError where it is another market."""
    if feed.info != before.info:
        raise ValueError(f"{feed.info.label} is not the market that is decided on: {before.info.label}")
    for signal, at in switches:
        feed.switch_signal(signal, at)
    return feed
