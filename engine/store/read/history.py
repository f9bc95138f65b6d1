"""What going on after a restart and deciding a stored tick again read from the store, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from engine.domain.market import Account, MarketSnapshot
from engine.domain.record import Record
from engine.domain.state import State
from engine.domain.tick import Artifact, TrainingRow
from engine.domain.trading_config import Event, TradingConfig
from engine.store import codec, database
from engine.store.errors import NotStored, StoreError, translate_errors

_TICK = (
    "SELECT t.tick, t.session, t.at, t.wall, t.digest, t.phase_digests, t.events, t.serving, t.degraded, t.account, k.digest, k.data, s.data "
    "FROM ticks t JOIN knobs k ON k.digest = t.knobs_digest JOIN slices s ON s.tick = t.tick "
)
_ARTIFACT = "SELECT digest, model, version, data, trained_from, trained_to, rows, seconds, columns, serves_from FROM artifacts "
_SESSION = "SELECT id, identity, feed, label, symbols, interval_ns, models, horizons, settings, started_at FROM sessions "


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
    """What a tick was decided from, besides its window, state and models, and what came out."""

    tick: int
    session: int
    at: int  # ns UTC
    wall: int  # ns UTC
    knobs: TradingConfig
    events: tuple[Event, ...]
    account: Account
    slice: MarketSnapshot
    decisions_digest: str
    phase_digests: tuple[str, ...]
    serving: tuple[str | None, ...]
    degraded: tuple[str, ...]  # names of phases


class TickHistory:
    """Reads the store; raises StoreFailed when it cannot be read and Forgotten for what is not kept."""

    def __init__(self, url: str) -> None:
        self._path = database.path_from_url(url)
        self._engine = database.connect(url, read_only=True)

    def close(self) -> None:
        self._engine.dispose()

    def latest_session(self) -> StoredSession | None:
        """The session that was begun last."""
        rows = self._rows(_SESSION + "ORDER BY id DESC LIMIT 1")
        return _session(rows[0]) if rows else None

    def session(self, number: int) -> StoredSession:
        rows = self._rows(_SESSION + "WHERE id = ?", number)
        if not rows:
            raise NotStored(f"the store {self._path} has no session {number}")
        return _session(rows[0])

    def tick_range(self, session: int | None = None) -> tuple[int, int] | None:
        """The first and the last tick that are kept, of one session or of all."""
        if session is None:
            first, last = self._rows("SELECT min(tick), max(tick) FROM ticks")[0]
        else:  # a session's ticks lie together, so its ends are found by number
            start = "(SELECT min(first_tick) FROM runs WHERE session = ?)"
            after = "(SELECT coalesce(min(first_tick), 9223372036854775807) FROM runs WHERE session > ?)"
            first, last = self._rows(f"SELECT min(tick), max(tick) FROM ticks WHERE tick >= {start} AND tick < {after}", session, session)[0]
        return None if first is None else (int(first), int(last))

    def tick(self, number: int) -> StoredTick:
        """One tick; raises Forgotten."""
        rows = self._rows(_TICK + "WHERE t.tick = ?", number)
        if not rows:
            kept = self.tick_range()
            have = "it has no ticks yet" if kept is None else f"it keeps {kept[0]} to {kept[1]}"
            raise NotStored(f"tick {number} is not in the store {self._path}: {have}")
        return self._tick(rows[0])

    def ticks(self, first: int, last: int) -> list[StoredTick]:
        """The ticks from first to last, both with it, in order; those that are not kept are left out."""
        return [self._tick(row) for row in self._rows(_TICK + "WHERE t.tick BETWEEN ? AND ? ORDER BY t.tick", first, last)]

    def ticks_after(self, tick: int, session: int, last: int) -> list[StoredTick]:
        """The session's ticks after one up to the last, with it, in order."""
        rows = self._rows(_TICK + "WHERE t.tick > ? AND t.tick <= ? AND t.session = ? ORDER BY t.tick", tick, last, session)
        return [self._tick(row) for row in rows]

    def slices(self, session: int, first_tick: int, last_tick: int) -> list[MarketSnapshot]:
        """The session's slices from first to last, both with it, in order. They reach a window further back than the ticks that are kept."""
        rows = self._rows("SELECT data FROM slices WHERE tick BETWEEN ? AND ? AND session = ? ORDER BY tick", first_tick, last_tick, session)
        with self._undamaged():
            return [codec.unpack(MarketSnapshot, data) for (data,) in rows]

    def training_rows(self, session: int, first_tick: int, last_tick: int) -> list[TrainingRow]:
        """What the session's ticks from first to last added to the rows that models are trained on, in order."""
        rows = self._rows("SELECT row FROM slices WHERE tick BETWEEN ? AND ? AND session = ? ORDER BY tick", first_tick, last_tick, session)
        with self._undamaged():
            return [codec.unpack(TrainingRow, data) for (data,) in rows]

    def fact(self, key: str) -> str | None:
        """A fact that was kept under its key; None where there is none."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def checkpoint_at_or_before(self, tick: int, session: int | None = None, damaged: dict[int, str] | None = None) -> tuple[int, State] | None:
        """The newest sound state after a tick up to this one, with that tick. None: the session's start is where to begin.

        `session` is that of the tick itself where none is given. Newer checkpoints that cannot be read are passed over; `damaged` takes their
        ticks, each with the reason. Raises Forgotten where neither a sound checkpoint nor the start is kept.
        """
        if session is None:
            session = self.tick(tick).session
        unread: dict[int, str] = {} if damaged is None else damaged
        for (at,) in self._rows("SELECT tick FROM checkpoints WHERE tick <= ? AND session = ? ORDER BY tick DESC", tick, session):
            state = self.read_checkpoint(int(at), unread)
            if state is not None:
                return int(at), state
        began = self._rows("SELECT min(first_tick) FROM runs WHERE session = ?", session)[0][0]
        kept = self.tick_range(session)
        if kept is not None and began is not None and kept[0] > began:
            why = f"; its checkpoint of tick {max(unread)} cannot be read: {unread[max(unread)]}" if unread else ""
            raise NotStored(f"the state before tick {kept[0]} is not in the store {self._path}: tick {tick} cannot be decided again{why}")
        return None

    def checkpoints(self) -> tuple[tuple[int, int], ...]:
        """The session and the tick of every checkpoint, oldest first."""
        return tuple((int(session), int(tick)) for session, tick in self._rows("SELECT session, tick FROM checkpoints ORDER BY tick"))

    def read_checkpoint(self, tick: int, damaged: dict[int, str]) -> State | None:
        """The state of a checkpoint; None, with the reason in `damaged`, where it is not sound."""
        try:
            ((data,),) = self._rows("SELECT data FROM checkpoints WHERE tick = ?", tick)
            state = codec.unpack(State, bytes(data))
        except codec.LayoutMismatch as error:
            raise NotStored(f"this part of {self._path} was written by another version of Podium, which alone can read it: {error}") from error
        except (ValueError, TypeError, StoreError) as error:
            damaged[tick] = str(error)
            return None
        if state.tick != tick:
            damaged[tick] = f"it holds the state after tick {state.tick}"
            return None
        return state

    def artifact(self, digest: str, tick: int | None = None) -> Artifact:
        """The model with those bytes, in the version that served at a tick where one is given, else the newest."""
        rows = self._rows(_ARTIFACT + "WHERE digest = ? AND serves_from <= ? ORDER BY id DESC LIMIT 1", digest, 2**62 if tick is None else tick)
        if not rows:
            raise NotStored(f"the model {digest} is not in the store {self._path}: it was dropped with the decisions it served")
        return _artifact(rows[0])

    def artifact_before(self, session: int, model: str, version: str, tick: int) -> Artifact | None:
        """The newest other version of a model that served by that tick."""
        rows = self._rows(
            _ARTIFACT + "WHERE session = ? AND model = ? AND version <> ? AND serves_from <= ? ORDER BY serves_from DESC LIMIT 1",
            session, model, version, tick,
        )  # fmt: skip
        return _artifact(rows[0]) if rows else None

    def artifact_version(self, session: int, model: str, version: str) -> Artifact | None:
        """This version of a model; None where it is not kept."""
        rows = self._rows(_ARTIFACT + "WHERE session = ? AND model = ? AND version = ? ORDER BY id DESC LIMIT 1", session, model, version)
        return _artifact(rows[0]) if rows else None

    def fingerprint(self, tick: int) -> dict[str, str]:
        """The platform a tick was decided on."""
        rows = self._rows("SELECT fingerprint FROM runs WHERE first_tick <= ? ORDER BY id DESC LIMIT 1", tick)
        if not rows:
            raise NotStored(f"the store {self._path} does not say what tick {tick} was decided on")
        told: dict[str, str] = orjson.loads(rows[0][0])
        return told

    def _rows(self, statement: str, *values: object) -> Sequence[Any]:
        with self._reading() as connection:
            return connection.exec_driver_sql(statement, values).fetchall()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with translate_errors(str(self._path)), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _undamaged(self) -> Iterator[None]:
        try:
            yield
        except codec.LayoutMismatch as error:
            raise NotStored(f"this part of {self._path} was written by another version of Podium, which alone can read it: {error}") from error
        except ValueError as error:
            raise NotStored(f"the store {self._path} is damaged: {error}") from error

    def _tick(self, row: Any) -> StoredTick:
        with self._undamaged():
            return StoredTick(
                tick=row[0], session=row[1], at=row[2], wall=row[3], decisions_digest=row[4], phase_digests=tuple(orjson.loads(row[5])),
                events=tuple(Event(*event) for event in orjson.loads(row[6])), serving=tuple(orjson.loads(row[7])),
                degraded=tuple(orjson.loads(row[8])), account=codec.unpack(Account, row[9]), knobs=codec.unpack(TradingConfig, row[11]),
                slice=codec.unpack(MarketSnapshot, row[12]),
            )  # fmt: skip


def _session(row: Any) -> StoredSession:
    return StoredSession(
        id=row[0], identity=row[1], feed=row[2], label=row[3], symbols=tuple(orjson.loads(row[4])), interval=row[5],
        models=tuple(orjson.loads(row[6])), horizons=tuple(orjson.loads(row[7])), settings=row[8], started_at=row[9],
    )  # fmt: skip


def _artifact(row: Any) -> Artifact:
    return Artifact(
        data_digest=row[0], model=row[1], version=row[2], data=bytes(row[3]), trained_from=row[4], trained_to=row[5], rows=row[6], seconds=row[7],
        columns=tuple(orjson.loads(row[8])), serves_from=row[9],
    )  # fmt: skip
