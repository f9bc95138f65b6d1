"""Takes bars from a feed: what fails there is told as the feed's own fault, and is opened anew after the last bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from engine.domain.market import Slice
from engine.domain.ports import Feed
from engine.domain.tuning import Block
from engine.shell.circuits import FAULTS


class FeedFailed(ValueError):
    """The feed did not give its next bar, in one line; nothing was taken."""


@runtime_checkable
class Forgetful(Protocol):
    """A feed that holds what it has handed over, and can let go of it."""

    def played(self, at: int) -> Block: ...

    def forget(self, at: int) -> None: ...


def take(feed: Feed, slices: Iterator[Slice] | None, after: int | None) -> tuple[Slice | None, Iterator[Slice]]:
    """The next bar, None at the feed's end, and where the one after it comes from. Raises FeedFailed: then `slices` is of no more use."""
    try:
        slices = slices or feed.slices(after)
        return next(slices, None), slices
    except FAULTS as error:
        raise FeedFailed(str(error) or type(error).__name__) from error


def ready(feed: Feed, before: Feed, switches: Sequence[tuple[float, int]]) -> Feed:
    """Another opening of the same market, switched as the one before; raises ValueError where it is another market."""
    if feed.info != before.info:
        raise ValueError(f"{feed.info.label} is not the market that is decided on: {before.info.label}")
    for signal, at in switches:
        feed.switch_signal(signal, at)
    return feed
