"""A feed window gives the requested bars and no others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from engine.domain.market import Books, MarketSnapshot
from engine.domain.ports import FeedInfo
from engine.service.feed_window import FeedWindow


class Ten:
    """Ten bars that close at 1 to 10."""

    info = FeedInfo("made", "made up", ("A",), 1, 0, False, False, 0.0, 0.0, (0.0,))

    def __len__(self) -> int:
        return 10

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        ones_array = np.ones(1)
        none = Books(*(np.empty((1, 0)) for _ in range(4)))
        for at in range(1, 11):
            if after is None or at > after:
                yield MarketSnapshot(
                    at,
                    ones_array,
                    ones_array,
                    ones_array,
                    ones_array,
                    ones_array,
                    np.ones(1, dtype=bool),
                    none,
                    none,
                    np.empty((1, 0)),
                    np.empty((1, 5)),
                )

    def switch_signal(self, signal: float, at: int) -> None:
        raise ValueError("no signal here")


def ats(feed: FeedWindow, after: int | None = None) -> list[int]:
    return [bar.at for bar in feed.slices(after)]


def test_from_to_and_so_many_bars() -> None:
    assert ats(FeedWindow(Ten())) == list(range(1, 11))
    assert ats(FeedWindow(Ten(), since=3, until=6)) == [4, 5, 6]
    assert ats(FeedWindow(Ten(), bars=2)) == [1, 2]
    assert ats(FeedWindow(Ten(), since=3), after=5) == [6, 7, 8, 9, 10]
    assert ats(FeedWindow(Ten(), since=8), after=5) == [9, 10]


def test_its_length_is_the_most_there_can_be() -> None:
    assert len(FeedWindow(Ten())) == 10
    assert len(FeedWindow(Ten(), bars=4)) == 4


def test_an_end_before_the_beginning_is_refused() -> None:
    with pytest.raises(ValueError, match="not later"):
        FeedWindow(Ten(), since=5, until=5)
