"""Replay of a stored tick: decides it again, from the nearest checkpoint on, and names the first phase that differs."""

from __future__ import annotations

from dataclasses import dataclass, field

from threadpoolctl import threadpool_limits

from engine.domain.decision import Outcome, Phase
from engine.domain.market import Inputs
from engine.domain.model import Catalog, ServingModel
from engine.domain.ports import FeedInfo
from engine.domain.record import DIGEST_FORMAT, Record
from engine.domain.state import State
from engine.orchestrator import decide
from engine.phases import learning
from engine.run import PhaseRunner, axis_lengths
from engine.service import fingerprint, session_controls, training
from engine.service.plugin_files import select_session_families
from engine.service.windows import MarketWindow
from engine.store.errors import NotStored
from engine.store.read.history import StoredSession, StoredTick, TickHistory
from engine.window import WINDOW_BARS


@dataclass(frozen=True, slots=True)
class ReplayResult(Record):
    """The result of a replay. `first_difference` names a phase, or "decisions"; None when identical."""

    tick: int
    identical: bool
    first_difference: str | None
    note: str


@dataclass(frozen=True, slots=True)
class DecisionBasis:
    """What a tick was decided from, and the phases that failed then."""

    inputs: Inputs
    state: State
    catalog: Catalog
    forced_failures: dict[Phase, str]

    def decide_again(self) -> tuple[Outcome, PhaseRunner]:
        """Decide, as the engine did, with the same phases failing."""
        run = PhaseRunner(axis_lengths(self.inputs, self.catalog), clock=lambda: 0.0, forced_failures=self.forced_failures)
        return decide(self.inputs, self.state, self.catalog, run), run


@dataclass(slots=True)
class RollForward:
    """The end of rolling forward: the state after the last tick, its window and its outcome."""

    state: State
    window: MarketWindow
    stored: StoredTick | None
    outcome: Outcome | None
    run: PhaseRunner | None
    checkpoint_tick: int | None = None  # the tick of the checkpoint it began from; None for the session's start
    serving: tuple[ServingModel | None, ...] = ()
    basis: DecisionBasis | None = None  # of the last tick
    damaged_checkpoints: dict[int, str] = field(default_factory=dict)  # reasons by tick, of the newer checkpoints that are damaged
    rebuilt_states: dict[int, State] = field(default_factory=dict)  # states by tick, of the damaged checkpoints that were rebuilt bit for bit

    @property
    def damage_note(self) -> str | None:
        """The damaged checkpoints and the point it rolled forward from, in one sentence; None without damage."""
        if not self.damaged_checkpoints:
            return None
        ticks = ", ".join(f"{tick:,}" for tick in sorted(self.damaged_checkpoints))
        plural, verb = ("", "is") if len(self.damaged_checkpoints) == 1 else ("s", "are")
        start = "the start of the session" if self.checkpoint_tick is None else f"the checkpoint of tick {self.checkpoint_tick:,}"
        return f"the checkpoint{plural} of tick{plural} {ticks} {verb} damaged: rolled forward from {start}"


def replay_tick(history: TickHistory, tick: int) -> ReplayResult:
    """Decide a stored tick again and compare the digest of every phase.

    Raises NotStored where the inputs of the tick are no longer stored, or where an earlier version of Podium decided it, with other digests.
    """
    return judge_replay(history, roll_to_tick(history, tick), tick)


def roll_to_tick(history: TickHistory, tick: int) -> RollForward:
    """Decide a stored tick again, from the nearest checkpoint on; raises as `replay_tick` does."""
    if history.fingerprint(tick).get("digests") != DIGEST_FORMAT:
        raise NotStored(f"tick {tick} was decided by an earlier version of Podium, whose digests cannot be compared: replay it with that version")
    return roll_forward(history, history.session(history.tick(tick).session), tick)


def judge_replay(history: TickHistory, rolled: RollForward, tick: int) -> ReplayResult:
    """Compare the digest of every phase and of the decisions with the stored ones."""
    stored, outcome, run = rolled.stored, rolled.outcome, rolled.run
    if stored is None or outcome is None or run is None:
        raise ValueError(f"tick {tick} could not be rolled forward to")
    note = "; ".join(part for part in (_platform(history, tick), rolled.damage_note) if part)
    phase = find_difference(stored, run)
    if phase is not None:
        return ReplayResult(tick, False, phase.value, note or f"the result of {phase.value} differs from what was stored")
    if outcome.decisions.digest() != stored.decisions_digest:
        return ReplayResult(tick, False, "decisions", note or "the decisions differ from what was stored")
    return ReplayResult(tick, True, None, note or "every phase gave the same bits")


def find_difference(stored: StoredTick, run: PhaseRunner) -> Phase | None:
    """Return the first phase whose result differs from the stored one."""
    pairs = zip(Phase, stored.phase_digests, strict=False)
    return next((phase for phase, digest in pairs if run.results[phase].digest() != digest), None)


def reproduces(stored: StoredTick, run: PhaseRunner) -> bool:
    """Return whether every phase gave the stored result, so that the state equals the stored one too."""
    return bool(stored.phase_digests) and find_difference(stored, run) is None


def roll_forward(history: TickHistory, session: StoredSession, to: int, damaged: dict[str, str] | None = None) -> RollForward:
    """Roll the session's state forward to just after tick `to`, deciding each tick since the previous checkpoint again.

    A damaged checkpoint is skipped for the newest intact one before it. A model that cannot be read raises ValueError or NotStored; with
    `damaged` it is left out, and its digest is added there with the reason.
    """
    threadpool_limits(1)  # as in the first decision
    damaged_checkpoints: dict[int, str] = {}
    checkpoint = history.checkpoint_at_or_before(to - 1, session.id, damaged_checkpoints)
    start = None if checkpoint is None else checkpoint[0]
    ticks = history.ticks_after(-1 if start is None else start, session.id, to)
    if not ticks:
        raise NotStored(f"tick {to} cannot be decided again: the ticks of session {session.id} before it are not stored")
    rolled = begin_rolling(history, session, ticks[0], checkpoint)
    rolled.damaged_checkpoints = damaged_checkpoints
    loaded: dict[str, ServingModel | None] = {}
    for stored in ticks:
        decide_tick_again(rolled, stored, history, session, loaded, damaged)
    return rolled


def begin_rolling(history: TickHistory, session: StoredSession, first: StoredTick, checkpoint: tuple[int, State] | None) -> RollForward:
    """Return the state and the window just before a tick; without a checkpoint the session begins there."""
    window = MarketWindow(feed_info(session, first))
    for bar in history.snapshots(session.id, first.tick - WINDOW_BARS, first.tick - 1):
        window.append(bar)
    if checkpoint is None:
        return RollForward(learning.blank_state(len(session.symbols), session.models, session.horizons), window, None, None, None)
    return RollForward(checkpoint[1], window, None, None, None, checkpoint[0])


def decide_tick_again(
    rolled: RollForward, stored: StoredTick, history: TickHistory, session: StoredSession, loaded: dict[str, ServingModel | None],
    damaged: dict[str, str] | None = None,
) -> None:  # fmt: skip
    """Decide the next tick again, with the models that served then; `loaded` holds those that were read before."""
    rolled.serving = _load_serving(history, stored, loaded, damaged)
    shadows = _load_shadows(history, stored, loaded)
    catalog = Catalog(select_session_families(session.identity), session.models, rolled.serving, shadows=shadows)
    _decide_again(rolled, stored, catalog)


def feed_info(session: StoredSession, stored: StoredTick) -> FeedInfo:
    """Return the properties of the feed that a session was decided on."""
    levels, has_flow = stored.snapshot.books.bid_price.shape[1], stored.snapshot.flow.shape[1] > 0
    return FeedInfo(session.feed, session.label, session.symbols, session.interval, levels, has_flow, False, 0.0, 0.0, ())


def _decide_again(rolled: RollForward, stored: StoredTick, catalog: Catalog) -> None:
    rolled.window.append(stored.snapshot)
    inputs = rolled.window.build_inputs(stored.tick, stored.account, stored.config, stored.events)
    forced = {Phase(name): "failed when it was decided" for name in stored.degraded}
    basis = DecisionBasis(inputs, session_controls.discard_unscorable(rolled.state, stored.events), catalog, forced)
    outcome, run = basis.decide_again()
    rolled.state, rolled.stored, rolled.outcome, rolled.run, rolled.basis = outcome.state, stored, outcome, run, basis
    if stored.tick in rolled.damaged_checkpoints and reproduces(stored, run):
        rolled.rebuilt_states[stored.tick] = outcome.state


def _load_serving(
    history: TickHistory, stored: StoredTick, loaded: dict[str, ServingModel | None], damaged: dict[str, str] | None
) -> tuple[ServingModel | None, ...]:
    for digest in stored.serving:
        if digest is None or digest in loaded:
            continue
        try:
            loaded[digest] = training.load_model(history.artifact(digest, stored.tick))
        except (ValueError, NotStored) as error:
            if damaged is None:
                raise
            loaded[digest], damaged[digest] = None, str(error)
    return tuple(None if digest is None else loaded[digest] for digest in stored.serving)


def _load_shadows(history: TickHistory, stored: StoredTick, loaded: dict[str, ServingModel | None]) -> tuple[ServingModel, ...]:
    """Load the versions in shadow at a tick. One that cannot be read has no forecast in its contest, so that phase 5 differs from what was stored."""
    for digest in stored.shadows:
        if digest not in loaded:
            try:
                loaded[digest] = training.load_model(history.artifact(digest, stored.tick))
            except (ValueError, NotStored):
                loaded[digest] = None
    return tuple(version for digest in stored.shadows if (version := loaded[digest]) is not None)


def _platform(history: TickHistory, tick: int) -> str:
    """Return a sentence where the tick was decided on another platform, on which bits are not guaranteed; else ""."""
    changed = fingerprint.find_platform_changes(history.fingerprint(tick))
    return f"decided on another platform ({'; '.join(changed)}): equal to 1e-9 at best, not bit for bit" if changed else ""
