"""The checker of candles asks for every bar that is missing, however late it was doubted, and gives up on what the exchange lacks."""

from __future__ import annotations

import threading
from typing import Any, cast

from engine.domain.live import Candle
from engine.live.bar_builder import LiveBarBuilder
from engine.live.candle_checker import CHECKED_AGAIN, CHECKED_BARS, PATIENCE_BARS, CandleChecker
from engine.live.streams import LiveStreams
from engine.settings import Settings
from tests.coroutines import run_coroutine

SECOND = 10**9


class _Missing:
    """A builder with bars that are missing."""

    def __init__(self) -> None:
        self.missing: dict[int, tuple[int, ...]] = {}


class _Checker(CandleChecker):
    """A checker whose exchange has the candles from 100 s on."""

    def __init__(self, builder: _Missing) -> None:
        self.requests: list[tuple[int, int]] = []
        self.taken: list[Candle] = []
        bars, streams = cast("LiveBarBuilder", builder), cast("LiveStreams", None)
        super().__init__(streams, bars, ("A",), Settings("", ""), SECOND, self.taken.append, threading.Lock())

    async def _fetch(self, column: int, since: int, until: int) -> tuple[Candle, ...] | None:
        self.requests.append((since // SECOND, until // SECOND))
        opened = range(max(100 * SECOND, since), until, SECOND)
        return tuple(Candle(column, at, 0, (1.0, 1.0, 1.0, 1.0, 1.0)) for at in opened)


def fill(checker: Any, at: int) -> None:
    run_coroutine(checker._fill_missing(at * SECOND))


def test_bars_that_are_doubted_late_are_fetched_though_later_bars_were_filled_before() -> None:
    builder = _Missing()
    checker = _Checker(builder)
    builder.missing = {130 * SECOND: (0,)}
    fill(checker, 131)
    builder.missing = {close * SECOND: (0,) for close in range(110, 120)}
    fill(checker, 132)
    assert checker.requests == [(129, 130), (109, 119)]


def test_what_several_answers_lack_is_given_up_and_the_rest_is_not() -> None:
    builder = _Missing()
    checker = _Checker(builder)
    for place in range(PATIENCE_BARS + 3):
        builder.missing = {close * SECOND: (0,) for close in ((50, 51) if place > 4 else (50,))}
        fill(checker, 200 + place)
    assert checker.requests[:PATIENCE_BARS] == [(49, 50)] * PATIENCE_BARS
    assert checker.requests[PATIENCE_BARS:] == [(50, 51)] * 3


def test_a_check_includes_bars_that_were_checked_before_and_those_that_were_left_out() -> None:
    checker = _Checker(_Missing())
    at, first = 1_000 * SECOND, {}
    for checked in (0, 999, 990, 500):
        checker._checked = checked * SECOND
        first[checked] = checker._find_first_to_check(at) // SECOND
    assert first == {0: 999, 999: 1_000 - CHECKED_AGAIN, 990: 990, 500: 1_000 - CHECKED_BARS}
