"""Repairs a store while no engine runs on it, and backs up its former state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from threading import Event

import orjson

from engine.domain.ports import Clock
from engine.replay import reproduces, roll_forward
from engine.service.lease import Lease
from engine.store import backup, codec, integrity
from engine.store.errors import StoreError
from engine.store.integrity import Damage
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer


def repair_store(url: str, clock: Clock) -> Iterator[str]:
    """Repair a store and describe each step in a line; raises StoreError where an engine holds it, or there is no room for a copy."""
    with closing(Lease(url)) as lease:
        if not lease.acquire_or_watch(clock, Event()):
            raise StoreError(f"an engine holds the store {url}: stop it, then repair")
        try:
            yield from _repair(url, lease.holder_id, clock)
        finally:
            lease.release()


def _repair(url: str, holder: str, clock: Clock) -> Iterator[str]:
    damage = integrity.find_damage(url)
    with closing(Writer(url, holder)) as writer, closing(TickHistory(url)) as history:
        why = _why_not_resumable(history)
        if damage != Damage() or why is not None:
            path = writer.store.path
            former = path.with_name(f"{path.name}.before-repair-{datetime.fromtimestamp(clock.now() / 1e9, UTC):%Y%m%d-%H%M%S}")
            backup.copy_store(writer.store.raw_connection(), path, former, is_sound=False)
            yield f"the former state of the store is in {former}"
        if damage.indexes:
            yield _build_indexes(url, damage.indexes)
        for session, tick, _ in damage.checkpoints:
            yield _mend_checkpoint(writer, history, session, tick)
        why = _why_not_resumable(history)
        if why is not None:
            yield _end_session(writer, history, why)
        (busy, _, _), *_ = writer.store.pragma("PRAGMA wal_checkpoint(TRUNCATE)")
        yield "the log was not merged into the store: another process reads it" if busy else "merged the log into the store"
    yield from (f"not repaired: {line}: restore a backup, or move the file away" for line in Damage(pages=damage.pages).describe())


def _build_indexes(url: str, names: tuple[str, ...]) -> str:
    try:
        integrity.rebuild_indexes(url)
    except StoreError as error:  # such as two equal rows of a table
        return f"not repaired: the indexes {', '.join(names)} could not be rebuilt: {error}"
    return f"rebuilt the indexes: {', '.join(names)}"


def _mend_checkpoint(writer: Writer, history: TickHistory, session: int, tick: int) -> str:
    """Roll forward to a checkpoint from the one before; where that does not give the stored state, delete it."""
    try:
        rolled = roll_forward(history, history.session(session), tick)
        is_sound = rolled.stored is not None and rolled.run is not None and rolled.stored.tick == tick and reproduces(rolled.stored, rolled.run)
    except (StoreError, ValueError):
        is_sound = False
    if is_sound:
        writer.save_checkpoint(tick, session, rolled.state)
        return f"rebuilt the checkpoint of tick {tick} bit for bit"
    writer.drop_checkpoint(tick)
    return f"deleted the damaged checkpoint of tick {tick}: later ticks are rolled forward from an earlier one, where there is one"


def _why_not_resumable(history: TickHistory) -> str | None:
    """Why the newest session cannot be resumed; None where it can, or where a start begins a new one anyway."""
    session = history.latest_session()
    ticks = None if session is None else history.tick_range(session.id)
    if session is None or ticks is None:
        return None
    try:
        roll_forward(history, session, ticks[1], {})
    except (StoreError, ValueError) as error:
        return None if isinstance(error.__cause__, codec.LayoutMismatch) else str(error)
    return None


def _end_session(writer: Writer, history: TickHistory, why: str) -> str:
    session = history.latest_session()
    assert session is not None
    writer.end_session(session.id, orjson.dumps({"ended by": "doctor --repair", "identity": session.identity}).decode())
    return (
        f"ended session {session.id}, which cannot be resumed ({why}): its decisions stay readable, and the next start begins a new session "
        "with new models and the starting capital"
    )
