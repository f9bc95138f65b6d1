"""What the page of models asks: votes, weights, versions, calibration and regret; none of it grows with the history kept."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd
from sqlalchemy import Connection

from engine.domain.decision import REGIMES
from engine.domain.state import State
from engine.evidence import selection_gain
from engine.evidence.proportions import MIN_COUNT, wilson_interval
from engine.store import codec
from engine.store.read.reader import Reader, StoreUnreadable, fetch_all, fetch_first, fetch_frame
from engine.store.read.status import find_session_range

INTERVAL_LEVELS = (0.8, 0.9)  # of the two intervals
WEIGHT_POINTS = 200  # of a line of weights
MAX_SYMBOLS = 24  # whose votes are shown
MAX_VOTES_COMPARED = 800  # votes of each model that are laid side by side
MAX_VERSIONS = 96  # newest that are looked at
Z_95 = 1.959963984540054  # deviations of a normal that hold 95 %
Number = float | None


@dataclass(frozen=True, slots=True)
class ObservedShare:
    """A share that was counted, with its 95 % interval where there is enough data."""

    share: Number
    low: Number
    high: Number
    n: int


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """A tenth of the stated probabilities: their mean, and how often it came so."""

    stated: float
    observed: ObservedShare


@dataclass(frozen=True, slots=True)
class HorizonCalibration:
    """How far what one horizon states can be relied on. Intervals allow for the rows that say the same (effective n)."""

    horizon: int  # bars
    n: int  # rows that moved
    brier: Number
    brier_low: Number
    brier_high: Number
    brier_naive: Number  # of always saying 1/2
    bins: tuple[ReliabilityBin, ...]
    coverage: tuple[tuple[float, str, ObservedShare], ...]  # level, regime or "all"
    winkler_gain: tuple[tuple[float, Number], ...]  # level, share by which the Winkler score beats intervals of constant width
    deflation: Number  # effective rows a row, None where it is not known yet


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """Calibration as of the newest checkpoint; `trouble` says why its state cannot be read."""

    tick: int
    at: int  # ns UTC
    horizons: tuple[HorizonCalibration, ...]
    silencing: tuple[float, float, float, int] | None = (
        None  # R2 gained by hearing only the models preferred, low, high, n; None with too little data
    )
    error: str | None = None


def read_votes(reader: Reader) -> pd.DataFrame:
    """Every vote at the newest tick: symbol, model, horizon, bps, trust, confidence, weight; and the ensemble's rows with the models' disagreement.

    bps is NaN where a model was not heard. Symbols beyond 24 are left out.
    """
    with reader.reading() as connection:
        names = _names(connection)
        told = fetch_all(
            connection,
            "SELECT d.symbol, d.votes, d.forecast, t.weights FROM decisions d JOIN ticks t ON t.tick = d.tick "
            "WHERE d.tick = (SELECT max(tick) FROM ticks) ORDER BY d.symbol LIMIT :limit",
            limit=MAX_SYMBOLS,
        )
    parts = [part for symbol, said, forecast, weights in told for part in _of_symbol(symbol, _loads(said), _loads(forecast), _loads(weights), names)]
    return pd.DataFrame(parts, columns=["symbol", "model", "horizon", "bps", "trust", "confidence", "weight", "disagreement"]).astype(
        {"bps": float, "trust": float, "confidence": float, "weight": float, "disagreement": float}
    )


def read_weights(reader: Reader) -> pd.DataFrame:
    """Weights through the running session at up to 200 evenly spaced ticks, the newest among them: tick, at, model, horizon, weight."""
    with reader.reading() as connection:
        models, horizons = _names(connection)
        ends = find_session_range(connection)
        picked = [] if ends is None else sorted(range(ends[1], ends[0] - 1, -max(1, -(-(ends[1] - ends[0] + 1) // WEIGHT_POINTS))))
        told = fetch_all(
            connection,
            "SELECT t.tick, t.at, t.weights FROM json_each(:picked) p JOIN ticks t ON t.tick = p.value ORDER BY t.tick",
            picked=json.dumps(picked),
        )
    found = [
        (tick, at, model, horizon, weight)
        for tick, at, text in told
        for model, row in zip(models, _loads(text) or [], strict=False)
        for horizon, weight in zip(horizons, row, strict=False)
    ]
    return pd.DataFrame(found, columns=["tick", "at", "model", "horizon", "weight"]).astype({"weight": float})


def read_model_agreement(reader: Reader, place: int) -> pd.DataFrame:
    """How often two models point the same way over the newest ticks, at the horizon at this place: one, other, share, n.

    Among the votes of both that say something; a pair that was never heard together has n = 0 and no share.
    """
    with reader.reading() as connection:
        models, _ = _names(connection)
        ends = find_session_range(connection)
        told = (
            []
            if ends is None
            else fetch_all(
                connection,
                "SELECT votes FROM decisions WHERE tick >= :first ORDER BY tick DESC, symbol LIMIT :limit",
                first=ends[0],
                limit=MAX_VOTES_COMPARED,
            )
        )
    said = np.full((len(told), len(models)), np.nan)
    for row, (text,) in enumerate(told):
        means = (_loads(text) or {}).get("mean") or []
        if len(means) == len(models):
            said[row] = [_at(one, place) for one in means]
    side = np.sign(said)
    there = np.isfinite(side) & (side != 0)
    both = there.T.astype(float) @ there
    same = sum((there & (side == sign)).T.astype(float) @ (there & (side == sign)) for sign in (1.0, -1.0))
    found = [
        (one, other, float(same[i, j] / both[i, j]) if both[i, j] else math.nan, int(both[i, j]))
        for i, one in enumerate(models)
        for j, other in enumerate(models)
    ]
    return pd.DataFrame(found, columns=["one", "other", "share", "n"])


def read_versions(reader: Reader, *, limit: int) -> pd.DataFrame:
    """The newest versions of every model, up to `limit` of each, newest first, with the role of each at the newest tick.

    role: champion (it serves), challenger (it waits for its tick), retired.
    """
    sql = """
        SELECT id, model, version, digest, session, trained_at, trained_from, trained_to, rows, seconds, serves_from
        FROM artifacts ORDER BY id DESC LIMIT :limit"""
    with reader.reading() as connection:
        last = fetch_first(connection, "SELECT tick, serving, session FROM ticks ORDER BY tick DESC LIMIT 1")
        found = fetch_frame(connection, sql, {"limit": MAX_VERSIONS})
    tick, serving, session = (-1, set(), -1) if last is None else (int(last[0]), set(_loads(last[1]) or []), int(last[2]))
    roles, seen = [], set()
    told: Iterator[Any] = found.itertuples(index=False)
    for one in told:
        serves = one.session == session and one.serves_from <= tick and one.digest in serving and one.model not in seen
        if serves:
            seen.add(one.model)
        roles.append("champion" if serves else "challenger" if one.session == session and one.serves_from > tick else "retired")
    found["role"] = roles
    return found.groupby("model", sort=False).head(limit).reset_index(drop=True)


def read_declined(reader: Reader) -> pd.DataFrame:
    """What each gate cost (above 0) or saved (below 0): gate, n, mean_bps, low, high, n_effective."""
    return reader.frame("SELECT gate, n, mean_bps, low, high, n_effective FROM v_regret ORDER BY mean_bps IS NULL, n DESC, gate")


def find_newest_checkpoint(reader: Reader) -> int | None:
    """The tick of the newest state that is kept."""
    with reader.reading() as connection:
        told = fetch_first(connection, "SELECT max(tick) FROM checkpoints")
    return None if told is None or told[0] is None else int(told[0])


def read_calibration(reader: Reader, tick: int) -> CalibrationReport | None:
    """Reliability, coverage and Brier score by horizon, from the state after that tick; None where it is not kept."""
    with reader.reading() as connection:
        told = fetch_first(connection, "SELECT c.data, t.at FROM checkpoints c JOIN ticks t ON t.tick = c.tick WHERE c.tick = :tick", tick=tick)
        _, horizons = _names(connection)
        skill = fetch_all(connection, "SELECT horizon, n, n_effective FROM skill WHERE scope = 'ensemble' AND regime = 'all'")
    if told is None:
        return None
    try:
        state = codec.unpack(State, bytes(told[0]))
    except ValueError as error:
        return CalibrationReport(tick, int(told[1]), (), error=str(error))
    shares = {horizon: effective / n for horizon, n, effective in skill if n and effective}
    checks = tuple(_reliability(state, place, horizon, shares.get(horizon)) for place, horizon in enumerate(horizons))
    return CalibrationReport(tick, int(told[1]), checks, selection_gain.selection_gain_interval(state.selection_gain))


def _reliability(state: State, place: int, horizon: int, deflation: Number) -> HorizonCalibration:
    told, reach = state.direction, state.intervals
    n = float(told.rows[place])
    bins = tuple(
        ReliabilityBin(float(stated / count), estimate_share(float(observed), float(count), deflation))
        for stated, observed, count in zip(told.stated[place], told.observed[place], told.counted[place], strict=True)
        if count > 0
    )
    cells = [*zip(REGIMES, reach.rows[place], reach.covered[place], strict=True), ("all", reach.rows[place].sum(), reach.covered[place].sum(axis=0))]
    coverage = tuple(
        (level, regime, estimate_share(float(covered[column]), float(count), deflation))
        for column, level in enumerate(INTERVAL_LEVELS)
        for regime, count, covered in cells
    )
    ours, constant = reach.winkler[place], reach.winkler_constant[place]
    gains = tuple(
        (level, float(1.0 - ours[column] / constant[column]) if constant[column] > 0 else None) for column, level in enumerate(INTERVAL_LEVELS)
    )
    brier = float(told.brier[place]) / n if n else None
    low, high = _brier_band(bins, brier, n, deflation)
    return HorizonCalibration(horizon, int(n), brier, low, high, 0.25 if n else None, bins, coverage, gains, deflation)


def _brier_band(bins: tuple[ReliabilityBin, ...], brier: Number, n: float, deflation: Number) -> tuple[Number, Number]:
    """95 % interval of the Brier score; its variance by the tenths, each row taken to have stated the mean of its tenth."""
    effective = n * min(1.0, deflation or 0.0)
    if brier is None or effective < MIN_COUNT:
        return None, None
    square = sum(
        one.observed.n * ((one.observed.share or 0.0) * (1.0 - one.stated) ** 4 + (1.0 - (one.observed.share or 0.0)) * one.stated**4) for one in bins
    )
    reach = Z_95 * math.sqrt(max(0.0, square / n - brier * brier) / effective)
    return max(0.0, brier - reach), min(1.0, brier + reach)


def estimate_share(count: float, n: float, deflation: Number) -> ObservedShare:
    """The interval allows for rows that move together; without knowing how far they do there is none."""
    if n <= 0:
        return ObservedShare(None, None, None, 0)
    share = min(1.0, count / n)
    band = None if deflation is None else wilson_interval(share, n * min(1.0, deflation))
    return ObservedShare(share, None if band is None else band[0], None if band is None else band[1], int(n))


def _names(connection: Connection) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Models and horizons of the running session."""
    told = fetch_first(connection, "SELECT models, horizons FROM sessions ORDER BY id DESC LIMIT 1")
    return ((), ()) if told is None else (tuple(_loads(told[0])), tuple(_loads(told[1])))


def _of_symbol(symbol: str, said: Any, forecast: Any, weights: Any, names: tuple[tuple[str, ...], tuple[int, ...]]) -> list[tuple[object, ...]]:
    """The votes on one symbol; what a session of other models left behind is passed over."""
    models, horizons = names
    if not said or not forecast or len(said["mean"]) != len(models):
        return []
    confidence, apart, scale = said.get("confidence"), said.get("disagreement"), forecast["scale"]
    found: list[tuple[object, ...]] = [
        (symbol, model, horizon, _bps(_at(said["mean"][m], h), _at(scale, h)), _at(said["trust"][m], h),
         _at(confidence[m], h) if confidence else None, _at(weights[m], h), None)
        for m, model in enumerate(models)
        for h, horizon in enumerate(horizons)
    ]  # fmt: skip
    return found + [
        (symbol, "ensemble", horizon, _bps(_at(forecast["mean"], h), _at(scale, h)), None, _at(forecast["probability"], h), None,
         _bps(_at(apart, h), _at(scale, h)))
        for h, horizon in enumerate(horizons)
    ]  # fmt: skip


def _bps(mean: float, scale: float) -> float:
    """Horizon volatilities as bps; a scale of 0 is an unknown volatility."""
    return mean * scale * 1e4 if scale else math.nan


def _at(values: Any, place: int) -> float:
    return math.nan if values is None or place >= len(values) or values[place] is None else float(values[place])


def _loads(text: Any) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError as error:
        raise StoreUnreadable(f"a row of the store cannot be read: {error}", "corrupt") from None
