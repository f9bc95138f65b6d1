"""The engine's writer: ticks, whole or not at all, artifacts, readings and the state of components."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import orjson
from sqlalchemy import Connection, Table

from engine.domain.decision import REGIMES
from engine.domain.live import StreamStatus
from engine.domain.optimization import Action, ActionResult, Firing, Reading, Trial
from engine.domain.ports import FeedInfo
from engine.domain.recipe import recipe_to_json
from engine.domain.state import State
from engine.domain.tick import Artifact, Tick
from engine.domain.trading_config import TradingConfig
from engine.store import codec, maintenance, retention, schema
from engine.store.connection import Store, build_insert, driver_connection, fetch_value
from engine.store.errors import StoreError
from engine.store.retention import PruneResult, RetentionPolicy
from engine.store.write import alerts, audit, bots, components, counters, events, evolution, incidents, optimizer, readings, streams, tick_rows
from engine.store.write.tick_rows import to_json

_TICK, _DECISION, _FILL, _SNAPSHOT, _CHECKPOINT, _SESSION, _RUN = (
    build_insert(table)
    for table in (
        schema.TICKS, schema.DECISIONS, schema.FILLS, schema.MARKET_SNAPSHOTS, schema.CHECKPOINTS, schema.SESSIONS, schema.RUNS,
    )
)  # fmt: skip
_CONFIG = build_insert(schema.TRADING_CONFIGS, verb="INSERT OR IGNORE")
_ARTIFACT = build_insert(schema.ARTIFACTS)
_ESTIMATE = build_insert(schema.ESTIMATES, verb="INSERT OR REPLACE")
_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"


class Writer:
    """Writes to the store. `holder` is that of the lease: once another engine has acquired it, every call raises LeaseLost."""

    def __init__(self, url: str, holder: str | None = None, keep: RetentionPolicy | None = None, *, busy_ms: int = 5000) -> None:
        """With `keep`, `save` prunes a store that has outgrown its limit, at the end of a block of ticks."""
        self._store = Store(url, holder, busy_ms=busy_ms)
        self._keep, self._size = keep, maintenance.measure_size(self._store)
        self._store.pragma(f"PRAGMA wal_autocheckpoint = {retention.choose_log_pages(keep)}")
        self._config: tuple[TradingConfig, tuple[str, bytes]] | None = None  # the last one saved, its digest and bytes
        self._gates: tuple[int, tuple[str, ...]] | None = None  # the session and the names of its gates
        self._tiers = readings.ReadingsWriter()
        self.referee = bots.BotReferee()  # of outside bots, judged with each tick

    def close(self) -> None:
        self._store.close()

    def begin_session(
        self,
        identity: str,
        info: FeedInfo,
        models: Sequence[str],
        horizons: Sequence[int],
        settings_json: str,
        fingerprint: Mapping[str, str],
        now: int,
    ) -> int:
        """Continue the newest session where its identity is the same, else begin one; return its number."""
        with self._store.write() as connection:
            newest = connection.exec_driver_sql("SELECT id, identity FROM sessions ORDER BY id DESC LIMIT 1").mappings().first()
            platform = to_json(dict(fingerprint))
            if newest is not None and newest["identity"] == identity:
                session = int(newest["id"])
                connection.exec_driver_sql("UPDATE sessions SET settings = ?, fingerprint = ? WHERE id = ?", (settings_json, platform, session))
            else:
                session = 1 if newest is None else int(newest["id"]) + 1
                row = (
                    session, now, identity, info.name, info.label, to_json(info.symbols), info.interval, to_json(list(models)),
                    to_json(list(horizons)), to_json(REGIMES), None, None, None, to_json(info.tick_size), settings_json, platform,
                    int(info.simulated),
                )  # fmt: skip
                connection.exec_driver_sql(_SESSION, row)
                connection.exec_driver_sql(incidents.CLOSE_UNFINISHED, (session,))
            last = fetch_value(connection, "SELECT max(tick) FROM ticks")
            audit.append_settings(driver_connection(connection), settings_json, now)
            connection.exec_driver_sql(_RUN, (None, session, now, 0 if last is None else int(last) + 1, settings_json, platform))
        self._gates = None
        return session

    def last_tick(self) -> int | None:
        """The newest tick of any session; None in an empty store."""
        with self._store.read() as connection:
            last = fetch_value(connection, "SELECT max(tick) FROM ticks")
        return None if last is None else int(last)

    def save(self, tick: Tick) -> None:
        """Store a tick with its decisions, fills, snapshot, checkpoint and skill: all of it, or nothing and StoreError."""
        config = self._pack_config(tick.inputs.config)
        number = tick.inputs.tick
        # everything is computed before the transaction begins: other writers wait only for the inserts
        row, fills, changes = (
            tick_rows.build_tick_row(tick, config[0]), tick_rows.build_fill_rows(tick.fills, tick.inputs), incidents.build_incident_rows(tick),
        )  # fmt: skip
        tables = (
            (schema.SKILL, tick_rows.build_skill_rows(tick)), (schema.DECLINED, tick_rows.build_declined_rows(tick)),
            (schema.LIQUIDITY_FORECAST, tick_rows.build_liquidity_forecast_rows(tick)),
        )  # fmt: skip
        decisions, counts = tick_rows.build_decision_rows(tick, self._gate_names(tick)), counters.count_tick(tick)
        evolved = evolution.build_statements(tick)
        snapshot = (number, tick.session, tick.snapshot.at, codec.pack(tick.snapshot), codec.pack(tick.training_row))
        state = codec.pack(tick.outcome.state) if tick.checkpoint else None
        with self._store.write_directly() as driver:
            if not _follows(driver, tick):
                self.referee.reload()
                return
            driver.execute(_CONFIG, config)
            driver.execute(_TICK, row)
            driver.execute(_SNAPSHOT, snapshot)
            driver.executemany(_DECISION, decisions)
            driver.executemany(counters.ADD_COUNT, counts)
            if fills:
                driver.executemany(_FILL, fills)
            if state is not None:
                driver.execute(_CHECKPOINT, (number, tick.session, state))
            if changes:
                driver.executemany(incidents.UPSERT_INCIDENT, changes)
            evolved.execute(driver)
            driver.executemany(events.ADD_EVENT, events.build_tick_rows(tick))
            _store_estimates(driver, tick, tables)
            judged = self.referee.judge(driver, tick)
        self.referee.accept(judged)
        if tick.checkpoint and self._keep is not None:
            self._size = retention.prune_ahead(self._store, tick.decided_at, self._keep, self._size)

    def save_artifact(self, artifact: Artifact, session: int, now: int) -> None:
        """Store a fitted model with its lineage. The same version again replaces the previous row."""
        row = (
            None, artifact.data_digest, artifact.model, artifact.version, artifact.trained_from, artifact.trained_to, artifact.rows, artifact.seconds,
            to_json(artifact.columns), artifact.serves_from, session, now, artifact.data, recipe_to_json(artifact.recipe),
            artifact.origin,
        )  # fmt: skip
        with self._store.write() as connection:
            connection.exec_driver_sql("DELETE FROM artifacts WHERE session = ? AND version = ?", (session, artifact.version))
            connection.exec_driver_sql(_ARTIFACT, row)

    def save_checkpoint(self, tick: int, session: int, state: State) -> None:
        """Store the state after this tick, in place of an existing checkpoint."""
        with self._store.write() as connection:
            connection.exec_driver_sql("DELETE FROM checkpoints WHERE tick = ?", (tick,))
            connection.exec_driver_sql(_CHECKPOINT, (tick, session, codec.pack(state)))

    def drop_checkpoint(self, tick: int) -> None:
        """Delete a checkpoint that cannot be read."""
        with self._store.write() as connection:
            connection.exec_driver_sql("DELETE FROM checkpoints WHERE tick = ?", (tick,))

    def end_session(self, session: int, identity: str) -> None:
        """Give a session an identity that no start has, so that the next start begins a new session."""
        with self._store.write() as connection:
            connection.exec_driver_sql("UPDATE sessions SET identity = ? WHERE id = ?", (identity, session))

    def remember(self, key: str, value: str) -> None:
        """Store a value under its key, independent of ticks."""
        with self._store.write() as connection:
            connection.exec_driver_sql(_META, (key, value))

    def save_readings(self, samples: Sequence[Reading]) -> None:
        """Store readings, and roll up the buckets they close. The same readings again change nothing."""
        tiers, self._tiers = self._tiers, readings.ReadingsWriter()  # discards what a failed transaction has learned
        with self._store.write() as connection:
            tiers.save(connection, samples)
        self._tiers = tiers

    def set_component(self, name: str, state: str, error: str | None, now: int) -> None:
        """Set a component's state: ok, degraded, down or starting. The last error stays until there is another."""
        with self._store.write() as connection:
            components.set_component(connection, name, state, error, now)

    def save_streams(self, status: Sequence[StreamStatus]) -> None:
        """Replace the state of a live market's streams."""
        with self._store.write() as connection:
            streams.replace_streams(connection, status)

    def raise_alert(self, rule: str, severity: str, message: str, now: int) -> None:
        """Open the rule's alert, or update the one that is open."""
        with self._store.write() as connection:
            alerts.raise_alert(connection, rule, severity, message, None, now)

    def resolve_alert(self, rule: str, now: int) -> None:
        """Resolve the rule's open alert, if there is one."""
        with self._store.write() as connection:
            alerts.resolve_alert(connection, rule, now)

    @property
    def store(self) -> Store:
        """The connection itself, for maintenance."""
        return self._store

    def write(self) -> AbstractContextManager[Connection]:
        """A transaction for the statements of the other modules of this package."""
        return self._store.write()

    def save_firing(self, firing: Firing) -> int:
        """Store a rule that fired, cleared or lost its metric; return its number."""
        with self._store.write() as connection:
            return optimizer.save_firing(connection, firing)

    def save_trial(self, trial: Trial) -> int:
        """Store a run of an action, manual or automatic, or a placebo; return its number."""
        with self._store.write() as connection:
            return optimizer.save_trial(connection, trial)

    def sync_actions(self, actions: Sequence[Action], modes: Mapping[str, str], licence: str = "recommend") -> None:
        """Make the table of actions match the discovered ones. An existing licence stays."""
        with self._store.write() as connection:
            optimizer.sync_actions(connection, actions, modes, licence)

    def prune(self, now: int, keep: RetentionPolicy) -> PruneResult:
        """Delete what exceeds the policy, in small steps, so that a tick never waits long."""
        return retention.prune_store(self._store, now, keep)

    def tune(self) -> ActionResult:
        """Fold the write-ahead log into the store, return free pages and renew the query planner's statistics; return the bytes freed."""
        return maintenance.compact_store(self._store)

    def _pack_config(self, config: TradingConfig) -> tuple[str, bytes]:
        if self._config is None or self._config[0] is not config:
            self._config = (config, (config.digest(), codec.pack(config)))
        return self._config[1]

    def _gate_names(self, tick: Tick) -> tuple[str, ...]:
        """The names of the session's gates: those of its first tick without a fallback."""
        if self._gates is not None and self._gates[0] == tick.session:
            return self._gates[1]
        with self._store.write() as connection:
            known = fetch_value(connection, "SELECT gates FROM sessions WHERE id = ?", (tick.session,))
            if known is None and len(tick.outcome.decisions.gates) and not tick.outcome.degraded:
                known = _describe_session(connection, tick)
        names = tuple(gate["name"] for gate in orjson.loads(known)) if known is not None else ()
        if known is not None:
            self._gates = (tick.session, names)
        return names


def _store_estimates(driver: sqlite3.Connection, tick: Tick, tables: Sequence[tuple[Table, list[tick_rows.Row]]]) -> None:
    """Store what is estimated every few ticks."""
    if tick.execution:
        driver.execute(_META, (f"execution.{tick.session}", tick_rows.encode_execution(tick)))
    for table, new_rows in tables:
        _replace_rows(driver, table, new_rows, tick.inputs.tick)


def _replace_rows(driver: sqlite3.Connection, table: Table, rows: list[tick_rows.Row], number: int) -> None:
    """Replace a table's rows, where there are new ones, and store them for this tick too."""
    if rows:
        driver.execute(_ESTIMATE, (table.name, number, tick_rows.to_json(rows)))
        driver.execute(f"DELETE FROM {table.name}")
        driver.executemany(build_insert(table), rows)


def _follows(driver: sqlite3.Connection, tick: Tick) -> bool:
    """Whether the tick is the next one; False where it is stored already, as after an error that hid its success. Else StoreError."""
    row = driver.execute("SELECT tick, wall, digest FROM ticks ORDER BY tick DESC LIMIT 1").fetchone()
    if row is None:
        return True
    last, decided_at, digest = row
    number = tick.inputs.tick
    if (last, decided_at, digest) == (number, tick.decided_at, tick.decisions_digest):
        return False
    if last + 1 != number:
        raise StoreError(f"tick {number} does not follow tick {last}: nothing was saved")
    return True


def _describe_session(connection: Connection, tick: Tick) -> str:
    """Store what only a tick shows of its session; return the gates as JSON."""
    outcome = tick.outcome
    gates = to_json([{"name": gate.name, "sense": gate.sense, "unit": gate.unit} for gate in outcome.decisions.gates])
    connection.exec_driver_sql(
        "UPDATE sessions SET gates = ?, limits = ?, columns = ? WHERE id = ?",
        (gates, to_json(outcome.sizes.limits), to_json(outcome.features.columns), tick.session),
    )
    return gates
