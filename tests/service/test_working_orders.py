"""Working orders: a restart resumes them, a replay decides with them, and each bar works them once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine.domain.orders import EXECUTIONS
from engine.domain.tick import Tick
from engine.replay import replay_tick
from engine.service.engine import Engine
from engine.service.resume import resume_engine
from engine.settings import Settings
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.makers import KNOBS, Inline, StoppedClock, engine, play, settings, simulated
from tests.store import made

END = 780
RESTING = replace(KNOBS, first_training=260, retrain_every=1_000, maker_fee_bps=0.0)  # the fee spared makes resting worth it


@dataclass(frozen=True)
class Ran:
    """What an engine that never stopped did, and the same in pieces over a store, cut wherever an order stood over."""

    whole: list[Tick]
    pieces: list[Tick]
    cuts: list[int]
    url: str


def opened(url: str) -> tuple[Engine, Writer, TickHistory]:
    writer, history = Writer(url), TickHistory(url)
    configured: Settings = settings(database_url=url, trading=RESTING)
    resumed_engine, _ = resume_engine(configured, simulated(END, symbols=4, signal=0.5), StoppedClock(), writer, history, training_pool=Inline())
    return resumed_engine, writer, history


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    whole = play(engine(simulated(END, symbols=4, signal=0.5), trading=RESTING))
    standing = [tick.inputs.tick for tick in whole if tick.inputs.account.working_orders]
    assert len(standing) > 5, "no order stood over: nothing is tested"
    cuts = [standing[0], standing[len(standing) // 2], standing[-1]]
    url = made.empty(Path(tmp_path_factory.mktemp("working")))
    pieces: list[Tick] = []
    for end in [*(cut + 1 for cut in cuts), END]:
        subject, writer, history = opened(url)
        pieces += play(subject, end - len(pieces))
        writer.close()
        history.close()
    return Ran(whole, pieces, cuts, url)


def test_a_run_cut_where_orders_stand_over_is_a_run_in_one_piece(ran: Ran) -> None:
    assert [tick.decisions_digest for tick in ran.pieces] == [tick.decisions_digest for tick in ran.whole]
    assert [tick.inputs.account.digest() for tick in ran.pieces] == [tick.inputs.account.digest() for tick in ran.whole]
    assert [[fill.digest() for fill in tick.fills] for tick in ran.pieces] == [[fill.digest() for fill in tick.fills] for tick in ran.whole]
    assert ran.pieces[-1].outcome.state.digest() == ran.whole[-1].outcome.state.digest()


def test_a_tick_decided_while_orders_stand_over_is_replayed_bit_for_bit(ran: Ran) -> None:
    history = TickHistory(ran.url)
    for tick in (*ran.cuts, ran.cuts[1] + 1):
        verdict = replay_tick(history, tick)
        assert verdict.identical, verdict
    history.close()


def test_what_stands_over_was_ordered_and_what_is_over_is_counted_once(ran: Ran) -> None:
    over = 0
    for before, after in zip(ran.whole, ran.whole[1:], strict=False):
        ordered = {order.symbol: order for order in before.outcome.orders}
        held, account = before.inputs.account.positions, after.inputs.account
        for order in account.working_orders:
            assert order.progress is not None
            assert order.units == pytest.approx(ordered[order.symbol].units - (account.positions - held)[order.symbol])
        stood = {order.symbol for order in before.inputs.account.working_orders}
        assert len(account.finished_orders) + len(account.working_orders) >= len(ordered)
        assert len(account.finished_orders) + len(account.working_orders) <= len(ordered) + len(stood)
        over += len(account.finished_orders)
    orders = ran.whole[-1].outcome.state.execution.orders
    assert orders.sum() == over > 20
    assert orders[EXECUTIONS.index("passive") - 1] > 5
