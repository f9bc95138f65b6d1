"""Out-of-fold skill of recipes: sums over blocks, from which the paired gain over the champion's recipe and its error follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.domain.model import TrainingSet
from engine.domain.recipe import Recipe
from engine.domain.record import Floats
from engine.evidence import stacking
from engine.search import folds
from engine.search.folds import BlockShares, Fold

BLOCKS = 6  # of an inner fold, over which the error of its gain is measured
OUTER_BLOCKS = 12
PRIOR_ROWS = 400.0  # rows of "no forecast" behind each slope
RECENCY = 1.5  # folds after which a fold counts half: the recipe is to serve next, not on average
MAX_VALIDATION_ROWS = 20_000  # of a block, evenly thinned
ROW_BUDGET = 800_000  # training rows of all inner fits together
FEWEST_ROWS, MOST_ROWS = 4_000, 40_000  # of an inner fit
OUTER_ROWS = 60_000  # of an outer fit

Forecast = Callable[[Recipe, TrainingSet, NDArray[np.float32]], Floats | None]
"""Recipe with its window, rows that may be trained on, (N, F) features -> (H, N) forecasts, or None where the fit failed."""
Proposal = Callable[[TrainingSet], Recipe]
"""The recipe that a rule gives from training rows; most give the same from any rows."""


@dataclass(frozen=True, slots=True)
class BlockSums:
    """Sums over the rows of B blocks with a known target, by horizon."""

    squared: Floats  # (B, H) of squared forecasts
    product: Floats  # (B, H) of forecast times target
    power: Floats  # (B, H) of squared targets
    rows: Floats  # (B, H)
    horizons: tuple[int, ...]  # bars


@dataclass(frozen=True, slots=True)
class Gain:
    """What a recipe adds to the R2 of the champion's, with its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:+.5f} \N{PLUS-MINUS SIGN} {self.error:.5f}"


@dataclass(slots=True)
class Evaluator:
    """Fits and scores recipes on the folds of one training; the same fit is done once.

    `planned_fits` bounds the rows of each inner fit, so that all of them cost about the same however many there are.
    """

    training: TrainingSet
    forecast: Forecast
    window_bars: int  # of recipes that name no window
    planned_fits: int
    shares: BlockShares = folds.LONG_BLOCKS
    fits: int = 0
    inner: tuple[Fold, ...] = field(init=False)
    outer: Fold = field(init=False)
    _sums: dict[tuple[str, int], BlockSums | None] = field(init=False, default_factory=dict)
    _trainings: dict[int, TrainingSet] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.inner, self.outer = folds.split_walk_forward(self.training, self.shares)

    def training_of(self, fold: Fold) -> TrainingSet:
        """The purged rows before a fold, thinned by the same stride for every recipe, so that windows of any length are compared fairly."""
        known = self._trainings.get(fold.start)
        if known is not None:
            return known
        whole = folds.cut_training(self.training, fold.until)
        most = OUTER_ROWS if fold is self.outer else min(MOST_ROWS, max(FEWEST_ROWS, ROW_BUDGET // max(1, self.planned_fits)))
        thinned = folds.thin_rows(whole, folds.find_stride(len(whole.tick), most))
        self._trainings[fold.start] = thinned
        return thinned

    def sums(self, proposal: Proposal, fold: Fold) -> BlockSums | None:
        """The sums of what the proposal gives before a fold; None where its fit failed."""
        rows = self.training_of(fold)
        recipe = proposal(rows)
        key = (recipe.id, fold.start)
        if key not in self._sums:
            self.fits += 1
            self._sums[key] = self._fit_fold(recipe, rows, fold)
        return self._sums[key]

    def inner_sums(self, proposal: Proposal, count: int = folds.INNER_FOLDS) -> tuple[BlockSums, ...] | None:
        """The sums on the newest `count` inner folds; None where a fit failed."""
        sums = []
        for fold in self.inner[:count]:
            part = self.sums(proposal, fold)
            if part is None:
                return None
            sums.append(part)
        return tuple(sums)

    def _fit_fold(self, recipe: Recipe, rows: TrainingSet, fold: Fold) -> BlockSums | None:
        block = folds.cut_validation(self.training, fold)
        block = folds.thin_rows(block, folds.find_stride(len(block.tick), MAX_VALIDATION_ROWS))
        forecasts = self.forecast(replace(recipe, window_bars=recipe.window_bars or self.window_bars), rows, block.x)
        if forecasts is None or not np.isfinite(forecasts).all():
            return None
        return sum_blocks(forecasts.T, block, fold, OUTER_BLOCKS if fold is self.outer else BLOCKS)


def sum_blocks(forecasts: Floats, block: TrainingSet, fold: Fold, count: int) -> BlockSums:
    """The sums of (N, H) forecasts over `count` stretches of equally many bars."""
    place = (block.tick - fold.start) * count // (fold.stop - fold.start + 1)
    known = np.isfinite(block.y)
    y, f = np.where(known, block.y, 0.0), np.where(known, forecasts, 0.0)
    member = (place[:, None] == np.arange(count)).astype(np.float64)
    return BlockSums(member.T @ (f * f), member.T @ (f * y), member.T @ (y * y), member.T @ known.astype(np.float64), block.horizons)


def horizon_weights(horizons: tuple[int, ...]) -> Floats:
    """(H,) weights of horizons, summing to 1: as many independent targets as fit in a stretch of bars, so that each R2 counts by its precision.

    In a plain mean the longest horizon, of which the fewest targets are known, would bring nearly all of the noise.
    """
    weights = 1.0 / np.asarray(horizons, dtype=np.float64)
    return np.asarray(weights / weights.sum())


def fold_weights(count: int) -> Floats:
    """(K,) weights of folds, newest first, summing to 1."""
    weights = 0.5 ** (np.arange(count) / RECENCY)
    return np.asarray(weights / weights.sum())


def fit_slopes(sums: tuple[BlockSums, ...]) -> Floats:
    """(H,) by which forecasts are multiplied: the shrunk slope of the target on the forecast over weighted folds, not negative."""
    squared, product, rows = (part.sum(axis=(0, 1)) for part in _weigh_slopes(sums))
    return _shrink_slopes(squared, product, rows)


def block_skill(part: BlockSums, slopes: Floats) -> Floats:
    """(B,) parts of a fold's R2, a weighted mean over horizons, by block: sum f (2y - f) / sum y^2 of forecasts times (H,) or (B, H) slopes."""
    power = part.power.sum(axis=0)
    gain = slopes * (2.0 * part.product - slopes * part.squared)
    return np.asarray(np.where(power > 0, gain / np.where(power > 0, power, 1.0), 0.0) @ horizon_weights(part.horizons))


def inner_skill(sums: tuple[BlockSums, ...]) -> Floats:
    """(K, B) weighted parts of the inner R2, which is their sum. The slope of each block is that of all other blocks.

    Those of other folds alone would not do: what a relation that began of late is worth shows in the newest fold only.
    """
    weighted = _weigh_slopes(sums)
    slopes = _shrink_slopes(*(part.sum(axis=(0, 1)) - part for part in weighted))
    return np.stack([weight * block_skill(*each) for weight, *each in zip(fold_weights(len(sums)), sums, slopes, strict=True)])


def _weigh_slopes(sums: tuple[BlockSums, ...]) -> tuple[Floats, Floats, Floats]:
    """(K, B, H) sums that slopes are fitted on: the newest fold counts in full, older ones less."""
    weights = fold_weights(len(sums))
    scale = (weights / weights[0])[:, None, None]
    squared, product, rows = (np.stack([getattr(part, name) for part in sums]) * scale for name in ("squared", "product", "rows"))
    return squared, product, rows


def _shrink_slopes(squared: Floats, product: Floats, rows: Floats) -> Floats:
    """Slopes in the shape of the sums."""
    flat = stacking.single_model_weights(squared.reshape(-1, 1, 1), product.reshape(-1, 1), rows.reshape(-1, 1), PRIOR_ROWS)
    return np.asarray(flat.reshape(squared.shape))


def compare_inner(candidate: tuple[BlockSums, ...], champion: tuple[BlockSums, ...]) -> Gain:
    """The paired gain of a candidate on the inner folds; its error from the spread of blocks within folds."""
    return _measure_gain(inner_skill(candidate), inner_skill(champion))


def compare_outer(candidate: BlockSums, champion: BlockSums, inner: tuple[tuple[BlockSums, ...], tuple[BlockSums, ...]]) -> Gain:
    """The paired gain on the outer block with the slopes of the inner folds, of the candidate and of the champion."""
    slopes = [fit_slopes(sums) for sums in inner]
    return _measure_gain(block_skill(candidate, slopes[0])[None], block_skill(champion, slopes[1])[None])


def _measure_gain(candidate: Floats, champion: Floats) -> Gain:
    """From (K, B) parts of R2. A champion below 0 counts 0: no forecast at all would be as good, and a candidate has to be better than that too."""
    parts = candidate - champion if champion.sum() > 0.0 else candidate
    count = parts.shape[1]
    spread = ((parts - parts.mean(axis=1, keepdims=True)) ** 2).sum() * count / max(1, count - 1)
    return Gain(float(parts.sum()), float(np.sqrt(spread)))
