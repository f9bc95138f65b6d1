"""A test by betting that may be read after every trial: its wealth grows by bets on which windows were treated."""

from __future__ import annotations

import numpy as np

from engine.domain.record import Bools, Floats

SIZES = (0.7, 1.5, 3.0, 6.0)  # effects to bet on besides the one observed so far, in scales of the change
TAIL = 4.0  # degrees of freedom of the likelihood, so that outliers count for little
SHARPEST = 0.05  # of the observed effect: the smallest scale
FIRST = 3  # windows before the first bet


def wealth(treated: Bools, chance: Floats, change: Floats, *, rising: bool) -> Floats:
    """(N,) wealth after each window, starting from 1, of bets that a treated window has the higher change (`rising`) or the lower one.

    treated (N,), chance (N,) the probability with which each was drawn to be treated, change (N,) finite.

    If the action had no effect, each change would be the same whatever was drawn, so the draw is a coin of known probability that the change says
    nothing about. Before the coin of window i is revealed, its change and all earlier windows give a probability b that it was treated. The stake is
    multiplied by b / p if it was, and by (1 - b) / (1 - p) if it was not, which is 1 on average over the coin whatever b is. So the wealth is a
    nonnegative martingale, and it ever reaches 1 / a with a probability of at most a (Ville 1939), however often it is read and whenever one stops.
    This is exact in finite samples and for any distribution of the changes, with trends, cycles, autocorrelation and regression to the mean, because
    only the coin is random (Fisher's sharp null; testing by betting: Shafer 2021; Ramdas, Grunwald, Vovk and Shafer 2023; randomisation tests by
    betting: Duan, Ramdas and Wasserman 2022). b is the posterior probability under a shift of the median, with a Student likelihood of the scale
    observed so far; the shift is the one observed so far or one of SIZES, and the stakes on each are averaged.
    """
    sign = 1.0 if rising else -1.0
    up, down, spread, counts = _so_far(treated, change)
    seen = np.maximum(sign * (up - down), 0.0)
    spread = np.maximum(spread * (1.0 + 1.0 / np.maximum(counts.sum(axis=0), 1)), SHARPEST * np.abs(up - down))
    bets = counts.min(axis=0) >= 1
    bets &= (counts.sum(axis=0) >= FIRST) & (spread > 0.0)
    grown = np.zeros(len(change))
    for share in (seen, 0.5 * seen, *(size * spread for size in SIZES)):
        grown = grown + _stake(treated, chance, change, sign * share, up, down, np.where(bets, spread, 1.0), counts, bets & (share > 0.0))
    return grown / (2 + len(SIZES))


def _stake(
    treated: Bools, chance: Floats, change: Floats, shift: Floats, up: Floats, down: Floats, spread: Floats, counts: Floats, bets: Bools
) -> Floats:
    """(N,) wealth of a stake on one shift; it stays where there is no bet."""
    with np.errstate(invalid="ignore"):
        centre = (counts[0] * (up - shift) + counts[1] * down) / np.maximum(counts.sum(axis=0), 1)
        likelier = np.exp(_student((change - centre - shift) / spread) - _student((change - centre) / spread))
    factor = np.where(treated, likelier, 1.0) / (chance * likelier + 1.0 - chance)
    return np.asarray(np.exp(np.cumsum(np.log(np.where(bets, factor, 1.0)))))


def _student(z: Floats) -> Floats:
    return np.asarray(-(TAIL + 1.0) / 2.0 * np.log1p(z * z / TAIL))


def _so_far(treated: Bools, change: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """(N,) medians of the treated windows and of the controls before each window, (N,) the scale around them, (2, N) the counts."""
    earlier = np.tri(len(change), k=-1, dtype=np.bool_)
    counts = np.stack([(earlier & treated).sum(axis=1), (earlier & ~treated).sum(axis=1)]).astype(np.float64)
    up, down = (_medians(np.where(earlier & kind, change, np.inf), count) for kind, count in zip((treated, ~treated), counts, strict=True))
    with np.errstate(invalid="ignore"):
        apart = np.abs(change - np.where(treated, up[:, None], down[:, None]))
    spread = 1.4826 * _medians(np.where(earlier & np.isfinite(apart), apart, np.inf), counts.sum(axis=0))
    # the median distance of few values from their own median is too small, as if two of them were used up
    spread *= np.sqrt(counts.sum(axis=0) / np.maximum(counts.sum(axis=0) - 2.0, 1.0))
    return up, down, np.nan_to_num(spread, nan=0.0), counts


def _medians(rows: Floats, counts: Floats) -> Floats:
    """(N,) the median of each row's `counts` smallest values; NaN of none."""
    ordered = np.sort(rows, axis=1)
    last = rows.shape[1] - 1
    low, high = np.clip((counts - 1) // 2, 0, last).astype(int), np.clip(counts // 2, 0, last).astype(int)
    at = np.arange(len(rows))
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, (ordered[at, low] + ordered[at, high]) / 2.0, np.nan)
