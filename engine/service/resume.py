"""Starts an engine on a store, or resumes where the last one stopped, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import orjson

from engine.domain.decision import Instruction, Phase
from engine.domain.market import Account, MarketSnapshot
from engine.domain.model import ServingModel
from engine.domain.ports import Clock, Feed
from engine.domain.state import State
from engine.domain.tick import Artifact, TrainingRow
from engine.domain.trading_config import TradingConfig
from engine.evolution.events import unfollowed_events
from engine.replay import RollForward, roll_forward
from engine.service import drift_check, fingerprint, session_controls, training
from engine.service.blocks import BlockWindow
from engine.service.carried_controls import carry_over
from engine.service.engine import Engine
from engine.service.live_feed import choose_tick_interval
from engine.service.logging import LOG
from engine.service.model_registry import ModelReplacement
from engine.service.plugin_files import NO_QUARANTINE, Quarantine, select_families
from engine.service.version_controls import VersionMemory
from engine.settings import Settings, identify_session, serialize_settings
from engine.store import codec
from engine.store.errors import NotStored, StoreError
from engine.store.read.history import StoredTick, TickHistory
from engine.store.write.writer import Writer

BLOCK = 1_000  # rows read at once
REPEATED_COMMANDS = ("retrain", "promote", "revert", "search")  # whose effect is in the events of the next tick and nowhere else
Report = Callable[[str, str], None]  # a fault of the store, and its remedy


@dataclass(frozen=True, slots=True)
class StoredVersions:
    """The versions that the store holds of one session."""

    history: TickHistory
    session: int

    def list_versions(self, model: str) -> tuple[str, ...]:
        """The versions at a place on the model axis, newest first."""
        return self.history.list_versions(self.session, model)

    def find_version(self, model: str, version: str) -> Artifact | None:
        """The stored version; None where it was dropped."""
        return self.history.artifact_version(self.session, model, version)


def _log_only(fault: str, how: str) -> None:
    LOG.warning("%s; %s", fault, how)


def resume_engine(
    settings: Settings, feed: Feed, clock: Clock, writer: Writer, history: TickHistory, *, training_pool: Executor | None,
    phase_pool: Executor | None = None, report: Report = _log_only, quarantine: Quarantine = NO_QUARANTINE,
) -> tuple[Engine, int]:  # fmt: skip
    """The engine for this market on this store, and its session: the last one, where market and layout of the store are the same, else a new one.

    A served model that can no longer be read does not stop the engine: its previous version serves until it is trained again. Neither does a
    damaged checkpoint: ticks are rolled forward from the newest sound one. `report` receives such a fault and its remedy.

    Raises StoreError where the store cannot be read or written, ValueError where its state does not fit the settings.
    """
    names = tuple(model.name for model in training.select_models(settings.models))
    columns = tuple(f"{family.name}.{column}" for family in select_families(quarantine.families) for column in family.columns)
    layout = codec.digest_layout(State, Account, TradingConfig, MarketSnapshot, TrainingRow)
    identity = identify_session(settings, feed.info, names, columns, layout, quarantine.names)
    session = writer.begin_session(
        identity, feed.info, names, settings.trading.horizons, serialize_settings(settings), fingerprint.read_platform(), clock.now()
    )
    last = writer.last_tick()
    first_tick = 0 if last is None else last + 1
    patient = choose_tick_interval(settings, feed) == 0
    engine = Engine(
        settings,
        feed,
        clock,
        training_pool=training_pool,
        phase_pool=phase_pool,
        store=writer,
        session=session,
        first_tick=first_tick,
        waits_for_training=patient,
        quarantine=quarantine,
    )
    engine.stored_versions = StoredVersions(history, session)
    engine.remember_parameters = partial(writer.remember, session_controls.parameters_key(session))
    if history.tick_range(session) is not None and last is not None:
        _resume(engine, writer, history, session, last, report)
    else:
        carry_over(history, writer.remember, engine, session)
        if engine.live is None and settings.warmup_bars:
            engine.window = BlockWindow(feed.info, engine.catalog.families, engine.config.volatility_halflife, settings.warmup_bars)
    return engine, session


def _resume(engine: Engine, writer: Writer, history: TickHistory, session: int, last: int, report: Report) -> None:
    damaged: dict[str, str] = {}
    rolled = _rolled(history, session, last, damaged)
    stored, outcome = rolled.stored, rolled.outcome
    assert stored is not None
    assert outcome is not None
    _mend_checkpoints(writer, session, rolled, report)
    for signal, at in orjson.loads(history.fact(session_controls.signal_switches_key(session)) or "[]"):
        engine.switch_signal(signal, at)
    _refill(engine, history, session, last, rolled.state.decided)
    engine.window = rolled.window
    engine.last_bar_at = stored.at
    if damaged:
        writer.save_checkpoint(last, session, rolled.state)  # without the memories of those models: later ticks are replayed from it
    engine.registry.remember(_of_record(rolled.state, rolled.serving, history, session))
    memory = _remember_versions(history, last, outcome.instructions, report)
    engine.restore(rolled.state, stored.account, () if damaged else outcome.orders, stored.config, rolled.serving, memory)
    _repeat_drift_check(engine, history, session, last)
    if Phase.EVOLUTION.value in stored.degraded:
        engine.repeat_events(unfollowed_events(stored.events))
    if damaged:
        engine.serve(_without(damaged, engine, history, session, rolled.serving, stored))
    _restore_commands(engine, history, session, report)


def _restore_commands(engine: Engine, history: TickHistory, session: int, report: Report) -> None:
    """Restore what people have done since the last tick. A command that is stored as done is carried out, even if no tick has seen it."""
    halted = history.fact(session_controls.halt_key(session))
    if halted is not None:
        engine.restore_halt(*orjson.loads(halted))
    changed = history.fact(session_controls.parameters_key(session))
    for line in [] if changed is None else engine.restore_parameters(changed):
        LOG.warning("%s", line)
    restarted = history.fact(session_controls.peak_key(session))
    if restarted is not None:
        tick, before, after = orjson.loads(restarted)
        if tick == engine.tick:  # no tick has seen it yet
            engine.restart_peak(before, after)
    for command in history.commands_since(session, engine.last_bar_at or 0, REPEATED_COMMANDS):
        try:
            engine.handle_command(command)
        except ValueError as error:
            report(f"command {command.id}, {command.name}, cannot be repeated after the restart: {error}", "the present versions serve on")


def _remember_versions(history: TickHistory, last: int, instructions: tuple[Instruction, ...], report: Report) -> VersionMemory:
    def find(digest: str) -> ServingModel | None:
        return _read_version(history, digest, last, report)

    def serving_after(tick: int) -> tuple[ServingModel | None, ...] | None:
        if tick >= last:
            return None  # those that serve now
        try:
            digests = history.tick(tick + 1).serving
        except NotStored:
            return None
        return tuple(None if digest is None else find(digest) for digest in digests)

    return VersionMemory(instructions, find, serving_after)


def _rolled(history: TickHistory, session: int, last: int, damaged: dict[str, str]) -> RollForward:
    try:
        rolled = roll_forward(history, history.session(session), last, damaged)
    except (ValueError, NotStored) as error:
        raise StoreError(f"tick {last} cannot be resumed: {error}; stop Podium and run python -m engine doctor --repair") from error
    if rolled.stored is None or rolled.outcome is None or rolled.stored.tick != last:
        raise StoreError(f"tick {last} cannot be resumed: stop Podium and run python -m engine doctor --repair")
    return rolled


def _mend_checkpoints(writer: Writer, session: int, rolled: RollForward, report: Report) -> None:
    """Replace damaged checkpoints by the states that rolling forward has recomputed."""
    if rolled.damage_note is None:
        return
    for tick, state in rolled.rebuilt_states.items():
        writer.save_checkpoint(tick, session, state)
    left = len(rolled.damaged_checkpoints) - len(rolled.rebuilt_states)
    how = "no decision was lost and the checkpoint was rebuilt" if not left else f"no decision was lost; {left} could not be rebuilt"
    report(rolled.damage_note, how)


def _without(
    damaged: dict[str, str], engine: Engine, history: TickHistory, session: int, serving: tuple[ServingModel | None, ...], stored: StoredTick
) -> tuple[ServingModel | None, ...]:
    """The models that serve from now on: an unreadable one is replaced by its previous version, or by none until it is trained again."""
    after, replacements = list(serving), []
    for place, (model, digest) in enumerate(zip(engine.catalog.names, stored.serving, strict=True)):
        if digest in damaged:
            earlier = _earlier(history, session, model, str(digest), stored.tick)
            after[place] = earlier
            how = "it stands aside until it is trained again" if earlier is None else f"{earlier.version} serves until it is trained again"
            replacements.append(ModelReplacement(model, damaged[str(digest)], how))
    engine.registry.replacements += tuple(replacements)
    return tuple(after)


def _of_record(state: State, serving: tuple[ServingModel | None, ...], history: TickHistory, session: int) -> tuple[ServingModel | None, ...]:
    """The stored versions of the record of skill that do not serve."""
    named = {(m, version) for versions in state.succession.record_versions for m, version in enumerate(versions) if version}
    there = {served.version for served in serving if served is not None}
    missing = sorted((state.models[m], version) for m, version in named if version not in there)
    return tuple(_load(history.artifact_version(session, model, version)) for model, version in missing)


def _load(artifact: Artifact | None) -> ServingModel | None:
    try:
        return None if artifact is None else training.load_model(artifact)
    except ValueError:
        return None


def _read_version(history: TickHistory, digest: str, tick: int, report: Report) -> ServingModel | None:
    """A version in shadow; None where it cannot be read, which is reported."""
    try:
        return training.load_model(history.artifact(digest, tick))
    except (ValueError, NotStored) as error:
        report(" ".join(str(error).split()), "it is in shadow no longer, and the present version serves on")
        return None


def _repeat_drift_check(engine: Engine, history: TickHistory, session: int, last: int) -> None:
    """Submit the check for drift again whose report the next ticks adopt, with the versions that served at its tick."""
    due, held = drift_check.find_lost_check(last, engine.config), history.tick_range(session)
    if due is None or held is None or due < held[0]:
        return
    served = [_read_version(history, digest, due, _log_only) for digest in history.tick(due).serving if digest is not None]
    engine.drift_check.repeat(due, engine.config, engine.rows, max((version.trained_to for version in served if version is not None), default=-1))


def _earlier(history: TickHistory, session: int, model: str, digest: str, tick: int) -> ServingModel | None:
    try:
        version = history.artifact(digest, tick).version
    except NotStored:
        version = ""
    return _load(history.artifact_before(session, model, version, tick))


def _refill(engine: Engine, history: TickHistory, session: int, last: int, decided: int) -> None:
    """Fill the training rows as far as they are stored; log a warning where there were more."""
    count = 0
    for count, row in enumerate(_rows(engine, history, session, last), 1):  # noqa: B007 the last number is the count
        engine.rows.append(row)
    wanted = min(decided, training.count_training_bars(engine.settings, engine.feed))
    if count < wanted:
        LOG.warning("models learn from %s of %s ticks until there are more: the store has no more (PODIUM_RETENTION)", f"{count:,}", f"{wanted:,}")


def _rows(engine: Engine, history: TickHistory, session: int, last: int) -> Iterator[TrainingRow]:
    """The stored training rows, read in blocks."""
    first = max(0, last + 1 - training.count_training_bars(engine.settings, engine.feed))
    for low, high in pairwise([*range(first, last + 1, BLOCK), last + 1]):
        yield from history.training_rows(session, low, high - 1)
