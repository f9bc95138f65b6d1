"""What the engine writes: ticks whole or not at all, artifacts, readings, and how it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import orjson
from sqlalchemy import Connection

from engine.domain.decision import REGIMES
from engine.domain.optimization import Action, ActionResult, Firing, Reading, Trial
from engine.domain.ports import FeedInfo
from engine.domain.state import State
from engine.domain.tick import Artifact, Tick
from engine.domain.trading_config import TradingConfig
from engine.store import codec, retention, schema
from engine.store.connection import Store, build_insert, driver_connection, fetch_value
from engine.store.errors import StoreError
from engine.store.retention import PruneResult, RetentionPolicy
from engine.store.write import components, counters, incidents, readings, tick_rows
from engine.store.write.tick_rows import to_json

_TICK, _DECISION, _FILL, _SLICE, _CHECKPOINT, _SKILL, _REGRET, _OUTLOOK, _SESSION, _RUN = (
    build_insert(table)
    for table in (
        schema.TICKS, schema.DECISIONS, schema.FILLS, schema.MARKET_SNAPSHOTS, schema.CHECKPOINTS, schema.SKILL, schema.DECLINED, schema.LIQUIDITY_FORECAST,
        schema.SESSIONS, schema.RUNS,
    )
)  # fmt: skip
_KNOBS = build_insert(schema.TRADING_CONFIGS, verb="INSERT OR IGNORE")
_ARTIFACT = build_insert(schema.ARTIFACTS)
_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"


class Writer:
    """The engine's pen. `holder` is the lease's: once another engine has taken the store, every call raises LeaseLost."""

    def __init__(self, url: str, holder: str | None = None, keep: RetentionPolicy | None = None, *, busy_ms: int = 5000) -> None:
        """With `keep`, a store that has grown past its size is pruned by `save` itself, at the end of a block."""
        self._store = Store(url, holder, busy_ms=busy_ms)
        self._keep, self._size = keep, retention.measure_size(self._store)
        self._store.pragma(f"PRAGMA wal_autocheckpoint = {retention.choose_log_pages(keep)}")
        self._knobs: tuple[TradingConfig, tuple[str, bytes]] | None = None  # those last saved, their digest and bytes
        self._ladder: tuple[int, tuple[str, ...]] | None = None  # the session and the names of its gates
        self._tiers = readings.ReadingsWriter()

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
        """Goes on with the newest session where its identity is the same, begins one otherwise; gives its number."""
        with self._store.write() as connection:
            found = connection.exec_driver_sql("SELECT id, identity FROM sessions ORDER BY id DESC LIMIT 1").first()
            platform = to_json(dict(fingerprint))
            if found is not None and found[1] == identity:
                session = int(found[0])
                connection.exec_driver_sql("UPDATE sessions SET settings = ?, fingerprint = ? WHERE id = ?", (settings_json, platform, session))
            else:
                session = 1 if found is None else int(found[0]) + 1
                row = (
                    session, now, identity, info.name, info.label, to_json(info.symbols), info.interval, to_json(list(models)),
                    to_json(list(horizons)), to_json(REGIMES), None, None, None, to_json(info.tick_size), settings_json, platform,
                    int(info.simulated),
                )  # fmt: skip
                connection.exec_driver_sql(_SESSION, row)
                connection.exec_driver_sql(incidents.CLOSE_UNFINISHED, (session,))
            last = fetch_value(connection, "SELECT max(tick) FROM ticks")
            connection.exec_driver_sql(_RUN, (None, session, now, 0 if last is None else int(last) + 1, settings_json, platform))
        self._ladder = None
        return session

    def last_tick(self) -> int | None:
        """The newest tick of any session, None in an empty store."""
        with self._store.read() as connection:
            last = fetch_value(connection, "SELECT max(tick) FROM ticks")
        return None if last is None else int(last)

    def save(self, tick: Tick) -> None:
        """The tick with its decisions, fills, slice, checkpoint and skill: all of it, or none and StoreFailed."""
        knobs = self._pack_knobs(tick.inputs.config)
        number = tick.inputs.tick
        # everything is made before the transaction begins: other writers wait only for the inserts
        row, fills, faults = (
            tick_rows.build_tick_row(tick, knobs[0]),
            tick_rows.build_fill_rows(tick.fills, tick.inputs),
            incidents.build_incident_rows(tick),
        )
        anew = (
            ("skill", _SKILL, tick_rows.build_skill_rows(tick)),
            ("regret", _REGRET, tick_rows.build_declined_rows(tick)),
            ("outlook", _OUTLOOK, tick_rows.build_liquidity_forecast_rows(tick)),
        )
        decisions, counts = tick_rows.build_decision_rows(tick, self._names_of_gates(tick)), counters.count_tick(tick)
        piece = (number, tick.session, tick.snapshot.at, codec.pack(tick.snapshot), codec.pack(tick.training_row))
        state = codec.pack(tick.outcome.state) if tick.checkpoint else None
        with self._store.write() as connection:
            if not _follows(connection, tick):
                return
            rapid = driver_connection(connection)
            rapid.execute(_KNOBS, knobs)
            rapid.execute(_TICK, row)
            rapid.execute(_SLICE, piece)
            rapid.executemany(_DECISION, decisions)
            rapid.executemany(counters.ADD_COUNT, counts)
            if fills:
                rapid.executemany(_FILL, fills)
            if state is not None:
                rapid.execute(_CHECKPOINT, (number, tick.session, state))
            if faults:
                rapid.executemany(incidents.UPSERT_INCIDENT, faults)
            if tick.execution:
                rapid.execute(_META, (f"execution.{tick.session}", tick_rows.encode_execution(tick)))
            for table, statement, told in anew:
                _renew(connection, table, statement, told)
        if tick.checkpoint and self._keep is not None:
            self._size = retention.prune_ahead(self._store, tick.decided_at, self._keep, self._size)

    def save_artifact(self, artifact: Artifact, session: int, now: int) -> None:
        """A model with its lineage; the same version again replaces the one before."""
        row = (
            None, artifact.data_digest, artifact.model, artifact.version, artifact.trained_from, artifact.trained_to, artifact.rows, artifact.seconds,
            to_json(artifact.columns), artifact.serves_from, session, now, artifact.data,
        )  # fmt: skip
        with self._store.write() as connection:
            connection.exec_driver_sql("DELETE FROM artifacts WHERE session = ? AND version = ?", (session, artifact.version))
            connection.exec_driver_sql(_ARTIFACT, row)

    def save_checkpoint(self, tick: int, session: int, state: State) -> None:
        """The state that ticks after this one are decided from, in the place of one that is there."""
        with self._store.write() as connection:
            connection.exec_driver_sql("DELETE FROM checkpoints WHERE tick = ?", (tick,))
            connection.exec_driver_sql(_CHECKPOINT, (tick, session, codec.pack(state)))

    def drop_checkpoint(self, tick: int) -> None:
        """Takes out a checkpoint that cannot be read."""
        with self._store.write() as connection:
            connection.exec_driver_sql("DELETE FROM checkpoints WHERE tick = ?", (tick,))

    def end_session(self, session: int, identity: str) -> None:
        """Gives a session an identity that no start has, so that the next one begins a new session."""
        with self._store.write() as connection:
            connection.exec_driver_sql("UPDATE sessions SET identity = ? WHERE id = ?", (identity, session))

    def remember(self, key: str, value: str) -> None:
        """Keeps a fact that outlives ticks, under its key."""
        with self._store.write() as connection:
            connection.exec_driver_sql(_META, (key, value))

    def save_readings(self, told: Sequence[Reading]) -> None:
        """Readings as they are, and rolled up where they close a bucket (store/readings.py); the same again changes nothing."""
        tiers, self._tiers = self._tiers, readings.ReadingsWriter()  # what a transaction that fails has taught is forgotten
        with self._store.write() as connection:
            tiers.save(connection, told)
        self._tiers = tiers

    def set_component(self, name: str, state: str, error: str | None, now: int) -> None:
        """ok, degraded, down or starting; the last error stays until there is another."""
        with self._store.write() as connection:
            components.set_component(connection, name, state, error, now)

    def raise_alert(self, rule: str, severity: str, message: str, now: int) -> None:
        """Opens the rule's alert, or renews the words of the one that is open."""
        with self._store.write() as connection:
            components.raise_alert(connection, rule, severity, message, now)

    def resolve_alert(self, rule: str, now: int) -> None:
        """Closes the rule's open alert, if there is one."""
        with self._store.write() as connection:
            components.resolve_alert(connection, rule, now)

    @property
    def store(self) -> Store:
        """The connection itself, for the store's upkeep."""
        return self._store

    def write(self) -> AbstractContextManager[Connection]:
        """A transaction, whole or absent, for the statements of the other files of this folder."""
        return self._store.write()

    def save_firing(self, told: Firing) -> int:
        """A rule that fired, cleared or lost sight of its metric; gives its number."""
        with self._store.write() as connection:
            return components.save_firing(connection, told)

    def save_trial(self, trial: Trial) -> int:
        """One run of an action, by hand or not, or a placebo; gives its number."""
        with self._store.write() as connection:
            return components.save_trial(connection, trial)

    def sync_actions(self, actions: Sequence[Action], modes: Mapping[str, str], licence: str = "recommend") -> None:
        """Makes the table of actions what was discovered; an action's licence, once there, stays as it is."""
        with self._store.write() as connection:
            components.sync_actions(connection, actions, modes, licence)

    def prune(self, now: int, keep: RetentionPolicy) -> PruneResult:
        """Drops what is older or more than is to be kept, a little at a time, so that a tick never waits long."""
        return retention.prune_store(self._store, now, keep)

    def tune(self) -> ActionResult:
        """Folds the log into the store, gives its free pages back and renews the planner's figures; says what that freed."""
        return retention.compact_store(self._store)

    def _pack_knobs(self, knobs: TradingConfig) -> tuple[str, bytes]:
        if self._knobs is None or self._knobs[0] is not knobs:
            self._knobs = (knobs, (knobs.digest(), codec.pack(knobs)))
        return self._knobs[1]

    def _names_of_gates(self, tick: Tick) -> tuple[str, ...]:
        """The names of the session's ladder; the first whole ladder of a session becomes it."""
        if self._ladder is not None and self._ladder[0] == tick.session:
            return self._ladder[1]
        with self._store.write() as connection:
            known = fetch_value(connection, "SELECT gates FROM sessions WHERE id = ?", (tick.session,))
            if known is None and len(tick.outcome.decisions.gates) and not tick.outcome.degraded:
                known = _tell_session(connection, tick)
        names = tuple(gate["name"] for gate in orjson.loads(known)) if known is not None else ()
        if known is not None:
            self._ladder = (tick.session, names)
        return names


def _renew(connection: Connection, table: str, statement: str, told: list[tick_rows.Row]) -> None:
    """Puts a table's new rows in the place of its old ones, where there are new ones."""
    if told:
        connection.exec_driver_sql(f"DELETE FROM {table}")
        connection.exec_driver_sql(statement, told)


def _follows(connection: Connection, tick: Tick) -> bool:
    """Whether the tick is the next one; False where it has been saved before, as when an error hid that it was. Else StoreFailed."""
    last = driver_connection(connection).execute("SELECT tick, wall, digest FROM ticks ORDER BY tick DESC LIMIT 1").fetchone()
    number = tick.inputs.tick
    if last is not None and last[0] == number and last[1:] == (tick.decided_at, tick.decisions_digest):
        return False
    if last is not None and last[0] + 1 != number:
        raise StoreError(f"tick {number} does not follow tick {last[0]}: nothing was saved")
    return True


def _tell_session(connection: Connection, tick: Tick) -> str:
    """Writes down what only a tick can tell about its session; gives the ladder."""
    outcome = tick.outcome
    ladder = to_json([{"name": gate.name, "sense": gate.sense, "unit": gate.unit} for gate in outcome.decisions.gates])
    connection.exec_driver_sql(
        "UPDATE sessions SET gates = ?, limits = ?, columns = ? WHERE id = ?",
        (ladder, to_json(outcome.sizes.limits), to_json(outcome.features.columns), tick.session),
    )
    return ladder
