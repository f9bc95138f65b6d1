"""Intents in the store: stamped on arrival, in force at their bar or refused, and a bot's account a function of the ticks and of them."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from engine.bots import design_contest, open_bot, replay_bot
from engine.domain.bots import BotMarket, BotState, Intent
from engine.domain.tick import Tick
from engine.service.engine import Engine
from engine.service.resume import resume_engine
from engine.store import codec, database, intents
from engine.store.database import path_from_url
from engine.store.errors import StoreError
from engine.store.intents import IntentBox, IntentConflicts, IntentDraft, IntentReceipt, IntentRefused, IntentTooEarly
from engine.store.read.history import TickHistory
from engine.store.retention import RetentionPolicy
from engine.store.write import bots
from engine.store.write.writer import Writer
from tests.makers import KNOBS, START, StoppedClock, settings, simulated

NOW, DAY = START, 86_400 * 10**9
BARS = 200
WARM = 20
NEXT = "next"


class Session:
    """An engine on a store, whose bars are played one by one, and its intents."""

    def __init__(self, url: str) -> None:
        self.url, self.sent = url, 0
        self.box, self.ticks = IntentBox(url), list[Tick]()
        self.start()

    def start(self) -> None:
        self.writer, self.history = Writer(self.url), TickHistory(self.url)
        chosen = settings(database_url=self.url, trading=KNOBS, warmup_bars=WARM)
        self.engine: Engine
        self.engine, self.session = resume_engine(chosen, simulated(BARS, symbols=3), StoppedClock(), self.writer, self.history, training_pool=None)

    def stop(self) -> None:
        self.writer.close()
        self.history.close()

    def play(self, ticks: int) -> None:
        for _ in range(ticks):
            tick = self.engine.step()
            assert tick is not None
            self.ticks.append(tick)

    def send(
        self, target: float = 0.1, *, bot: str = "bot", symbol: str = "ALFA", bar: int | None = None, late: str = "", sender: str = "me",
        key: str = "", now: int = NOW,
    ) -> IntentReceipt:  # fmt: skip
        self.sent += 1
        return self.box.submit(IntentDraft(bot, symbol, target, bar, late == NEXT), sender, key or f"key {self.sent}", now)

    @property
    def last(self) -> int:
        return self.ticks[-1].snapshot.at

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(path_from_url(self.url))) as store:
            return store.execute(sql).fetchall()

    def state(self, number: int = 1) -> BotState:
        ((data,),) = self.ask(f"SELECT data FROM bots WHERE id = {number}")
        assert isinstance(data, bytes)
        return codec.unpack(BotState, data)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Session]:
    url = f"sqlite:///{tmp_path / 'podium.db'}"
    database.prepare(url)
    session = Session(url)
    session.play(WARM + 2)
    yield session
    session.box.close()
    session.stop()


def test_an_intent_is_in_force_at_the_bar_it_came_before(opened: Session) -> None:
    receipt = opened.send()
    assert (receipt.bar, receipt.received_at, receipt.was_late) == (opened.last + 60 * 10**9, NOW, False)
    opened.play(3)
    assert opened.ask("SELECT id, bot, symbol, target, at, tick FROM v_intents") == [(1, "bot", "ALFA", 0.1, NOW, WARM + 2)]
    rows = opened.ask("SELECT tick, equity, gain FROM bot_ticks ORDER BY tick")
    assert [row[0] for row in rows] == [WARM + 2, WARM + 3, WARM + 4]
    assert [row[2] is not None for row in rows] == [False, True, True]  # no pair before the first intent is in force
    ((pairs, equity, verdict, intents_sent),) = opened.ask("SELECT pairs, equity, verdict, intents FROM v_bots")
    assert (pairs, equity, verdict, intents_sent) == (2, opened.state().account.equity, "running", 1)


def test_a_late_intent_is_refused_or_counts_for_the_next_bar_where_it_says_so(opened: Session) -> None:
    opened.send()
    with pytest.raises(IntentConflicts, match='the intent is late and does not count; send it before its bar closes, or with "if_late": "next"'):
        opened.send(-0.1, bar=opened.last)
    moved = opened.send(-0.2, bar=opened.last, late=NEXT)
    assert (moved.bar, moved.was_late) == (opened.last + 60 * 10**9, True)
    assert opened.ask("SELECT intents, late, refused FROM v_bots") == [(2, 2, 0)]
    opened.play(1)
    assert opened.state().targets[0] == -0.2


REFUSALS = [
    ({"symbol": "ALFAX"}, "there is no symbol 'ALFAX': did you mean ALFA?"),
    ({"target": 0.9}, "the target is 0.9: give a share of equity from -0.2 to 0.2, the limit that the engine has"),
    ({"target": float("nan")}, "the target is nan"),
    ({"bar": 7}, "no bar closes at 7: bars close every 60000000000 ns"),
    ({"bot": "a bot"}, "'a bot' is no name of a bot"),
    ({"bot": ""}, "'' is no name of a bot"),
]


@pytest.mark.parametrize(("changed", "message"), REFUSALS)
def test_what_is_no_intent_is_refused_and_counted(opened: Session, changed: dict[str, object], message: str) -> None:
    opened.send()
    with pytest.raises(IntentRefused, match=message):
        opened.send(**changed)  # type: ignore[arg-type]
    assert opened.ask("SELECT intents, refused FROM v_bots") == [(1, 0 if "bot" in changed else 1)]
    assert len(opened.ask("SELECT * FROM bot_intents")) == 1


def test_an_intent_for_a_bar_that_is_not_open_is_refused(opened: Session) -> None:
    with pytest.raises(IntentRefused, match="is not open yet: send the intent while it is"):
        opened.send(bar=opened.last + 2 * 60 * 10**9)


def test_the_same_intent_under_its_key_counts_once(opened: Session) -> None:
    first = opened.send(key="k")
    opened.play(1)
    assert opened.send(key="k", now=NOW + DAY) == first
    assert opened.send(key="k", bar=first.bar) == first  # its bar has closed meanwhile
    with pytest.raises(IntentRefused, match="the key k belongs to intent 1, which is another one: give a new key"):
        opened.send(0.2, key="k")
    assert opened.send(key="k", sender="another", bot="other").id == 2
    assert len(opened.ask("SELECT * FROM bot_intents")) == 2


def test_a_bot_belongs_to_its_sender(opened: Session) -> None:
    opened.send()
    with pytest.raises(IntentRefused, match="the bot bot belongs to another sender"):
        opened.send(sender="another")


def test_while_the_engine_is_paused_no_intent_counts(opened: Session) -> None:
    opened.send()
    opened.engine.configure(paused=True)
    with pytest.raises(IntentConflicts, match="the engine is paused, and so are the bots"):
        opened.send()
    opened.engine.configure(paused=False)
    assert opened.send().id == 2
    assert opened.ask("SELECT intents, late, refused FROM v_bots") == [(2, 0, 1)]


def test_more_intents_than_can_wait_are_refused_and_begin_no_bot(opened: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents, "MAX_WAITING", 1)
    opened.send()
    with pytest.raises(IntentTooEarly, match="1 intents wait for their bar"):
        opened.send(bot="other")
    assert opened.ask("SELECT bot FROM v_bots") == [("bot",)]
    opened.play(1)
    assert opened.send(bot="other").id == 2


def test_a_tick_that_was_stored_though_it_seemed_to_fail_is_judged_once(opened: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.send()
    opened.play(1)

    def fail(*_: object) -> None:
        raise StoreError("the disk answered too late")

    with monkeypatch.context() as broken:
        broken.setattr(opened.writer.referee, "accept", fail)  # after the tick is stored
        with pytest.raises(StoreError):
            opened.engine.step()
    opened.play(3)  # the first of them stores the same tick again, which is there
    ticks = [row[0] for row in opened.ask("SELECT tick FROM bot_ticks ORDER BY tick")]
    assert ticks == list(range(WARM + 2, WARM + 6))
    assert opened.ask("SELECT pairs FROM v_bots") == [(3,)]


def test_bars_of_a_pause_give_no_pair(opened: Session) -> None:
    opened.send()
    opened.play(3)
    opened.engine.configure(paused=True)
    opened.play(3)
    opened.engine.configure(paused=False)
    opened.play(3)
    gains = [row[0] is not None for row in opened.ask("SELECT gain FROM bot_ticks ORDER BY tick")]
    assert gains == [False, True, True, True, False, False, False, True, True]


def test_an_engine_in_its_warm_up_takes_no_intent(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'podium.db'}"
    database.prepare(url)
    session = Session(url)
    for ticks in (0, 5):
        session.play(ticks)
        with pytest.raises(IntentTooEarly, match="the engine has not begun to trade yet"):
            session.send()
    session.box.close()
    session.stop()


def test_on_a_live_market_the_clock_decides_what_is_late(opened: Session) -> None:
    with closing(sqlite3.connect(path_from_url(opened.url))) as store, store:
        store.execute("UPDATE sessions SET feed = 'live'")
    interval = 60 * 10**9
    now = opened.last + interval + 10**9  # the bar after the newest has closed and is not decided on yet
    with pytest.raises(IntentConflicts, match="is late"):
        opened.send(bar=opened.last + interval, now=now)
    assert opened.send(bar=opened.last + 2 * interval, now=now).was_late is False
    assert opened.send(now=now).bar == opened.last + 2 * interval
    opened.play(1)
    assert opened.ask("SELECT tick FROM v_intents") == [(None,), (None,)]  # their bar is the one after
    opened.play(1)
    assert opened.ask("SELECT tick FROM v_intents") == [(WARM + 3,), (WARM + 3,)]


def test_the_number_of_bots_is_bounded_and_an_idle_one_gives_up_its_place(opened: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents, "MAX_BOTS", 2)
    opened.send(bot="first")
    opened.send(bot="second", now=NOW + DAY)
    with pytest.raises(IntentRefused, match="2 bots are judged already, at most 2 are"):
        opened.send(bot="third", now=NOW + 2 * DAY)
    opened.play(2)
    assert opened.send(bot="third", now=NOW + 8 * DAY).id == 3
    assert opened.ask("SELECT bot, state FROM v_bots ORDER BY number") == [("first", "retired"), ("second", "active"), ("third", "active")]
    with pytest.raises(IntentRefused, match="the bot first was retired after 7 days without an intent: choose another name"):
        opened.send(bot="first")
    opened.play(1)
    assert opened.ask("SELECT bot FROM bot_ticks WHERE tick = (SELECT max(tick) FROM bot_ticks) ORDER BY bot") == [(2,), (3,)]


def send_some(session: Session, ticks: int) -> None:
    for number in range(ticks):
        if number % 5 == 0:
            session.send(0.2 if number % 2 else -0.15, symbol=("ALFA", "BRAVO")[number % 2], key=f"tick {len(session.ticks)}")
        session.play(1)


def test_a_bot_goes_on_after_a_restart_as_if_there_had_been_none(tmp_path: Path) -> None:
    digests = []
    for stops in (False, True):
        url = f"sqlite:///{tmp_path / f'{stops}.db'}"
        database.prepare(url)
        session = Session(url)
        session.play(WARM + 2)
        send_some(session, 23)
        if stops:
            session.stop()
            session.start()
        send_some(session, 20)
        digests.append(session.state().digest())
        session.box.close()
        session.stop()
    assert digests[0] == digests[1]


def test_a_bot_is_repeated_from_its_stamped_intents_and_the_ticks(opened: Session) -> None:
    send_some(opened, 40)
    stamped = defaultdict[int, list[Intent]](list)
    for number, symbol, target, bar, tick in opened.ask("SELECT id, symbol, target, bar, tick FROM v_intents ORDER BY bar, id"):
        assert isinstance(number, int) and isinstance(target, float) and isinstance(bar, int) and isinstance(tick, int)  # noqa: PT018
        stamped[tick].append(Intent(number, opened.ticks[0].inputs.symbols.index(str(symbol)), target, bar))
    played = opened.ticks[WARM + 1 :]
    markets = [
        BotMarket(
            tick.snapshot, tick.inputs, tick.outcome.decisions, tick.outcome.liquidity, tick.outcome.market_state, 100_000.0,
            tick.inputs.account.equity / before.inputs.account.equity - 1.0,
        )
        for before, tick in pairwise(played)
    ]  # fmt: skip
    config = played[0].inputs.config
    repeated = replay_bot(open_bot(design_contest(1, played[0].inputs.interval, config), 100_000.0, 3), stamped, markets)
    assert replace(repeated, gain=None).digest() == opened.state().digest()


def test_a_bot_that_cannot_be_judged_costs_no_tick(opened: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.send()
    opened.play(2)
    before = opened.state().digest()

    def fail(*_: object) -> None:
        raise ArithmeticError("a bot that\nfails")

    monkeypatch.setattr(bots, "step_bot", fail)
    opened.play(1)
    assert opened.writer.referee.problem == f"the bots of tick {WARM + 4} were not judged: ArithmeticError: a bot that fails"
    assert (opened.ask("SELECT max(tick) FROM ticks"), opened.state().digest()) == ([(WARM + 4,)], before)
    monkeypatch.undo()
    opened.play(1)
    assert opened.writer.referee.problem is None


def test_a_tick_that_is_not_stored_moves_no_bot(opened: Session) -> None:
    opened.send()
    opened.play(2)
    before = opened.state().digest()
    with closing(sqlite3.connect(path_from_url(opened.url))) as store, store:
        store.execute("CREATE TRIGGER refuse BEFORE INSERT ON bot_ticks BEGIN SELECT raise(ROLLBACK, 'no'); END")
    with pytest.raises(Exception, match="no"):
        opened.engine.step()
    assert opened.state().digest() == before
    with closing(sqlite3.connect(path_from_url(opened.url))) as store, store:
        store.execute("DROP TRIGGER refuse")
    opened.play(1)
    assert opened.ask("SELECT count(*), max(tick) FROM bot_ticks") == [(3, WARM + 4)]


def test_the_equity_of_bots_is_kept_as_long_as_the_ticks(opened: Session) -> None:
    opened.send()
    opened.play(150)
    opened.writer.prune(NOW + 400 * DAY, RetentionPolicy(days=1.0))
    ((first,),) = opened.ask("SELECT min(tick) FROM ticks")
    assert isinstance(first, int)
    assert first > WARM + 2
    assert opened.ask("SELECT min(tick) FROM bot_ticks") == [(first,)]
