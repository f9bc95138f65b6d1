"""The arms of contests: their forecasts, and the weights of an ensemble with other versions at some places.

An arm's forecast is the serving ensemble's plus the difference that its versions make, at the reliability of the versions in whose places they
stand. A challenger has weights of its own, learned by stacking from its forecasts since its contest began. They start from the record of the versions
in whose places it stands, shortened to as many rows as the prior of stacking has, so that a challenger begins with their weights and is not held to
their whole past. A challenger of another structure starts without a record: its forecasts have little in common with those of the least useful model,
in whose place it stands, and that record would hold its weight near 0. The versions before a promotion keep their weights and learn on from their
whole record, with which they return. The versions before a refresh are of the same recipes, so they are compared by the weights in force.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.decision import Forecast, Predictions
from engine.domain.evolution import STRATEGIES, Arm, ArmSums, DirectionSums
from engine.domain.record import Bools, Floats
from engine.domain.state import State
from engine.domain.trading_config import TradingConfig
from engine.evidence import stacking
from engine.evidence.scoring import ScoredForecasts

CHALLENGER, WATCH, BLEND = "challenger", "watch", "blend"  # kinds of arm
NEW_STRUCTURE = "structure search"  # the strategy of a challenger whose record starts empty


def learns(arm: Arm) -> bool:
    """Whether an arm has weights of its own: its versions are of another recipe than those in service."""
    return arm.kind == CHALLENGER or (arm.kind == WATCH and arm.strategy != STRATEGIES[0])


def empty_arm_sums(length: int, models: int, horizons: int, symbols: int) -> ArmSums:
    """The sums without any arm; `length` is the longest horizon."""
    return ArmSums(
        np.zeros((0, horizons, models, models)),
        np.zeros((0, horizons, models)),
        np.zeros((0, horizons)),
        np.zeros((0, models, horizons)),
        np.full((length, 0, horizons, symbols), np.nan),
        np.full((length, 0, horizons, symbols), np.nan),
    )


def empty_direction_sums(horizons: int) -> DirectionSums:
    """The sums without any arm."""
    return DirectionSums(np.zeros((0, horizons)), np.zeros((0, horizons)))


def add_arm(sums: ArmSums, directions: DirectionSums, arm: Arm, state: State, config: TradingConfig) -> tuple[ArmSums, DirectionSums]:
    """Append an arm. Its record is that of the versions in whose places it stands: all of it for a watch, and for a challenger as many rows as the
    prior has, or none where it is of another structure."""
    length, _, horizons, symbols = sums.pending.shape
    rows = state.weight_rows[:, list(arm.places)].max(axis=1) if arm.places else state.weight_rows.max(axis=1)
    shorter = np.ones(len(rows))
    if arm.kind != WATCH:
        shorter = np.minimum(1.0, config.shrinkage_rows * (arm.strategy != NEW_STRUCTURE) / np.maximum(rows, 1.0))
    versions = len(arm.places) if learns(arm) else 0
    none = np.full((length, 1, horizons, symbols), np.nan)
    grown = ArmSums(
        np.concatenate((sums.gram, (state.gram * shorter[:, None, None])[None])),
        np.concatenate((sums.moment, (state.moment * shorter[:, None])[None])),
        np.concatenate((sums.rows, (rows * shorter)[None])),
        np.concatenate((sums.weights, state.weights[None])),
        np.concatenate((sums.pending_votes, np.repeat(none, versions, axis=1)), axis=1),
        np.concatenate((sums.pending, none), axis=1),
    )
    zero = np.zeros((1, horizons))
    return grown, DirectionSums(np.concatenate((directions.count, zero)), np.concatenate((directions.bps, zero)))


def remove_arms(sums: ArmSums, directions: DirectionSums, arms: tuple[Arm, ...], stays: Bools) -> tuple[ArmSums, DirectionSums]:
    """The sums of the arms that stay; `stays` (A,)."""
    votes = np.repeat(stays, [len(arm.places) if learns(arm) else 0 for arm in arms])
    left = ArmSums(
        sums.gram[stays], sums.moment[stays], sums.rows[stays], sums.weights[stays],
        np.ascontiguousarray(sums.pending_votes[:, votes]), np.ascontiguousarray(sums.pending[:, stays]),
    )  # fmt: skip
    return left, DirectionSums(directions.count[stays], directions.bps[stays])


def age_arms(sums: ArmSums) -> ArmSums:
    """The sums a tick later, at which nothing was forecast."""

    def shift(part: Floats) -> Floats:
        return np.concatenate((np.full_like(part[:1], np.nan), part[:-1]))

    return replace(sums, pending_votes=shift(sums.pending_votes), pending=shift(sums.pending))


def score_arms(
    sums: ArmSums, directions: DirectionSums, scored: ScoredForecasts, horizons: tuple[int, ...]
) -> tuple[Floats, Floats, Bools, DirectionSums]:
    """Score the arms' forecasts that come due.

    Returns (A, H) the paired gain, the squared error of the serving ensemble less the arm's, NaN where an arm has no forecast; (A, H) the squared
    target, both means over symbols; (H,) whether any is known; and the directions.
    """
    rows, index = np.array(horizons) - 1, np.arange(len(horizons))
    arm = sums.pending[rows, :, index].transpose(1, 0, 2)  # (A, H, S)
    serving, target = scored.mean[-1], scored.target
    known = np.isfinite(arm) & scored.known[-1]
    arm = np.where(known, arm, 0.0)
    count = known.sum(axis=2)
    share = 1.0 / np.maximum(count, 1)
    gain = np.where(known, (arm - serving) * (2.0 * target - serving - arm), 0.0).sum(axis=2) * share
    power = np.where(known, target * target, 0.0).sum(axis=2) * share
    side = np.sign(arm)
    differs = known & (side != np.sign(serving)) & (arm != 0.0)
    moved = (side * target * scored.scale * 1e4 * differs).sum(axis=2)
    return (
        np.where(count > 0, gain, np.nan),
        power,
        (count > 0).any(axis=0),
        DirectionSums(directions.count + differs.sum(axis=2), directions.bps + moved),
    )


def learn_weights(sums: ArmSums, arms: tuple[Arm, ...], scored: ScoredForecasts, learned: State, config: TradingConfig, *, reweigh: bool) -> ArmSums:
    """Add the forecasts that come due to the sums of the arms that learn; with `reweigh`, solve their weights anew."""
    discount = 0.5 ** (1.0 / config.weight_halflife)
    gram, moment, rows = (part.copy() for part in (sums.gram, sums.moment, sums.rows))
    lags, index = np.array(config.horizons) - 1, np.arange(len(config.horizons))
    due = sums.pending_votes[lags, :, index].transpose(1, 0, 2)  # (C, H, S)
    first = 0
    for place, arm in enumerate(arms):
        if not learns(arm):
            continue
        versions = due[first : first + len(arm.places)]
        first += len(arm.places)
        known = np.isfinite(versions).all(axis=0) & scored.known[:-1].any(axis=0)  # (H, S)
        votes = scored.mean[:-1].copy()
        votes[list(arm.places)] = np.where(np.isfinite(versions), versions, 0.0)
        votes = (votes * known).transpose(1, 0, 2)  # (H, M, S)
        gram[place] = gram[place] * discount + votes @ votes.transpose(0, 2, 1)
        moment[place] = moment[place] * discount + (votes * (scored.target * known)[:, None, :]).sum(axis=2)
        rows[place] = rows[place] * discount + known.sum(axis=1)
    after = replace(sums, gram=gram, moment=moment, rows=rows)
    return solve_weights(after, arms, learned, config) if reweigh else after


def solve_weights(sums: ArmSums, arms: tuple[Arm, ...], learned: State, config: TradingConfig) -> ArmSums:
    """The sums with new weights of the arms that learn, beside the ensemble that serves in this state."""
    weights = sums.weights.copy()
    for place, arm in enumerate(arms):
        if learns(arm):
            merged = merge_sums(sums.gram[place], sums.moment[place], sums.rows[place], arm, learned)
            weights[place] = stacking.stacking_weights(*merged, config.shrinkage_rows)
    return replace(sums, weights=weights)


def merge_sums(gram: Floats, moment: Floats, rows: Floats, arm: Arm, learned: State) -> tuple[Floats, Floats, Floats]:
    """(H, M, M), (H, M) and (H, M): the sums of the serving ensemble with those of the arm's versions at their places."""
    places = np.zeros(gram.shape[1], dtype=bool)
    places[list(arm.places)] = True
    return (
        np.where(places[:, None] | places, gram, learned.gram),
        np.where(places, moment, learned.moment),
        np.where(places, rows[:, None], learned.weight_rows),
    )


def forecast_arms(
    sums: ArmSums,
    arms: tuple[Arm, ...],
    shadow_forecasts: dict[str, Floats],
    blend_forecasts: dict[str, Floats],
    predictions: Predictions,
    forecast: Forecast,
    learned: State,
) -> ArmSums:
    """The sums with this tick's forecasts pending.

    `shadow_forecasts` are (H, S) predictions by digest, NaN where one failed; `blend_forecasts` (H, S) by name, the serving one among them. A version
    has the reliability of the one in whose place it stands; where that has no forecast, the largest of any.
    """
    weighted = np.where(np.isfinite(predictions.mean), predictions.mean, 0.0) * predictions.reliability
    reliability = np.where(np.isfinite(predictions.mean), predictions.reliability, predictions.reliability.max(axis=0))
    serving = np.where(np.isfinite(learned.pending.mean[0, -1]), forecast.mean, np.nan)
    stacked = (weighted * learned.weights[:, :, None]).sum(axis=0)
    new, votes, missing = [], [], np.full_like(serving, np.nan)
    for place, arm in enumerate(arms):
        if arm.kind == BLEND:
            new.append(serving + blend_forecasts[arm.blend] - blend_forecasts[learned.evolution.blend])
            continue
        own = [shadow_forecasts.get(digest, missing) for digest in arm.digests]
        weights = sums.weights[place] if learns(arm) else forecast.weights
        before = stacked if learns(arm) else (weighted * weights[:, :, None]).sum(axis=0)
        replaced = weighted.copy()
        replaced[list(arm.places)] = np.array(own) * reliability[list(arm.places)]
        new.append(serving + (replaced * weights[:, :, None]).sum(axis=0) - before)
        votes += own if learns(arm) else []
    pending = np.concatenate((np.array([new]), sums.pending[:-1])) if new else sums.pending
    pending_votes = np.concatenate((np.array([votes]), sums.pending_votes[:-1])) if votes else sums.pending_votes
    return replace(sums, pending=pending, pending_votes=pending_votes)


def leave_out_newest(sums: ArmSums, is_new: Bools) -> ArmSums:
    """The sums without this tick's forecasts of the arms where `is_new` (A,): the versions that they compete with do not serve yet."""
    if not is_new.any():
        return sums
    pending = sums.pending.copy()
    pending[0, is_new] = np.nan
    return replace(sums, pending=pending)
