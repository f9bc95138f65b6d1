"""The judging of a live soak's bars, from bars whose faults are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.live import Candle
from engine.domain.market import BackfilledBars
from engine.feeds.live import build_history
from tests.exchanges.market import CandleTruth
from tests.soak.bars import PATIENCE, count_bars, judge_bars

SECOND = 10**9


def test_each_bar_has_its_verdict() -> None:
    (snapshot,) = build_history([(Candle(0, 0, 0, (1.0, 1.0, 1.0, 1.0, 2.0)),)], SECOND, 1, SECOND)
    values = {1: 2.0, 2: 0.0, 3: np.nan, 4: 2.0, 5: 2.0, 6: 0.0, 7: 0.0}  # volume by close; NaN for no bar
    prices = {at: np.array([np.nan if np.isnan(volume) else 1.0]) for at, volume in values.items()}
    bars = [
        replace(snapshot, at=at * SECOND, open=prices[at], high=prices[at], low=prices[at], close=prices[at], volume=np.array([volume]))
        for at, volume in values.items()
    ]
    bars += [replace(bars[0], at=at * SECOND) for at in range(8, 9 + PATIENCE)]
    filled = np.array([1.0, 1.0, 1.0, 1.0, 2.0]).reshape(5, 1, 1)
    bars[7] = replace(bars[7], backfilled=BackfilledBars(np.array([3 * SECOND]), filled))
    volumes = {1: 2.0, 2: 3.0, 3: 2.0, 4: 5.0, 6: 0.0, 8: 2.0}
    truth = [CandleTruth((at - 1) * SECOND, 1.0, 1.0, 1.0, 1.0, volume) for at, volume in volumes.items()]
    judged = judge_bars(bars, {"A": truth}, SECOND, 0)
    assert {bar.at // SECOND: bar.verdict for bar in judged} == {
        1: "at_once", 2: "lost", 3: "filled", 4: "differing", 5: "invented", 6: "at_once", 7: "quotes", 8: "at_once",
    }  # fmt: skip
    counts = count_bars(judged, SECOND, 5 * SECOND)
    assert (counts.exchange, counts.at_once, counts.lost, counts.filled, counts.differing, counts.invented) == (4, 1, 1, 1, 1, 0)
