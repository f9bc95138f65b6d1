"""Blends: ways to combine the models' forecasts that compete with the serving stacking, all learned online from the same forecasts.

Every blend is a set of weights by regime, model and horizon, none below 0, and every blend starts at 0: a model that has proven nothing has no weight
in any of them. All are learned at every tick, whichever serves, so that a switch takes effect at once. The weights are refreshed every few ticks from
those in force, by coordinate descent for all horizons, regimes and blends together.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from engine.domain.decision import REGIMES
from engine.domain.evolution import BlendSums
from engine.domain.record import Floats, Ints
from engine.domain.trading_config import TradingConfig
from engine.evidence.scoring import ScoredForecasts

DESCRIPTIONS = {
    "stacking": "A regression of the target on the models' forecasts over a long memory, with weights not below 0 that start from no forecast.",
    "fast stacking": "The same with a half-life of 2,000 ticks, so that it follows a change of the market sooner and is noisier.",
    "regime stacking": "Stacking with weights of its own in each market regime, shrunk towards the weights over all regimes.",
    "exponential weights": "A mean of stacking, fast stacking and no forecast by recent gain, which soon fades out when forecasts are wrong.",
}
BLENDS = tuple(DESCRIPTIONS)  # the order of the axis B

FAST_HALFLIFE = 2_000.0  # ticks
FAST_PRIOR_ROWS = 1_000.0
REFRESH_EVERY, REFRESH_AT = 8, 4  # ticks: when the serving stacking is not refreshed (phases.learning)
SWEEPS = 10  # of coordinate descent in one refresh
EXPERTS = 3  # of exponential weights: stacking, fast stacking, no forecast
GAIN_CLIP = 0.25  # of an expert's gain at one tick, a mean over symbols in squared units of the target
SEGMENT = 500.0  # ticks for which exponential weights expect the same expert to be best


def empty_blend_sums(models: int, horizons: int) -> BlendSums:
    """Return the sums before the first tick: no weights, and equal shares of the experts of exponential weights."""
    regimes = len(REGIMES)
    return BlendSums(
        fast_gram=np.zeros((horizons, models, models)),
        fast_moment=np.zeros((horizons, models)),
        fast_rows=np.zeros(horizons),
        regime_gram=np.zeros((regimes, horizons, models, models)),
        regime_moment=np.zeros((regimes, horizons, models)),
        share=np.full((EXPERTS, horizons), 1.0 / EXPERTS),
        weights=np.zeros((len(BLENDS) - 1, regimes, models, horizons)),
    )


def update_blends(
    sums: BlendSums,
    scored: ScoredForecasts,
    tick: int,
    gram: Floats,
    rows: Floats,
    weights: Floats,
    config: TradingConfig,
    *,
    on_record: Floats | None = None,
) -> BlendSums:
    """Add the forecasts that come due at this tick, and refresh the weights every REFRESH_EVERY ticks.

    `gram` (H, M, M), `rows` (H,) and `weights` (M, H) are those of the serving stacking. `on_record` (H,) is 0 where the forecasts
    that come due were made on probation, which the sums leave out as the serving stacking does.
    """
    votes, covered = scored.mean[:-1].transpose(1, 0, 2), scored.known[:-1].any(axis=0)
    if on_record is not None:
        votes, covered = votes * on_record[:, None, None], covered & (on_record > 0)[:, None]
    rows_now = covered.sum(axis=1)  # (H,)
    in_regime = scored.regime == np.arange(len(REGIMES))[:, None, None]
    parts = votes * in_regime[:, :, None, :]  # (R, H, M, S)
    by_regime, moment_by_regime = parts @ votes.transpose(0, 2, 1), (parts @ scored.target[:, :, None])[..., 0]
    fast, slow = 0.5 ** (1.0 / FAST_HALFLIFE), 0.5 ** (1.0 / config.weight_halflife)
    updated = BlendSums(
        fast_gram=sums.fast_gram * fast + by_regime.sum(axis=0),
        fast_moment=sums.fast_moment * fast + moment_by_regime.sum(axis=0),
        fast_rows=sums.fast_rows * fast + rows_now,
        regime_gram=sums.regime_gram * slow + by_regime,
        regime_moment=sums.regime_moment * slow + moment_by_regime,
        share=update_share(sums.share, _expert_gains(sums, votes, scored.target, weights, rows_now), rows_now, config.horizons),
        weights=sums.weights,
    )
    return _refresh(updated, gram, rows, weights, config.shrinkage_rows) if tick % REFRESH_EVERY == REFRESH_AT else updated


def blend_forecasts(sums: BlendSums, weighted_votes: Floats, regime: Ints, weights: Floats) -> Floats:
    """Return (B, H, S) the forecasts of all BLENDS, from the models' forecasts times their reliability (M, H, S), the regimes (S,) and the weights
    (M, H) of the serving stacking. A missing forecast counts as 0."""
    votes = np.where(np.isfinite(weighted_votes), weighted_votes, 0.0)
    by_symbol = sums.weights[:, regime].transpose(0, 2, 3, 1)  # (B - 1, M, H, S)
    others = np.multiply(by_symbol, votes, order="C").sum(axis=1)
    return np.concatenate(((votes * weights[:, :, None]).sum(axis=0)[None], others))


def serving_weights(name: str, sums: BlendSums, weights: Floats) -> Floats:
    """Return (R, M, H) the weights in force of the blend of that name; `weights` (M, H) are those of stacking. Raises ValueError for another name."""
    if name not in BLENDS:
        raise ValueError(f"there is no blend {name!r}: it is one of {', '.join(BLENDS)}")
    place = BLENDS.index(name)
    return np.repeat(weights[None], len(REGIMES), axis=0) if place == 0 else sums.weights[place - 1]


def combine_votes(weights: Floats, weighted_votes: Floats, regime: Ints) -> Floats:
    """Return (H, S) the forecast of the weights (R, M, H), equal in every bit to that of `blend_forecasts`."""
    votes = np.where(np.isfinite(weighted_votes), weighted_votes, 0.0)
    return np.asarray(np.multiply(weights[regime].transpose(1, 2, 0), votes, order="C").sum(axis=0))


def replace_place(sums: BlendSums, place: int) -> BlendSums:
    """Return the sums for another model at a place of the model axis: it starts without rows and without weight.

    Its regime weights follow those of the serving stacking from the next refresh on, because they are shrunk towards them.
    """
    models = (np.arange(sums.fast_moment.shape[1]) != place) * 1.0
    pairs = models[:, None] * models
    return replace(
        sums,
        fast_gram=sums.fast_gram * pairs,
        fast_moment=sums.fast_moment * models,
        regime_gram=sums.regime_gram * pairs,
        regime_moment=sums.regime_moment * models,
        weights=sums.weights * models[:, None],
    )


def update_share(share: Floats, gain: Floats, rows: Ints, horizons: tuple[int, ...]) -> Floats:
    """Return (E, H) the shares of the experts after gains (E, H) at one tick: exponential weights with fixed share (Herbster and Warmuth 1998).

    Gains are clipped at +-GAIN_CLIP. A horizon without `rows` (H,) is left as it is.
    """
    tilted = share * np.exp(np.minimum(np.maximum(gain, -GAIN_CLIP), GAIN_CLIP) * learning_rates(horizons))
    fixed = (1.0 - 1.0 / SEGMENT) * tilted / tilted.sum(axis=0) + 1.0 / SEGMENT / len(share)
    return np.where(rows > 0, fixed, share)


@cache
def learning_rates(horizons: tuple[int, ...]) -> Floats:
    """Return (H,) the learning rates of exponential weights: sqrt(8 log E / T) / L, for gains within a range of L and segments of T ticks
    (Cesa-Bianchi and Lugosi 2006, theorem 2.2), over the square root of the horizon, after which gains are known (Weinberger and Ordentlich 2002)."""
    rates: Floats = np.sqrt(8.0 * np.log(EXPERTS) / SEGMENT) / (2.0 * GAIN_CLIP) / np.sqrt(np.array(horizons, dtype=float))
    rates.setflags(write=False)
    return rates


def _expert_gains(sums: BlendSums, votes: Floats, target: Floats, weights: Floats, rows: Ints) -> Floats:
    """Return (E, H) the gains in squared error of the experts, with their weights in force, over no forecast: means over the rows (H,)."""
    experts = np.array((weights.T, sums.weights[0, 0].T, np.zeros(weights.T.shape)))[:, :, None]  # (E, H, 1, M)
    forecasts = (experts @ votes)[:, :, 0]
    return np.asarray((forecasts * (2.0 * target - forecasts)).sum(axis=2) / np.maximum(rows, 1))


def _refresh(sums: BlendSums, gram: Floats, rows: Floats, weights: Floats, prior_rows: float) -> BlendSums:
    """Return the sums with new weights of all blends, from the weights in force."""
    stacking, power = weights.T, _mean_power(gram, rows) * prior_rows  # (H, M)
    fast_power = _mean_power(sums.fast_gram, sums.fast_rows) * FAST_PRIOR_ROWS
    start = sums.weights.transpose(0, 1, 3, 2)  # (B - 1, R, H, M)
    solved = _descend(  # fast stacking, then every regime
        np.concatenate((sums.fast_gram[None], sums.regime_gram)),
        np.concatenate((sums.fast_moment[None], sums.regime_moment + power * stacking)),
        np.concatenate((fast_power[None], np.broadcast_to(power, sums.regime_moment.shape))),
        np.concatenate((start[0, :1], start[1])),
    )
    exponential = sums.share[0][:, None] * stacking + sums.share[1][:, None] * solved[0]
    everywhere = [np.broadcast_to(blend, start.shape[1:]) for blend in (solved[0], solved[1:], exponential)]
    return replace(sums, weights=np.stack(everywhere).transpose(0, 1, 3, 2))


def _mean_power(gram: Floats, rows: Floats) -> Floats:
    """Return (H, M) the mean square of each forecast over the rows."""
    return np.diagonal(gram, axis1=-2, axis2=-1) / np.maximum(rows, 1.0)[:, None]


def _descend(gram: Floats, moment: Floats, penalty: Floats, start: Floats) -> Floats:
    """Return (P, H, M) weights not below 0 that minimise w'(G + diag(penalty)) w - 2 w'b, by sweeps of coordinate descent from `start`.

    `gram` is (P, H, M, M), the others (P, H, M). A model without forecasts keeps weight 0.
    """
    count = gram.shape[-1]
    own = np.diagonal(gram, axis1=-2, axis2=-1) + penalty
    known = own > 1e-12
    inverse = np.where(known, 1.0 / np.where(known, own, 1.0), 0.0)
    relative = gram * inverse[..., None] * (1.0 - np.eye(count))
    rows = np.ascontiguousarray(relative.reshape(-1, count, count).transpose(1, 0, 2))  # (M, P H, M)
    target = np.ascontiguousarray((moment * inverse).reshape(-1, count).T)
    weights = np.where(known, start, 0.0).reshape(-1, count)
    for _ in range(SWEEPS):
        for model in range(count):
            weights[:, model] = np.maximum(target[model] - np.einsum("pm,pm->p", rows[model], weights), 0.0)
    return weights.reshape(moment.shape)
