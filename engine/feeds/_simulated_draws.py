"""The simulated market's chance inside bars: drawn in small blocks, each by its own number, so that any stretch can be drawn again alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.domain.record import Record
from engine.feeds._simulated_prices import SECTORS

Singles = NDArray[np.float32]
STEPS = 12  # parts of a bar in which agents act
BLOCK = 8  # bars drawn from one stream; part of what a seed means
LOOK_BACK = 8  # bars before a stretch that its first bar may still depend on
GENERATIONS = 4  # of orders that call forth orders

_ORDERS = tuple(f"orders_{number}" for number in range(GENERATIONS))
_STEP_NAMES = ("own", "news", *_ORDERS, "plan", "whim", "size", "share", "bid", "ask", "flicker", "spread")
_STEP = {name: number for number, name in enumerate(_STEP_NAMES)}
_BAR_NAMES = ("mid", "bid", "ask", "spread")


@dataclass(frozen=True, slots=True)
class RandomDraws(Record):
    """Everything random in a stretch of n bars of 12 n steps: independent standard normals and exponentials, in single precision."""

    factors: Singles  # (3, 12 n) normal
    steps: Singles  # (14, 12 n, S) normal, one a name
    reach: Singles  # (2, 12 n, S) exponential
    bars: Singles  # (4, n, S) normal, at the moment of the fill
    sizes: Singles  # (2, 2, n, S, D) normal: at the close and at the fill, bid and ask
    gaps: Singles  # (3, 2, n, S, D) exponential: at the close, at the fill, and how long the old ones last
    deep: Singles  # (n, S, D) normal

    def step(self, name: str) -> Singles:
        """(12 n, S)."""
        return np.asarray(self.steps[_STEP[name]])

    def fill(self, name: str) -> Singles:
        """(n, S)."""
        return np.asarray(self.bars[_BAR_NAMES.index(name)])


_TIME_AXIS = {"factors": 1, "steps": 1, "reach": 1, "bars": 1, "sizes": 2, "gaps": 2, "deep": 0}


def draw_bars(seed: int, first: int, bars: int, count: int, levels: int) -> RandomDraws:
    """Of bars first .. first + bars, both multiples of a block; first may be as low as -8."""
    blocks = [_block(seed, number, count, levels) for number in range(first // BLOCK, (first + bars) // BLOCK)]
    return RandomDraws(**{name: np.concatenate([getattr(block, name) for block in blocks], axis=axis) for name, axis in _TIME_AXIS.items()})


def _block(seed: int, number: int, count: int, levels: int) -> RandomDraws:
    stream = np.random.default_rng([seed, 3, number + LOOK_BACK // BLOCK])
    steps = BLOCK * STEPS

    def normal(*shape: int) -> Singles:
        return stream.standard_normal(shape, dtype=np.float32)

    def exponential(*shape: int) -> Singles:
        return stream.standard_exponential(shape, dtype=np.float32)

    return RandomDraws(
        normal(1 + SECTORS, steps), normal(len(_STEP_NAMES), steps, count), exponential(2, steps, count), normal(len(_BAR_NAMES), BLOCK, count),
        normal(2, 2, BLOCK, count, levels), exponential(3, 2, BLOCK, count, levels), normal(BLOCK, count, levels),
    )  # fmt: skip
