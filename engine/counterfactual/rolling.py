"""Stored ticks decided again in lockstep: as they were decided, and under each of some changes, with state and account of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import orjson
from threadpoolctl import threadpool_limits

from engine import broker
from engine.counterfactual.lasting_change import NO_CHANGE
from engine.domain.decision import Fill, Outcome
from engine.domain.market import Account
from engine.domain.model import ServingModel
from engine.domain.orders import Order
from engine.domain.record import DIGEST_FORMAT
from engine.domain.state import State
from engine.replay import DecisionBasis, RollForward, begin_rolling, decide_tick_again, find_difference
from engine.run import PhaseRunner
from engine.service import session_controls
from engine.store.errors import NotStored
from engine.store.read.history import StoredSession, StoredTick, TickHistory
from engine.story.what_if import Change

MAX_TICKS = 2_000  # ticks of a span
MAX_ARMS = 64
CPU_SECONDS = 600.0  # s of processor time, after which it is given up
BLOCK = 100  # ticks read at once
REPORT_EVERY = 10  # ticks between two lines of progress
Report = Callable[[int, int], None]  # ticks done, and all of them


@dataclass(slots=True)
class DecidedArm:
    """One way to decide the span: its change, and the state, account and orders that have evolved under it."""

    change: Change
    state: State
    account: Account
    orders: tuple[Order, ...]
    outcome: Outcome | None = None
    fills: tuple[Fill, ...] = ()


@dataclass(frozen=True, slots=True)
class TickSpan:
    """The ticks to decide again, of one session."""

    session: StoredSession
    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class LockstepTick:
    """One tick of the span, after the record and the arms have decided it; they are changed by the next."""

    stored: StoredTick
    reproduced: bool  # the record has every bit that was stored, its account included
    record: DecidedArm
    arms: tuple[DecidedArm, ...]


def choose_span(history: TickHistory, count: int, last: int | None = None) -> TickSpan:
    """The last `count` ticks of the session of tick `last`, which is the newest if not given; fewer where no more can be decided again.

    Raises NotStored where none can.
    """
    held = history.tick_range()
    if held is None:
        raise NotStored("no tick has been decided yet")
    newest = held[1] if last is None else last
    session = history.session(history.tick(newest).session)
    held = history.tick_range(session.id)
    assert held is not None
    first = max(held[0], newest - min(count, MAX_TICKS) + 1)
    try:
        history.checkpoint_at_or_before(first - 2, session.id)
    except NotStored:  # the tick before the first is needed as well, for its orders
        first = next((tick + 2 for number, tick in history.checkpoints() if number == session.id and tick + 2 > first), newest + 1)
        if first > newest:
            raise
    if history.fingerprint(first).get("digests") != DIGEST_FORMAT:
        raise NotStored(f"tick {first} was decided by an earlier version of Podium, whose digests cannot be compared")
    return TickSpan(session, first, newest)


def decide_span_again(history: TickHistory, span: TickSpan, changes: Sequence[Change], report: Report | None = None) -> Iterator[LockstepTick]:
    """Decide every tick of the span as it was decided and under each change, each arm with state, account and orders of its own.

    The models that served then serve in every arm. Raises NotStored, and ValueError where it takes more than CPU_SECONDS of processor time.
    """
    if len(changes) >= MAX_ARMS:
        raise ValueError(f"{len(changes)} changes are too many at once: give fewer than {MAX_ARMS}")
    threadpool_limits(1)  # as in the first decision
    begun, loaded = time.process_time(), dict[str, ServingModel | None]()
    rolled, market = _roll_to_start(history, span, loaded), _Market(span.session, _read_capital(span.session))
    account = market.open_account() if rolled.stored is None else rolled.stored.account
    orders = () if rolled.outcome is None else rolled.outcome.orders
    record, *arms = (DecidedArm(change, rolled.state, account, orders) for change in (NO_CHANGE, *changes))
    for done, stored in enumerate(_read_ticks(history, span), 1):
        decide_tick_again(rolled, stored, history, span.session, loaded)
        basis, outcome, run = rolled.basis, rolled.outcome, rolled.run
        assert basis is not None
        assert outcome is not None
        assert run is not None
        market.carry_account(record, stored, basis)
        record.state, record.orders, record.outcome = outcome.state, outcome.orders, outcome
        for arm in arms:
            market.decide(arm, stored, basis)
        yield LockstepTick(stored, _is_reproduced(stored, record, run), record, tuple(arms))
        if report is not None and (done % REPORT_EVERY == 0 or done == span.count):
            report(done, span.count)
        if time.process_time() - begun > CPU_SECONDS:
            raise ValueError(f"stopped at {done} of {span.count} ticks, which took too much processor time: give fewer ticks")


@dataclass(frozen=True, slots=True)
class _Market:
    """What the accounts of a session depend on, beside its bars."""

    session: StoredSession
    capital: float  # money

    def open_account(self) -> Account:
        return broker.open_account(self.capital, len(self.session.symbols))

    def carry_account(self, arm: DecidedArm, stored: StoredTick, basis: DecisionBasis) -> None:
        """Fill an arm's orders on the bar of a tick and value its account, as the engine does before it decides."""
        bar, config, account = stored.snapshot, basis.inputs.config, arm.account
        if any(event.kind == "peak_restarted" for event in stored.events):
            account = broker.reset_peak(account)
        account = broker.accrue_carry(account, bar.at - self.session.interval, account.mark_price, config, bar.funding)
        account, arm.fills = broker.fill_orders(account, arm.orders, bar, config, stored.tick)
        arm.account = broker.mark_to_market(account, bar, self.capital, config)

    def decide(self, arm: DecidedArm, stored: StoredTick, basis: DecisionBasis) -> None:
        """Decide a tick under the change of an arm, from its own state and account."""
        changed = arm.change.apply(basis)
        self.carry_account(arm, stored, changed)
        state = session_controls.discard_unscorable(arm.state, stored.events)
        outcome, _ = replace(changed, inputs=replace(changed.inputs, account=arm.account), state=state).decide_again()
        arm.state, arm.orders, arm.outcome = outcome.state, outcome.orders, outcome


def _read_capital(session: StoredSession) -> float:
    return float(orjson.loads(session.settings).get("capital", 0.0))


def _read_ticks(history: TickHistory, span: TickSpan) -> Iterator[StoredTick]:
    for low in range(span.first, span.last + 1, BLOCK):
        yield from (stored for stored in history.ticks(low, min(low + BLOCK - 1, span.last)) if stored.session == span.session.id)


def _roll_to_start(history: TickHistory, span: TickSpan, loaded: dict[str, ServingModel | None]) -> RollForward:
    """Roll forward, as recorded, to just after the tick before the span; over that tick at least, since its orders are needed."""
    checkpoint = history.checkpoint_at_or_before(span.first - 2, span.session.id)
    before = history.ticks_after(-1 if checkpoint is None else checkpoint[0], span.session.id, span.first - 1)
    rolled = begin_rolling(history, span.session, before[0] if before else history.tick(span.first), checkpoint)
    for stored in before:
        decide_tick_again(rolled, stored, history, span.session, loaded)
    return rolled


def _is_reproduced(stored: StoredTick, record: DecidedArm, run: PhaseRunner) -> bool:
    """Whether every phase, the decisions and the account have the bits that were stored."""
    assert record.outcome is not None
    same = find_difference(stored, run) is None and record.outcome.decisions.digest() == stored.decisions_digest
    return same and record.account.digest() == stored.account.digest()
