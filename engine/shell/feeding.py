"""Takes bars from a feed; a failure there is reported as the feed's own, and the feed is reopened after the last bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from engine.domain.market import Slice
from engine.domain.ports import Feed
from engine.domain.tuning import Block
from engine.shell.circuits import FAULTS


class FeedFailed(ValueError):
    """The feed did not give its next bar; one line. Nothing was taken."""


@runtime_checkable
class Forgetful(Protocol):
    """A feed that holds bars it has delivered, and can release them."""

    def played(self, at: int) -> Block: ...

    def forget(self, at: int) -> None: ...


def take(feed: Feed, slices: Iterator[Slice] | None, after: int | None) -> tuple[Slice | None, Iterator[Slice]]:
    """The next bar, None at the end of the feed, and the iterator for the bars after it. Raises FeedFailed, after which `slices` is spent."""
    try:
        slices = slices or feed.slices(after)
        return next(slices, None), slices
    except FAULTS as error:
        raise FeedFailed(str(error) or type(error).__name__) from error


def ready(feed: Feed, before: Feed, switches: Sequence[tuple[float, int]]) -> Feed:
    """A reopened feed of the same market, with the signal switches of `before`; raises ValueError where the market differs."""
    if feed.info != before.info:
        raise ValueError(f"{feed.info.label} is not the current market: {before.info.label}")
    for signal, at in switches:
        feed.switch_signal(signal, at)
    return feed
