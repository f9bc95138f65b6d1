"""Evolutions, their contests, the lineage of recipes, findings and drift, for the pages."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from engine.domain.recipe import Recipe, recipe_from_json
from engine.store.read import models
from engine.store.read.reader import Reader, StoreUnreadable, fetch_all, fetch_first, fetch_frame
from engine.store.write.evolution import DRIFT_AT, FINDINGS_AT

OPEN_STATES = ("training", "racing")
MAX_CONTESTS = 40  # newest evolutions of the session whose contests are read
RECENT_TICKS = 16  # within which a contest that runs has a point
MAX_VERSIONS_OF_MODEL = 64  # newest versions of each model that a lineage is made of
_EVOLUTIONS = """
    SELECT e.id, e.session, e.number, e.at, e.began, e."trigger" AS trigger, e.detail, e.strategy, e.model, e.version, e.parent, e.state, e.verdict,
           e.evidence, e.threshold, e.decided_at, e.decided, e.session = (SELECT max(id) FROM sessions) AS is_current
    FROM evolutions e ORDER BY e.id DESC LIMIT :limit"""
_TRAINED = "SELECT session, version, seconds FROM artifacts WHERE seconds IS NOT NULL ORDER BY id DESC LIMIT :limit"
_NEWEST = "SELECT number FROM evolutions WHERE session = (SELECT max(id) FROM sessions) ORDER BY id DESC LIMIT :limit"
_STANDINGS = f"""
    SELECT p.number, p.horizon, p.tick, p.r2_gain, p.not_better, p.not_worse, p.worse_than_margin, p.better_than_margin, p.threshold, p.blocks,
           p.clipped, p.differing, p.differing_bps, coalesce(n.watched_from, n.first_tick) AS first_tick, n.watched_from IS NOT NULL AS is_watch,
           p.tick >= (SELECT max(tick) FROM ticks) - {RECENT_TICKS} AS is_recent
    FROM (SELECT c.session, c.number, c.horizon, max(c.tick) AS tick, min(c.tick) AS first_tick,
                 min(CASE WHEN c.tick > e.decided THEN c.tick END) AS watched_from
          FROM contest_points c JOIN evolutions e ON e.session = c.session AND e.number = c.number
          WHERE c.session = (SELECT max(id) FROM sessions) AND c.number IN ({_NEWEST}) GROUP BY c.session, c.number, c.horizon) n
    JOIN contest_points p ON p.session = n.session AND p.number = n.number AND p.horizon = n.horizon AND p.tick = n.tick
    ORDER BY p.number, p.horizon"""
_POINTS = """
    SELECT horizon, tick, r2_gain, not_better, not_worse, worse_than_margin, better_than_margin, threshold, blocks
    FROM contest_points WHERE session = (SELECT max(id) FROM sessions) AND number = :number ORDER BY horizon, tick"""
_ARMS = """
    SELECT t.arms, s.symbols, s.horizons, d.forecast, t.session FROM ticks t
    JOIN decisions d ON d.tick = t.tick AND d.symbol = :symbol JOIN sessions s ON s.id = t.session WHERE t.tick = :tick AND t.arms IS NOT NULL"""
_NAMES = "SELECT number, model, strategy, version, parent FROM evolutions WHERE session = :session"


@dataclass(frozen=True, slots=True)
class RecipeNode:
    """A recipe with what became of its versions; a child stands below the recipe that it was derived from."""

    place: str  # on the model axis
    recipe: Recipe
    depth: int  # 0 for a recipe without a stored parent
    state: str  # of its newest version: champion, or the state of its newest evolution, else the role
    versions: int
    newest: str  # version
    columns: int  # that there are to train on
    origin: str  # of the newest version


@dataclass(frozen=True, slots=True)
class StampedRows:
    """The rows of the newest search or test, and the bar of its tick; `tick` is None before the first."""

    rows: pd.DataFrame
    tick: int | None
    at: int | None  # ns UTC


@dataclass(frozen=True, slots=True)
class EvolutionView:
    """Everything that the section on evolution shows, but the points of one contest."""

    evolutions: pd.DataFrame
    standings: pd.DataFrame
    lineage: tuple[RecipeNode, ...]
    drift: StampedRows
    findings: StampedRows


@dataclass(frozen=True, slots=True)
class ArmForecastAtTick:
    """The ensemble's forecast for a symbol with an arm's versions or blend in it."""

    number: int
    model: str
    strategy: str
    version: str
    horizon: int  # bars
    bps: float | None
    ensemble_bps: float | None  # of the serving ensemble


def read_evolution_view(reader: Reader, *, limit: int) -> EvolutionView:
    """The newest `limit` evolutions with the standings of their contests, the lineage, drift and findings."""
    return EvolutionView(
        read_evolutions(reader, limit=limit), read_standings(reader), read_lineage(reader), read_drift(reader), read_findings(reader)
    )


def read_contests(reader: Reader, limit: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The newest `limit` evolutions and the standings of their contests: what a line of words needs."""
    return read_evolutions(reader, limit=limit), read_standings(reader)


def read_evolutions(reader: Reader, *, limit: int) -> pd.DataFrame:
    """The newest evolutions of all sessions, newest first; `seconds` is the CPU time of the training of their versions, NaN where not stored."""
    with reader.reading() as connection:
        frame = fetch_frame(connection, _EVOLUTIONS, {"limit": limit})
        trained = {(row["session"], row["version"]): row["seconds"] for row in fetch_all(connection, _TRAINED, limit=models.MAX_VERSIONS)}
    keys = [[(session, version) for version in text.split(", ")] for session, text in zip(frame["session"], frame["version"], strict=True)]
    frame["seconds"] = [math.fsum(trained[key] for key in key_list) if trained.keys() >= set(key_list) else math.nan for key_list in keys]
    return frame


def read_standings(reader: Reader) -> pd.DataFrame:
    """The newest point of the contests of the newest session, by number and horizon, with the tick of their first point; e-values are logarithms.

    is_watch: the contest was decided, and now the versions before are the arm: what is better then are those.
    """
    return reader.frame(_STANDINGS, {"limit": MAX_CONTESTS})


def read_contest(reader: Reader, number: int) -> pd.DataFrame:
    """The stored points of a contest of the newest session, by horizon and tick."""
    return reader.frame(_POINTS, {"number": number})


def read_lineage(reader: Reader) -> tuple[RecipeNode, ...]:
    """The recipes of the newest session as a tree: each is followed by those derived from it, oldest first."""
    versions = models.read_versions(reader, limit=MAX_VERSIONS_OF_MODEL)
    evolutions = read_evolutions(reader, limit=MAX_CONTESTS)
    if versions.empty:
        return ()
    versions = versions[versions["session"] == versions["session"].max()]
    states = {row["version"]: row["state"] for row in evolutions[evolutions["is_current"] == 1].iloc[::-1].to_dict("records")}
    nodes = {}
    for (place, _), group in versions.assign(recipe_id=[_recipe(row).id for row in versions.to_dict("records")]).groupby(
        ["model", "recipe_id"], sort=False
    ):
        nodes[str(place), str(group["recipe_id"].iloc[0])] = _node(group.to_dict("records"), states)
    return tuple(_in_order(nodes))


def read_findings(reader: Reader) -> StampedRows:
    """The findings that hold since the newest search, the surest first."""
    sql = (
        'SELECT dimension, "condition" AS condition, horizon, measure, unit, estimate, low, high, n, q FROM findings ORDER BY q, dimension, condition'
    )
    return _stamped(reader, sql, FINDINGS_AT)


def read_drift(reader: Reader) -> StampedRows:
    """The newest test of every column for drift, the largest distance first."""
    sql = 'SELECT subject, "column" AS "column", ks, q, place, drifted FROM drift ORDER BY drifted DESC, subject DESC, ks IS NULL, ks DESC, "column"'
    return _stamped(reader, sql, DRIFT_AT)


def read_arm_forecasts(reader: Reader, tick: int, symbol: str) -> tuple[ArmForecastAtTick, ...]:
    """The forecasts of the arms for a symbol at a tick, by arm and horizon; () where no contest ran."""
    with reader.reading() as connection:
        row = fetch_first(connection, _ARMS, tick=tick, symbol=symbol)
        if row is None:
            return ()
        symbols, horizons = json.loads(row["symbols"]), json.loads(row["horizons"])
        names: dict[int, Mapping[str, Any]] = {int(name["number"]): dict(name) for name in fetch_all(connection, _NAMES, session=int(row["session"]))}
    forecast, place = json.loads(row["forecast"]), symbols.index(symbol)
    forecasts = []
    for number, mean in json.loads(row["arms"]).items():
        name = names.get(int(number), {"model": "", "strategy": "", "version": ""})
        for h, horizon in enumerate(horizons):
            scale = forecast["scale"][h]
            bps = (_in_bps(mean[h][place], scale), _in_bps(forecast["mean"][h], scale))
            forecasts.append(ArmForecastAtTick(int(number), name["model"], name["strategy"], name["version"], horizon, *bps))
    return tuple(forecasts)


def _stamped(reader: Reader, sql: str, key: str) -> StampedRows:
    with reader.reading() as connection:
        stamp = _stamp(connection, key)
        rows = fetch_frame(connection, sql)
    return StampedRows(rows, None, None) if stamp is None else StampedRows(rows, int(stamp["tick"]), int(stamp["at"]))


def _stamp(connection: Connection, key: str) -> dict[str, Any] | None:
    row = fetch_first(connection, "SELECT value FROM meta WHERE key = :key || '.' || (SELECT max(id) FROM sessions)", key=key)
    return None if row is None else dict(json.loads(row["value"]))


def _recipe(version: dict[Any, Any]) -> Recipe:
    try:
        return recipe_from_json(version["recipe"]) if version["recipe"] else Recipe(version["model"])
    except ValueError as error:
        raise StoreUnreadable(f"the recipe of {version['version']} cannot be read: {error}", "corrupt") from None


def _node(versions: list[dict[Any, Any]], states: dict[str, str]) -> RecipeNode:
    newest = versions[0]
    roles = {version["role"] for version in versions}
    decided = next((states[version["version"]] for version in versions if version["version"] in states), None)
    state = "champion" if "champion" in roles else decided or str(newest["role"])
    columns = len(json.loads(newest["columns"] or "[]"))
    return RecipeNode(str(newest["model"]), _recipe(newest), 0, state, len(versions), str(newest["version"]), columns, str(newest["origin"]))


def _in_order(nodes: dict[tuple[str, str], RecipeNode]) -> list[RecipeNode]:
    """Parents before their children, whose depth is one more; a recipe that names itself among its ancestors begins a tree of its own."""
    ordered: list[RecipeNode] = []
    seen: set[tuple[str, str]] = set()
    oldest_first = list(nodes)[::-1]

    def add(key: tuple[str, str], depth: int) -> None:
        if key in seen:
            return
        seen.add(key)
        node = nodes[key]
        ordered.append(RecipeNode(node.place, node.recipe, depth, node.state, node.versions, node.newest, node.columns, node.origin))
        for child in oldest_first:
            if child[0] == key[0] and nodes[child].recipe.parent == key[1]:
                add(child, depth + 1)

    for key in sorted(oldest_first, key=lambda key: key[0]):
        if (key[0], nodes[key].recipe.parent) not in nodes:
            add(key, 0)
    for key in oldest_first:
        add(key, 0)
    return ordered


def _in_bps(value: float | None, scale: float | None) -> float | None:
    """Horizon volatilities as bps; a scale of 0 means that the volatility is unknown."""
    return None if value is None or not scale else value * scale * 1e4
