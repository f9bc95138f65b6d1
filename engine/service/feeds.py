"""Opens a feed and takes bars from it; a failure there is reported as the feed's own, and the feed is reopened after the last bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from engine.domain.market import MarketSnapshot
from engine.domain.model import PLUGIN_ERRORS
from engine.domain.optimization import MemoryBlock
from engine.domain.ports import Feed, FeedKind
from engine.plugins import discover_plugins
from engine.settings import Settings


def open_configured_feed(settings: Settings) -> Feed:
    """The feed that the settings name; raises ValueError in one line where it cannot be opened."""
    kinds: tuple[FeedKind, ...] = discover_plugins("engine.feeds", "FEED")
    for kind in kinds:
        if kind.name == settings.feed:
            return kind.open(settings)
    raise ValueError(f"there is no feed {settings.feed!r}: there are {', '.join(kind.name for kind in kinds)}")


class FeedFailed(ValueError):
    """The feed did not give its next bar; one line. Nothing was taken."""


@runtime_checkable
class ReleasesBars(Protocol):
    """A feed that holds bars it has delivered, and can release them."""

    def played(self, at: int) -> MemoryBlock: ...

    def forget(self, at: int) -> None: ...


def take_bar(
    read: Callable[[int | None], Iterator[MarketSnapshot]], slices: Iterator[MarketSnapshot] | None, after: int | None
) -> tuple[MarketSnapshot | None, Iterator[MarketSnapshot]]:
    """The next bar, None at the end of the feed, and the iterator for the bars after it; `read` opens the feed after a bar where there is none.

    Raises FeedFailed, after which `slices` is spent.
    """
    try:
        slices = slices or read(after)
        return next(slices, None), slices
    except PLUGIN_ERRORS as error:
        raise FeedFailed(str(error) or type(error).__name__) from error


def prepare_reopened_feed(feed: Feed, before: Feed, switches: Sequence[tuple[float, int]]) -> Feed:
    """A reopened feed of the same market, with the signal switches of `before`; raises ValueError where the market differs."""
    if feed.info != before.info:
        raise ValueError(f"{feed.info.label} is not the current market: {before.info.label}")
    for signal, at in switches:
        feed.switch_signal(signal, at)
    return feed
