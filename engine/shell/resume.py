"""Begins an engine on a store, or goes on where the last one stopped, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from itertools import pairwise

import orjson

from engine.discover import discover
from engine.domain.control import Knobs
from engine.domain.market import Account, Slice
from engine.domain.model import Serving
from engine.domain.ports import Clock, Feed
from engine.domain.state import State
from engine.domain.tick import Artifact, Row
from engine.replay import Rolled, roll
from engine.settings import Settings, identity_of, settings_json
from engine.shell import fingerprint, obey, training
from engine.shell.engine import Engine
from engine.shell.logs import LOG
from engine.shell.standins import Replaced
from engine.store import codec
from engine.store.errors import Forgotten, StoreFailed
from engine.store.history import History, StoredTick
from engine.store.writer import Writer

BLOCK = 1_000  # rows read at once
Report = Callable[[str, str], None]  # a fault of the store, and what was done about it


def _log_only(fault: str, how: str) -> None:
    LOG.warning("%s; %s", fault, how)


def resume(
    settings: Settings, feed: Feed, clock: Clock, writer: Writer, history: History, *, trainers: Executor | None, pool: Executor | None = None,
    report: Report = _log_only,
) -> tuple[Engine, int]:  # fmt: skip
    """The engine for this market on this store, and its session: the last one gone on with where the market is the same and the
    store was written as it is now, else a new one.

    A model that served and cannot be read any more does not stop it: the version before it serves, and it is trained anew. Neither does a
    checkpoint that is damaged: ticks are rolled forward from the newest sound one. `report` takes such a fault, and what was done about it.

    Raises StoreFailed where the store cannot be read or written, ValueError where its state does not fit the settings.
    """
    names = tuple(model.name for model in training.models(settings.models))
    columns = tuple(f"{family.name}.{column}" for family in discover("engine.features", "FAMILY") for column in family.columns)
    identity = identity_of(settings, feed.info, names, columns, codec.layout(State, Account, Knobs, Slice, Row))
    session = writer.begin_session(identity, feed.info, names, settings.knobs.horizons, settings_json(settings), fingerprint.take(), clock.now())
    last = writer.last_tick()
    first_tick = 0 if last is None else last + 1
    patient = settings.pace_seconds == 0
    engine = Engine(settings, feed, clock, trainers=trainers, pool=pool, keeper=writer, session=session, first_tick=first_tick, patient=patient)
    if history.kept(session) is not None and last is not None:
        _go_on(engine, writer, history, session, last, report)
    return engine, session


def _go_on(engine: Engine, writer: Writer, history: History, session: int, last: int, report: Report) -> None:
    damaged: dict[str, str] = {}
    rolled = _rolled(history, session, last, damaged)
    stored, outcome = rolled.stored, rolled.outcome
    assert stored is not None
    assert outcome is not None
    _mend_checkpoints(writer, session, rolled, report)
    for signal, at in orjson.loads(history.recalled(obey.switches_key(session)) or "[]"):
        engine.switch(signal, at)
    _refill(engine, history, session, last, rolled.state.decided)
    engine.window = rolled.window
    engine.after = stored.at
    if damaged:
        writer.save_checkpoint(last, session, rolled.state)  # without what those models said: ticks to come are replayed from it
    engine.restore(rolled.state, stored.account, () if damaged else outcome.orders, stored.knobs, rolled.serving)
    engine.bench.keep(_of_record(rolled.state, rolled.serving, history, session))
    if damaged:
        engine.serve(_without(damaged, engine, history, session, rolled.serving, stored))
    halted = history.recalled(obey.halt_key(session))
    if halted is not None:
        engine.halt(*orjson.loads(halted))
    restarted = history.recalled(obey.peak_key(session))
    if restarted is not None:
        tick, before, after = orjson.loads(restarted)
        if tick == engine.tick:  # no tick has seen it yet
            engine.restart_peak(before, after)


def _rolled(history: History, session: int, last: int, damaged: dict[str, str]) -> Rolled:
    try:
        rolled = roll(history, history.session(session), last, damaged)
    except (ValueError, Forgotten) as error:
        raise StoreFailed(f"tick {last} cannot be gone on from: {error}; stop Podium and run python -m engine doctor --repair") from error
    if rolled.stored is None or rolled.outcome is None or rolled.stored.tick != last:
        raise StoreFailed(f"tick {last} cannot be gone on from: stop Podium and run python -m engine doctor --repair")
    return rolled


def _mend_checkpoints(writer: Writer, session: int, rolled: Rolled, report: Report) -> None:
    """Writes the states that rolling forward has found again in the place of the damaged ones."""
    if rolled.detour is None:
        return
    for tick, state in rolled.rebuilt.items():
        writer.save_checkpoint(tick, session, state)
    left = len(rolled.unread) - len(rolled.rebuilt)
    how = "no decision was lost and the checkpoint was rebuilt" if not left else f"no decision was lost; {left} could not be rebuilt"
    report(rolled.detour, how)


def _without(
    damaged: dict[str, str], engine: Engine, history: History, session: int, serving: tuple[Serving | None, ...], stored: StoredTick
) -> tuple[Serving | None, ...]:
    """What serves from now on: for each model that cannot be read the version before it, or none until it is trained again."""
    after, found = list(serving), []
    for place, (model, digest) in enumerate(zip(engine.catalog.names, stored.serving, strict=True)):
        if digest in damaged:
            earlier = _earlier(history, session, model, str(digest), stored.tick)
            after[place] = earlier
            how = "it stands aside until it is trained again" if earlier is None else f"{earlier.version} serves until it is trained again"
            found.append(Replaced(model, damaged[str(digest)], how))
    engine.bench.replaced += tuple(found)
    return tuple(after)


def _of_record(state: State, serving: tuple[Serving | None, ...], history: History, session: int) -> tuple[Serving | None, ...]:
    """The versions that the record of skill belongs to and that do not serve, so far as the store still has them."""
    named = {(m, version) for versions in state.succession.record for m, version in enumerate(versions) if version}
    there = {served.version for served in serving if served is not None}
    missing = sorted((state.models[m], version) for m, version in named if version not in there)
    return tuple(_load(history.artifact_of(session, model, version)) for model, version in missing)


def _load(found: Artifact | None) -> Serving | None:
    try:
        return None if found is None else training.load(found)
    except ValueError:
        return None


def _earlier(history: History, session: int, model: str, digest: str, tick: int) -> Serving | None:
    try:
        version = history.artifact(digest, tick).version
    except Forgotten:
        version = ""
    return _load(history.artifact_before(session, model, version, tick))


def _refill(engine: Engine, history: History, session: int, last: int, decided: int) -> None:
    """The rows that models are trained on, as far as they are kept; says so where there were more."""
    kept = 0
    for kept, row in enumerate(_rows(engine, history, session, last), 1):  # noqa: B007 the last number is the count
        engine.rows.append(row)
    wanted = min(decided, training.bars(engine.settings, engine.feed))
    if kept < wanted:
        LOG.warning(
            "models learn from %s of %s ticks until more have come: the store keeps no more (PODIUM_KEEP_DECISIONS)", f"{kept:,}", f"{wanted:,}"
        )


def _rows(engine: Engine, history: History, session: int, last: int) -> Iterator[Row]:
    """The rows that models are trained on, a block at a time."""
    first = max(0, last + 1 - training.bars(engine.settings, engine.feed))
    for low, high in pairwise([*range(first, last + 1, BLOCK), last + 1]):
        yield from history.rows(session, low, high - 1)
