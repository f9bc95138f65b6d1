"""What a restart and a replay read from the store, bit for bit: sessions, ticks, snapshots, checkpoints and artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
from sqlalchemy import RowMapping

from engine.domain.market import Account, MarketSnapshot
from engine.domain.recipe import Recipe, recipe_from_json
from engine.domain.record import Record
from engine.domain.state import State
from engine.domain.tick import Artifact, TrainingRow
from engine.domain.trading_config import Command, Event, TradingConfig
from engine.store import codec, database
from engine.store.errors import NotStored, StoreError, translate_errors

_TICK = (
    "SELECT t.tick, t.session, t.at, t.wall, t.digest, t.phase_digests, t.events, t.serving, t.shadows, t.degraded, t.account, k.data AS config, "
    "s.data AS snapshot FROM ticks t JOIN trading_configs k ON k.digest = t.config_digest JOIN market_snapshots s ON s.tick = t.tick "
)
_ARTIFACT = (
    "SELECT digest AS data_digest, model, version, data, trained_from, trained_to, rows, seconds, columns, serves_from, recipe, origin "
    "FROM artifacts "
)
_COMMANDS_SINCE = (
    "SELECT id, name, args, \"by\", reason FROM commands WHERE status = 'done' "
    "AND json_extract(result, '$.session') = ? AND json_extract(result, '$.at') >= ? ORDER BY id"
)
_CONFIGS = (
    "SELECT c.tick, k.data AS config FROM (SELECT tick, config_digest, lag(config_digest) OVER (ORDER BY tick) AS earlier FROM ticks "
    "WHERE tick BETWEEN ? AND ? AND session = ?) c JOIN trading_configs k ON k.digest = c.config_digest "
    "WHERE c.earlier IS NULL OR c.earlier <> c.config_digest ORDER BY c.tick"
)
_SESSION = "SELECT id, identity, feed, label, symbols, interval_ns AS interval, models, horizons, settings, started_at FROM sessions "


@dataclass(frozen=True, slots=True)
class StoredSession(Record):
    """A market identity and its settings at the latest start."""

    id: int
    identity: str
    feed: str
    label: str
    symbols: tuple[str, ...]
    interval: int  # ns
    models: tuple[str, ...]
    horizons: tuple[int, ...]
    settings: str  # JSON
    started_at: int  # ns UTC


@dataclass(frozen=True, slots=True)
class StoredTick(Record):
    """The inputs of a tick, without its window, state and models, and the digests of its results."""

    tick: int
    session: int
    at: int  # ns UTC
    wall: int  # ns UTC
    config: TradingConfig
    events: tuple[Event, ...]
    account: Account
    snapshot: MarketSnapshot
    decisions_digest: str
    phase_digests: tuple[str, ...]
    serving: tuple[str | None, ...]
    degraded: tuple[str, ...]  # names of phases
    shadows: tuple[str, ...] = ()  # digests of the versions that predict without a vote


class TickHistory:
    """Reads the store. Raises StoreError where it cannot be read, NotStored for what is not in it."""

    def __init__(self, url: str) -> None:
        self._path = database.path_from_url(url)
        self._engine = database.connect(url, read_only=True)

    def close(self) -> None:
        self._engine.dispose()

    def latest_session(self) -> StoredSession | None:
        """The session that began last; None without one."""
        row = self._first(_SESSION + "ORDER BY id DESC LIMIT 1")
        return None if row is None else _session(row)

    def session(self, number: int) -> StoredSession:
        """The session of this number; raises NotStored."""
        row = self._first(_SESSION + "WHERE id = ?", number)
        if row is None:
            raise NotStored(f"the store {self._path} has no session {number}")
        return _session(row)

    def tick_range(self, session: int | None = None) -> tuple[int, int] | None:
        """The first and the last stored tick, of one session or of all; None without one."""
        if session is None:
            row = self._first("SELECT min(tick) AS first, max(tick) AS last FROM ticks")
        else:  # a session's ticks are contiguous, so its ends are found by number
            start = "(SELECT min(first_tick) FROM runs WHERE session = ?)"
            after = "(SELECT coalesce(min(first_tick), 9223372036854775807) FROM runs WHERE session > ?)"
            sql = f"SELECT min(tick) AS first, max(tick) AS last FROM ticks WHERE tick >= {start} AND tick < {after}"
            row = self._first(sql, session, session)
        return None if row is None or row["first"] is None else (int(row["first"]), int(row["last"]))

    def ticks_between(self, after: int, until: int) -> tuple[int, int]:
        """The first and the last tick whose bar closed between these times (ns UTC), both included; raises NotStored without any."""
        row = self._first("SELECT min(tick) AS first, max(tick) AS last FROM ticks WHERE at BETWEEN ? AND ?", after, until)
        if row is None or row["first"] is None:
            raise NotStored(f"the store {self._path} has no tick on that day")
        return int(row["first"]), int(row["last"])

    def tick(self, number: int) -> StoredTick:
        """The tick of this number; raises NotStored."""
        row = self._first(_TICK + "WHERE t.tick = ?", number)
        if row is None:
            stored = self.tick_range()
            content = "it has no ticks yet" if stored is None else f"it keeps {stored[0]} to {stored[1]}"
            raise NotStored(f"tick {number} is not in the store {self._path}: {content}")
        return self._tick(row)

    def ticks(self, first: int, last: int) -> list[StoredTick]:
        """The stored ticks from first to last inclusive, in order."""
        return [self._tick(row) for row in self._rows(_TICK + "WHERE t.tick BETWEEN ? AND ? ORDER BY t.tick", first, last)]

    def config_changes(self, session: int, first: int, last: int) -> list[tuple[int, TradingConfig]]:
        """The session's ticks from first to last from which another configuration holds, the first of them included, with that configuration."""
        with self._undamaged():
            return [(int(row["tick"]), codec.unpack(TradingConfig, row["config"])) for row in self._rows(_CONFIGS, first, last, session)]

    def ticks_after(self, tick: int, session: int, last: int) -> list[StoredTick]:
        """The session's ticks after a tick up to the last inclusive, in order."""
        rows = self._rows(_TICK + "WHERE t.tick > ? AND t.tick <= ? AND t.session = ? ORDER BY t.tick", tick, last, session)
        return [self._tick(row) for row in rows]

    def snapshots(self, session: int, first_tick: int, last_tick: int) -> list[MarketSnapshot]:
        """The session's market snapshots from first to last inclusive, in order. They reach back a window further than the stored ticks."""
        return self._records(MarketSnapshot, "data", session, first_tick, last_tick)

    def training_rows(self, session: int, first_tick: int, last_tick: int) -> list[TrainingRow]:
        """The training rows of the session's ticks from first to last inclusive, in order."""
        return self._records(TrainingRow, "training_row", session, first_tick, last_tick)

    def fact(self, key: str) -> str | None:
        """The value stored under a key; None without one."""
        row = self._first("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else str(row["value"])

    def commands_since(self, session: int, at: int, names: Sequence[str]) -> tuple[Command, ...]:
        """The commands of these names that a session carried out after its bar closed at `at` (ns UTC), oldest first."""
        rows = self._rows(_COMMANDS_SINCE, session, at)
        return tuple(
            Command(
                row["id"], row["name"], tuple((str(key), str(value)) for key, value in orjson.loads(row["args"]).items()), row["by"], row["reason"]
            )
            for row in rows
            if row["name"] in names
        )

    def checkpoint_at_or_before(self, tick: int, session: int | None = None, damaged: dict[int, str] | None = None) -> tuple[int, State] | None:
        """The newest valid state at or before a tick, with its tick. None: start from the beginning of the session.

        `session` defaults to that of the tick. Newer checkpoints that cannot be read are skipped; `damaged` collects their ticks with the reason.
        Raises NotStored where neither a valid checkpoint nor the beginning of the session is stored.
        """
        if session is None:
            session = self.tick(tick).session
        unread: dict[int, str] = {} if damaged is None else damaged
        for row in self._rows("SELECT tick FROM checkpoints WHERE tick <= ? AND session = ? ORDER BY tick DESC", tick, session):
            state = self.read_checkpoint(int(row["tick"]), unread)
            if state is not None:
                return int(row["tick"]), state
        start = self._first("SELECT min(first_tick) AS tick FROM runs WHERE session = ?", session)
        stored = self.tick_range(session)
        if stored is not None and start is not None and start["tick"] is not None and stored[0] > start["tick"]:
            why = f"; its checkpoint of tick {max(unread)} cannot be read: {unread[max(unread)]}" if unread else ""
            raise NotStored(f"the state before tick {stored[0]} is not in the store {self._path}: tick {tick} cannot be decided again{why}")
        return None

    def checkpoints(self) -> tuple[tuple[int, int], ...]:
        """Session and tick of every checkpoint, oldest first."""
        return tuple((int(row["session"]), int(row["tick"])) for row in self._rows("SELECT session, tick FROM checkpoints ORDER BY tick"))

    def read_checkpoint(self, tick: int, damaged: dict[int, str]) -> State | None:
        """The state of a checkpoint; None, with the reason in `damaged`, where it is not valid."""
        try:
            (row,) = self._rows("SELECT data FROM checkpoints WHERE tick = ?", tick)
            state = codec.unpack(State, bytes(row["data"]))
        except codec.LayoutMismatch as error:
            raise self._other_version(error) from error
        except (ValueError, TypeError, StoreError) as error:
            damaged[tick] = str(error)
            return None
        if state.tick != tick:
            damaged[tick] = f"it holds the state after tick {state.tick}"
            return None
        return state

    def artifact(self, digest: str, tick: int | None = None) -> Artifact:
        """The model with those bytes: the version that served at a tick where one is given, else the newest. Raises NotStored."""
        row = self._first(_ARTIFACT + "WHERE digest = ? AND serves_from <= ? ORDER BY id DESC LIMIT 1", digest, 2**62 if tick is None else tick)
        artifact = self._artifact(row)
        if artifact is None:
            raise NotStored(f"the model {digest} is not in the store {self._path}: it was dropped with the decisions it served")
        return artifact

    def artifact_before(self, session: int, model: str, version: str, tick: int) -> Artifact | None:
        """The newest other version of a model that served by that tick; None without one."""
        row = self._first(
            _ARTIFACT + "WHERE session = ? AND model = ? AND version <> ? AND serves_from <= ? ORDER BY serves_from DESC LIMIT 1",
            session, model, version, tick,
        )  # fmt: skip
        return self._artifact(row)

    def artifact_version(self, session: int, model: str, version: str) -> Artifact | None:
        """This version of a model; None where it is not stored."""
        row = self._first(_ARTIFACT + "WHERE session = ? AND model = ? AND version = ? ORDER BY id DESC LIMIT 1", session, model, version)
        return self._artifact(row)

    def list_versions(self, session: int, model: str) -> tuple[str, ...]:
        """The versions of a model in a session, newest first."""
        rows = self._rows("SELECT version FROM artifacts WHERE session = ? AND model = ? ORDER BY id DESC", session, model)
        return tuple(row["version"] for row in rows)

    def fingerprint(self, tick: int) -> dict[str, str]:
        """The platform that a tick was decided on; raises NotStored."""
        row = self._first("SELECT fingerprint FROM runs WHERE first_tick <= ? ORDER BY id DESC LIMIT 1", tick)
        if row is None:
            raise NotStored(f"the store {self._path} does not say what tick {tick} was decided on")
        return dict(orjson.loads(row["fingerprint"]))

    def _records(self, kind: type[codec.R], column: str, session: int, first_tick: int, last_tick: int) -> list[codec.R]:
        sql = f"SELECT {column} AS data FROM market_snapshots WHERE tick BETWEEN ? AND ? AND session = ? ORDER BY tick"
        rows = self._rows(sql, first_tick, last_tick, session)
        with self._undamaged():
            return [codec.unpack(kind, row["data"]) for row in rows]

    def _first(self, statement: str, *values: object) -> RowMapping | None:
        rows = self._rows(statement, *values)
        return rows[0] if rows else None

    def _rows(self, statement: str, *values: object) -> Sequence[RowMapping]:
        with translate_errors(str(self._path)), self._engine.begin() as connection:
            return connection.exec_driver_sql(statement, values).mappings().all()

    @contextmanager
    def _undamaged(self) -> Iterator[None]:
        try:
            yield
        except codec.LayoutMismatch as error:
            raise self._other_version(error) from error
        except ValueError as error:
            raise NotStored(f"the store {self._path} is damaged: {error}") from error

    def _other_version(self, error: codec.LayoutMismatch) -> NotStored:
        return NotStored(f"this part of {self._path} was written by another version of Podium, which alone can read it: {error}")

    def _tick(self, row: RowMapping) -> StoredTick:
        with self._undamaged():
            return StoredTick(
                tick=row["tick"], session=row["session"], at=row["at"], wall=row["wall"], config=codec.unpack(TradingConfig, row["config"]),
                events=tuple(Event(*event) for event in orjson.loads(row["events"])), account=codec.unpack(Account, row["account"]),
                snapshot=codec.unpack(MarketSnapshot, row["snapshot"]), decisions_digest=row["digest"],
                phase_digests=tuple(orjson.loads(row["phase_digests"])), serving=tuple(orjson.loads(row["serving"])),
                degraded=tuple(orjson.loads(row["degraded"])), shadows=tuple(orjson.loads(row["shadows"] or "[]")),
            )  # fmt: skip

    def _artifact(self, row: RowMapping | None) -> Artifact | None:
        if row is None:
            return None
        with self._undamaged():
            recipe = recipe_from_json(row["recipe"]) if row["recipe"] else Recipe(row["model"])
            return Artifact(**dict(row) | {"data": bytes(row["data"]), "columns": tuple(orjson.loads(row["columns"])), "recipe": recipe})


def _session(row: RowMapping) -> StoredSession:
    return StoredSession(**dict(row) | {name: tuple(orjson.loads(row[name])) for name in ("symbols", "models", "horizons")})
