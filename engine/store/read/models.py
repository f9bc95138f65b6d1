"""Votes, weights, versions, calibration and declined trades for the Models page, at a cost that does not grow with the history."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd
from sqlalchemy import Connection, RowMapping

from engine.domain.state import State
from engine.evidence import selection_gain
from engine.evidence.calibration import HorizonCalibration, ObservedShare, calibrate_horizon, count_agreements, estimate_share
from engine.store import codec
from engine.store.read import live_ticks
from engine.store.read.reader import Reader, StoreUnreadable, fetch_all, fetch_first, fetch_frame, fetch_scalar
from engine.store.read.status import find_session_range

__all__ = [
    "CalibrationReport", "HorizonCalibration", "ObservedShare", "estimate_share", "find_newest_checkpoint", "read_calibration", "read_declined",
    "read_model_agreement", "read_versions", "read_votes", "read_weights",
]  # fmt: skip
WEIGHT_POINTS = 200  # of a chart of weights
MAX_SYMBOLS = 24  # with votes on the page, at most
MAX_VOTES_COMPARED = 800  # votes per model that are compared
MAX_VERSIONS = 192  # newest versions that are read


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """Calibration at a checkpoint; `error` gives the reason where its state cannot be read."""

    tick: int
    at: int  # ns UTC
    horizons: tuple[HorizonCalibration, ...]
    selection_gain: tuple[float, float, float, int] | None = None  # R2 gained by model selection, low, high, n; None with too little data
    error: str | None = None


def read_votes(reader: Reader) -> pd.DataFrame:
    """Every vote at the newest tick: symbol, model, horizon, bps, trust, confidence, weight; and the ensemble's rows with the models' disagreement.

    bps is NaN where a model was not active. At most 24 symbols are read.
    """
    with reader.reading() as connection:
        names = _names(connection)
        decisions = fetch_all(
            connection,
            "SELECT d.symbol, d.votes, d.forecast, t.weights FROM decisions d JOIN ticks t ON t.tick = d.tick "
            "WHERE d.tick = (SELECT max(tick) FROM ticks) ORDER BY d.symbol LIMIT :limit",
            limit=MAX_SYMBOLS,
        )
    parts = [
        part
        for row in decisions
        for part in _symbol_votes(row["symbol"], _loads(row["votes"]), _loads(row["forecast"]), _loads(row["weights"]), names)
    ]
    return pd.DataFrame(parts, columns=["symbol", "model", "horizon", "bps", "trust", "confidence", "weight", "disagreement"]).astype(
        {"bps": float, "trust": float, "confidence": float, "weight": float, "disagreement": float}
    )


def read_weights(reader: Reader) -> pd.DataFrame:
    """Weights over the running session at up to 200 evenly spaced ticks, the newest among them: tick, at, model, horizon, weight."""
    with reader.reading() as connection:
        models, horizons = _names(connection)
        ends = find_session_range(connection)
        picked = [] if ends is None else live_ticks.spaced(*ends, WEIGHT_POINTS)
        ticks = fetch_all(
            connection,
            "SELECT t.tick, t.at, t.weights FROM json_each(:picked) p JOIN ticks t ON t.tick = p.value ORDER BY t.tick",
            picked=json.dumps(picked),
        )
    parts = [
        (tick["tick"], tick["at"], model, horizon, weight)
        for tick in ticks
        for model, of_model in zip(models, _loads(tick["weights"]) or [], strict=False)
        for horizon, weight in zip(horizons, of_model, strict=False)
    ]
    return pd.DataFrame(parts, columns=["tick", "at", "model", "horizon", "weight"]).astype({"weight": float})


def read_model_agreement(reader: Reader, place: int) -> pd.DataFrame:
    """How often two models forecast the same direction over the newest ticks, at the horizon at this place: model, other, share, n.

    Only votes with a direction count. A pair that was never active together has n = 0 and no share.
    """
    with reader.reading() as connection:
        models, _ = _names(connection)
        ends = find_session_range(connection)
        sql = "SELECT votes FROM decisions WHERE tick >= :first ORDER BY tick DESC, symbol LIMIT :limit"
        decisions = [] if ends is None else fetch_all(connection, sql, first=ends[0], limit=MAX_VOTES_COMPARED)
    forecasts = np.full((len(decisions), len(models)), np.nan)
    for place_of_row, row in enumerate(decisions):
        means = (_loads(row["votes"]) or {}).get("mean") or []
        if len(means) == len(models):
            forecasts[place_of_row] = [_at(mean, place) for mean in means]
    same, both = count_agreements(forecasts)
    parts = [
        (model, other, float(same[i, j] / both[i, j]) if both[i, j] else math.nan, int(both[i, j]))
        for i, model in enumerate(models)
        for j, other in enumerate(models)
    ]
    return pd.DataFrame(parts, columns=["model", "other", "share", "n"])


def read_versions(reader: Reader, *, limit: int) -> pd.DataFrame:
    """The newest versions of every model, up to `limit` of each, newest first, with their role at the newest tick.

    role: champion (it serves), challenger (it races in a contest or waits for its first tick), shadow (it predicts without a vote), retired.
    """
    sql = """
        SELECT id, model, version, digest, session, trained_at, trained_from, trained_to, rows, seconds, serves_from, recipe, origin, columns
        FROM artifacts ORDER BY id DESC LIMIT :limit"""
    racing = "SELECT session, version FROM evolutions WHERE state IN ('training', 'racing') ORDER BY id DESC LIMIT :limit"
    with reader.reading() as connection:
        last = fetch_first(connection, "SELECT tick, serving, shadows, session FROM ticks ORDER BY tick DESC LIMIT 1")
        frame = fetch_frame(connection, sql, {"limit": MAX_VERSIONS})
        contests = fetch_all(connection, racing, limit=MAX_VERSIONS)  # a contest about several models names a version of each
        contestants = {(int(row["session"]), version) for row in contests for version in str(row["version"]).split(", ")}
    frame["role"] = _roles(frame, last, contestants)
    newest: pd.DataFrame = frame.groupby("model", sort=False).head(limit)
    return newest.reset_index(drop=True)


def read_declined(reader: Reader) -> pd.DataFrame:
    """Declined-trade P&L by gate, above 0 where the gate cost money: gate, n, mean_bps, low, high, n_effective."""
    return reader.frame("SELECT gate, n, mean_bps, low, high, n_effective FROM v_declined ORDER BY mean_bps IS NULL, n DESC, gate")


def find_newest_checkpoint(reader: Reader) -> int | None:
    """The tick of the newest checkpoint."""
    with reader.reading() as connection:
        tick = fetch_scalar(connection, "SELECT max(tick) FROM checkpoints")
    return None if tick is None else int(tick)


def read_calibration(reader: Reader, tick: int) -> CalibrationReport | None:
    """Reliability, coverage and Brier score by horizon, from the checkpoint at that tick; None without one."""
    with reader.reading() as connection:
        row = fetch_first(connection, "SELECT c.data, t.at FROM checkpoints c JOIN ticks t ON t.tick = c.tick WHERE c.tick = :tick", tick=tick)
        _, horizons = _names(connection)
        skill = fetch_all(connection, "SELECT horizon, n, n_effective FROM skill WHERE scope = 'ensemble' AND regime = 'all'")
    if row is None:
        return None
    try:
        state = codec.unpack(State, bytes(row["data"]))
    except ValueError as error:
        return CalibrationReport(tick, int(row["at"]), (), error=str(error))
    shares = {cell["horizon"]: cell["n_effective"] / cell["n"] for cell in skill if cell["n"] and cell["n_effective"]}
    checks = tuple(calibrate_horizon(state, place, horizon, shares.get(horizon)) for place, horizon in enumerate(horizons))
    return CalibrationReport(tick, int(row["at"]), checks, selection_gain.selection_gain_interval(state.selection_gain))


def _roles(frame: pd.DataFrame, last: RowMapping | None, contestants: set[tuple[int, str]]) -> list[str]:
    """The roles of versions, newest first, at the newest tick."""
    if last is None:
        return ["retired"] * len(frame)
    tick, session = int(last["tick"]), int(last["session"])
    serving, shadows = set(_loads(last["serving"]) or []), set(_loads(last["shadows"]) or [])
    roles, champions = [], set()
    versions: Iterator[Any] = frame.itertuples(index=False)
    for version in versions:
        if version.session != session:
            roles.append("retired")
        elif version.serves_from <= tick and version.digest in serving and version.model not in champions:
            champions.add(version.model)
            roles.append("champion")
        elif version.serves_from > tick or (session, version.version) in contestants:
            roles.append("challenger")
        else:
            roles.append("shadow" if version.digest in shadows else "retired")
    return roles


def _names(connection: Connection) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Models and horizons of the running session."""
    row = fetch_first(connection, "SELECT models, horizons FROM sessions ORDER BY id DESC LIMIT 1")
    return ((), ()) if row is None else (tuple(_loads(row["models"])), tuple(_loads(row["horizons"])))


def _symbol_votes(symbol: str, votes: Any, forecast: Any, weights: Any, names: tuple[tuple[str, ...], tuple[int, ...]]) -> list[tuple[object, ...]]:
    """The votes on one symbol; votes of a session with other models are left out."""
    models, horizons = names
    if not votes or not forecast or len(votes["mean"]) != len(models):
        return []
    confidence, scale = votes.get("confidence"), forecast["scale"]
    parts: list[tuple[object, ...]] = [
        (symbol, model, horizon, _bps(_at(votes["mean"][m], h), _at(scale, h)), _at(votes["trust"][m], h),
         _at(confidence[m], h) if confidence else None, _at(weights[m], h), None)
        for m, model in enumerate(models)
        for h, horizon in enumerate(horizons)
    ]  # fmt: skip
    return parts + [
        (symbol, "ensemble", horizon, _bps(_at(forecast["mean"], h), _at(scale, h)), None, _at(forecast["probability"], h), None,
         _bps(_at(votes.get("disagreement"), h), _at(scale, h)))
        for h, horizon in enumerate(horizons)
    ]  # fmt: skip


def _bps(mean: float, scale: float) -> float:
    """Horizon volatilities as bps; a scale of 0 means that the volatility is unknown."""
    return mean * scale * 1e4 if scale else math.nan


def _at(values: Any, place: int) -> float:
    return math.nan if values is None or place >= len(values) or values[place] is None else float(values[place])


def _loads(text: Any) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError as error:
        raise StoreUnreadable(f"a row of the store cannot be read: {error}", "corrupt") from None
