"""Evolutions, the points of their contests, findings and drift, as statements inside the transaction of a tick."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import numpy as np

from engine.domain.evolution import EvolutionReport
from engine.domain.tick import Tick
from engine.store import schema
from engine.store.connection import build_insert
from engine.store.write.tick_rows import Row, to_json

MAX_POINTS = 400  # of one evolution and horizon
THINNED_POINTS = 200  # that are left of them, evenly spaced
DECIDED_POINTS = 100  # that are left once its contest is decided
FINDINGS_AT, DRIFT_AT = "findings", "drift"  # keys in meta, followed by the session: {tick, at} of the newest search and test

# A change that was promoted is watched: its rows from then on have no verdict of their own, and those of its promotion stay.
# The trigger may be older than the row's first tick, and its own tick may be pruned: then the bar time is that of the row's first tick.
_UPSERT = """
INSERT INTO evolutions (session, number, at, began, "trigger", detail, strategy, model, version, parent, state, evidence, threshold,
    decided_at, decided, verdict)
VALUES (?1, ?2, coalesce((SELECT at FROM ticks WHERE tick = ?3 AND session = ?1), ?4), ?3, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
    CASE WHEN ?14 IS NULL THEN NULL ELSE coalesce((SELECT at FROM ticks WHERE tick = ?14 AND session = ?1), ?4) END, ?14, ?15)
ON CONFLICT (session, number) DO UPDATE SET detail = excluded.detail, strategy = excluded.strategy, version = excluded.version,
    parent = excluded.parent, state = excluded.state,
    evidence = CASE WHEN excluded.decided IS NULL AND evolutions.decided IS NOT NULL THEN evolutions.evidence ELSE excluded.evidence END,
    threshold = CASE WHEN excluded.decided IS NULL AND evolutions.decided IS NOT NULL THEN evolutions.threshold ELSE excluded.threshold END,
    verdict = CASE WHEN excluded.decided IS NULL AND evolutions.decided IS NOT NULL THEN evolutions.verdict ELSE excluded.verdict END,
    decided_at = coalesce(excluded.decided_at, decided_at), decided = coalesce(excluded.decided, decided)
"""
_POINT = build_insert(schema.CONTEST_POINTS, verb="INSERT OR REPLACE")
_FINDING, _DRIFT = build_insert(schema.FINDINGS), build_insert(schema.DRIFT)
_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
_COUNT = "SELECT count(*), min(tick), max(tick) FROM contest_points WHERE session = ? AND number = ? AND horizon = ?"
# keeps the first point and the last of each interval of equal length
_THIN = """
DELETE FROM contest_points WHERE session = ?1 AND number = ?2 AND horizon = ?3 AND tick > ?4 AND tick NOT IN (
    SELECT max(tick) FROM contest_points WHERE session = ?1 AND number = ?2 AND horizon = ?3 GROUP BY (tick - ?4) * ?6 / (?5 - ?4 + 1))
"""


@dataclass(frozen=True, slots=True)
class EvolutionStatements:
    """The rows of one tick, built before its transaction begins."""

    session: int
    tick: int
    at: int  # ns UTC
    rows: list[Row]
    points: list[Row]
    decided: tuple[int, ...]  # numbers of the evolutions decided at this tick
    findings: list[Row] | None
    drift: list[Row] | None

    def execute(self, driver: sqlite3.Connection) -> None:
        """Store everything, inside the caller's transaction and after the row of the tick."""
        if self.rows:
            driver.executemany(_UPSERT, self.rows)
        if self.points:
            driver.executemany(_POINT, self.points)
        for number, horizon in [(int(row[1]), int(row[2])) for row in self.points]:
            self._thin(driver, number, horizon, MAX_POINTS, THINNED_POINTS)
        for number in self.decided:
            horizons = driver.execute(
                "SELECT DISTINCT horizon FROM contest_points WHERE session = ? AND number = ?", (self.session, number)
            ).fetchall()
            for (horizon,) in horizons:
                self._thin(driver, number, horizon, DECIDED_POINTS, DECIDED_POINTS - 1)
        for key, table, statement, new_rows in (
            (FINDINGS_AT, "findings", _FINDING, self.findings),
            (DRIFT_AT, "drift", _DRIFT, self.drift),
        ):
            if new_rows is not None:
                driver.execute(f"DELETE FROM {table}")
                driver.executemany(statement, new_rows)
                driver.execute(_META, (f"{key}.{self.session}", to_json({"tick": self.tick, "at": self.at})))

    def _thin(self, driver: sqlite3.Connection, number: int, horizon: int, limit: int, target: int) -> None:
        """Leave `target` evenly spaced points, and the first, where there are more than `limit`."""
        key = (self.session, number, horizon)
        count, first, last = driver.execute(_COUNT, key).fetchone()
        if count > limit:
            driver.execute(_THIN, (*key, first, last, target))


def build_statements(tick: Tick) -> EvolutionStatements:
    """The rows of a tick's evolution, none where nothing evolves."""
    report = tick.evolution or EvolutionReport()
    at, number = tick.inputs.at, tick.inputs.tick
    rows: list[Row] = [
        (
            tick.session, row.number, row.began, at, row.trigger, row.detail, row.strategy, row.model, row.version, row.parent, row.state,
            _real(row.evidence), _real(row.threshold), row.decided, row.verdict,
        )
        for row in report.rows
    ]  # fmt: skip
    points: list[Row] = [
        (
            tick.session, point.number, point.horizon, number, _real(point.r2_gain), *map(_real, point.log_e), _real(point.log_threshold),
            point.blocks, point.clipped, point.differing, _real(point.differing_bps),
        )
        for point in report.points
    ]  # fmt: skip
    decided = tuple(row.number for row in report.rows if row.decided is not None)
    return EvolutionStatements(tick.session, number, at, rows, points, decided, _finding_rows(report), _drift_rows(report))


def _finding_rows(report: EvolutionReport) -> list[Row] | None:
    if report.findings is None:
        return None
    return [
        (row.dimension, row.condition, row.horizon, row.measure, row.unit, _real(row.estimate), _real(row.low), _real(row.high), row.n, _real(row.q))
        for row in report.findings
    ]


def _drift_rows(report: EvolutionReport) -> list[Row] | None:
    if report.drift is None:
        return None
    return [(row.subject, row.column, _real(row.ks), _real(row.q), row.place, int(row.drifted)) for row in report.drift]


def _real(value: float | None) -> float | None:
    """NaN and infinity as NULL: SQLite would store infinity."""
    return float(value) if value is not None and np.isfinite(value) else None
