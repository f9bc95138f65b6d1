"""Decides a stored tick again, from the nearest checkpoint on, and names the first phase that differs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from threadpoolctl import threadpool_limits

from engine.discover import discover
from engine.domain.decision import Outcome, Phase
from engine.domain.model import Catalog, Serving
from engine.domain.ports import FeedInfo
from engine.domain.record import DIGEST_FORMAT, Record
from engine.domain.state import State
from engine.orchestrator import decide
from engine.phases import learning
from engine.run import Run, axes
from engine.shell import fingerprint, obey, training
from engine.shell.rolling import Window
from engine.store.errors import Forgotten
from engine.store.history import History, Session, StoredTick
from engine.window import LENGTH


@dataclass(frozen=True, slots=True)
class Verdict(Record):
    """What a replay found. `first_difference` names a phase, or "decisions"; None when identical."""

    tick: int
    identical: bool
    first_difference: str | None
    note: str


@dataclass(slots=True)
class Rolled:
    """Where rolling forward ended: the state after the last tick, its window, and what it came to."""

    state: State
    window: Window
    stored: StoredTick | None
    outcome: Outcome | None
    run: Run | None
    begun: int | None = None  # the tick of the checkpoint it began from; None: the session's start
    serving: tuple[Serving | None, ...] = ()
    unread: dict[int, str] = field(default_factory=dict)  # ticks of the newer checkpoints that are damaged, each with the reason
    rebuilt: dict[int, State] = field(default_factory=dict)  # of them, those whose state was found again, bit for bit

    @property
    def detour(self) -> str | None:
        """What was done about damaged checkpoints, in one sentence."""
        if not self.unread:
            return None
        ticks = ", ".join(f"{tick:,}" for tick in sorted(self.unread))
        one = len(self.unread) == 1
        start = "the start of the session" if self.begun is None else f"the checkpoint of tick {self.begun:,}"
        return f"the checkpoint{'' if one else 's'} of tick{'' if one else 's'} {ticks} {'is' if one else 'are'} damaged: rolled forward from {start}"


def replay(history: History, tick: int) -> Verdict:
    """Decide a stored tick again and compare the digest of every phase.

    Raises Forgotten where the inputs of the tick are no longer stored, or where an earlier version of Podium decided it: such digests cannot be compared.
    """
    if history.fingerprint(tick).get("digests") != DIGEST_FORMAT:
        raise Forgotten(f"tick {tick} was decided by an earlier version of Podium, whose digests cannot be compared: replay it with that version")
    rolled = roll(history, history.session(history.tick(tick).session), tick)
    stored, outcome, run = rolled.stored, rolled.outcome, rolled.run
    if stored is None or outcome is None or run is None:
        raise ValueError(f"tick {tick} could not be rolled forward to")
    note = "; ".join(part for part in (_platform(history, tick), rolled.detour) if part)
    phase = _difference(stored, run)
    if phase is not None:
        return Verdict(tick, False, phase.value, note or f"the result of {phase.value} differs from what was stored")
    if outcome.decisions.digest() != stored.decisions_digest:
        return Verdict(tick, False, "decisions", note or "the decisions differ from what was stored")
    return Verdict(tick, True, None, note or "every phase gave the same bits")


def _difference(stored: StoredTick, run: Run) -> Phase | None:
    """The first phase whose result is not what was stored."""
    pairs = zip(Phase, stored.phase_digests, strict=False)
    return next((phase for phase, digest in pairs if run.results[phase].digest() != digest), None)


def vouches(stored: StoredTick, run: Run) -> bool:
    """Whether every phase gave what was stored, so that the state is the one that was stored too."""
    return bool(stored.phase_digests) and _difference(stored, run) is None


def roll(history: History, session: Session, to: int, damaged: dict[str, str] | None = None) -> Rolled:
    """Rolls the session's state forward to just after tick `to`, deciding each tick since the checkpoint before it again.

    A damaged checkpoint is passed over for the newest sound one before it. A model that cannot be read raises ValueError or Forgotten; with
    `damaged` it is left out, and told there by its digest with the reason.
    """
    threadpool_limits(1)  # as when it was decided
    unread: dict[int, str] = {}
    found = history.checkpoint_at_or_before(to - 1, session.id, unread)
    ticks = history.ticks_after(-1 if found is None else found[0], session.id, to)
    if not ticks:
        raise Forgotten(f"tick {to} cannot be decided again: the ticks of session {session.id} before it are not kept")
    info = info_of(session, ticks[0])
    first = ticks[0].tick
    window = Window(info)
    for bar in history.slices(session.id, first - LENGTH, first - 1):
        window.append(bar)
    state = learning.blank(len(session.symbols), session.models, session.horizons) if found is None else found[1]
    rolled = Rolled(state, window, None, None, None, None if found is None else found[0], unread=unread)
    loaded: dict[str, Serving | None] = {}
    catalog = Catalog(discover("engine.features", "FAMILY"), session.models, ())
    for stored in ticks:
        rolled.serving = _serving(history, stored, loaded, damaged)
        _again(rolled, stored, replace(catalog, serving=rolled.serving))
    return rolled


def info_of(session: Session, stored: StoredTick) -> FeedInfo:
    """The shape of the feed that a session was decided on."""
    levels, has_flow = stored.slice.books.bid_price.shape[1], stored.slice.flow.shape[1] > 0
    return FeedInfo(session.feed, session.label, session.symbols, session.interval, levels, has_flow, False, 0.0, 0.0, ())


def _again(rolled: Rolled, stored: StoredTick, catalog: Catalog) -> None:
    rolled.window.append(stored.slice)
    inputs = rolled.window.inputs(stored.tick, stored.account, stored.knobs, stored.events)
    forced = {Phase(name): "failed when it was decided" for name in stored.degraded}
    run = Run(axes(inputs, catalog), clock=lambda: 0.0, forced=forced)
    outcome = decide(inputs, obey.forget_lost(rolled.state, stored.events), catalog, run)
    rolled.state, rolled.stored, rolled.outcome, rolled.run = outcome.state, stored, outcome, run
    if stored.tick in rolled.unread and vouches(stored, run):
        rolled.rebuilt[stored.tick] = outcome.state


def _serving(history: History, stored: StoredTick, loaded: dict[str, Serving | None], damaged: dict[str, str] | None) -> tuple[Serving | None, ...]:
    for digest in stored.serving:
        if digest is None or digest in loaded:
            continue
        try:
            loaded[digest] = training.load(history.artifact(digest, stored.tick))
        except (ValueError, Forgotten) as error:
            if damaged is None:
                raise
            loaded[digest], damaged[digest] = None, str(error)
    return tuple(None if digest is None else loaded[digest] for digest in stored.serving)


def _platform(history: History, tick: int) -> str:
    """A sentence when the tick was decided on another platform, where bits are not promised; else nothing."""
    then, now = history.fingerprint(tick), fingerprint.take()
    changed = [f"{name} {then.get(name)} then, {value} now" for name, value in now.items() if then.get(name) != value]
    return f"decided on another platform ({'; '.join(changed)}): equal to 1e-9 at best, bits are not promised" if changed else ""
