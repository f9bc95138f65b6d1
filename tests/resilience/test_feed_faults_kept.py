"""A faulty feed as people see it: decision, pages, alert and replay agree, from the store alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.alerting import rules
from engine.domain.alerting import AlertInputs, RuleObservation
from engine.domain.incidents import INCIDENT_KINDS
from engine.explain import describe_fault
from engine.replay import replay_tick
from engine.service.resume import resume_engine
from engine.store import database
from engine.store.read import decision, decisions
from engine.store.read.alert_facts import FactsReader
from engine.store.read.decisions import DecisionFilter
from engine.store.read.history import TickHistory
from engine.store.read.reader import Reader
from engine.store.read.status import read_status
from engine.store.write.writer import Writer
from pages.decision import context, tables
from pages.decision import text as decision_text
from pages.overview import charts
from pages.ui import trading_tables
from tests.makers import Inline, Played, StoppedClock, play, settings, simulated
from tests.resilience.frozen_feeds import freeze

BARS, FROZEN = 140, 126
STALE, BOOK, WELL = "BRAVO", "CHARLIE", "ALFA"


@dataclass(frozen=True)
class Stored:
    url: str
    reader: Reader


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """A store of 140 ticks: one symbol's feed is frozen over the last 14 of them, and the book of another."""
    return made(tmp_path_factory.mktemp("faults") / "podium.db", BARS)


def made(path: Path, ticks: int) -> Stored:
    url = f"sqlite:///{path}"
    database.prepare(url)
    feed = simulated(BARS, symbols=4)
    symbols = np.array(feed.info.symbols)
    bars = freeze(list(feed.slices(None)), FROZEN, symbols == STALE)
    bars = freeze(bars, FROZEN, symbols == BOOK, prices=False)
    writer, history = Writer(url), TickHistory(url)
    engine, _ = resume_engine(
        settings(database_url=url, warmup_bars=0), Played(feed.info, bars), StoppedClock(), writer, history, training_pool=Inline()
    )
    play(engine, ticks)
    history.close()
    writer.close()
    return Stored(url, Reader(url))


def alert(url: str) -> RuleObservation:
    reader = FactsReader(url)
    facts = reader.read(AlertInputs(now=0))
    reader.close()
    return rules.check_data_freshness(facts, False)


def test_the_decision_says_which_fault_shuts_the_gate_and_for_how_long(stored: Stored) -> None:
    text = decision.read_decision(stored.reader, BARS - 1, STALE)
    assert text is not None
    assert "It holds no position: stale feed: 14 bars repeat exactly." in (decision_text.explain_decision(text) or "")
    assert (text.gates[0].name, text.gates[0].passed, text.gates[0].fault, text.gates[0].value) == ("fresh data", False, "stale", 14.0)
    assert tables.build_decision_tiles(text)[0].small == "stale feed: 14 bars repeat exactly"
    assert "stale feed: 14 bars repeat exactly" in str(context.list_market_state(text)[-1])
    assert decision_text.describe_gate(next(gate for gate in text.gates if gate.name == "fresh data")) == "stale feed: 14 bars repeat exactly"
    first = decision.read_decision(stored.reader, FROZEN, STALE)
    assert first is not None
    assert "stale feed: 1 bar repeats exactly" in (decision_text.explain_decision(first) or "")
    book = decision.read_decision(stored.reader, BARS - 1, BOOK)
    assert book is not None
    assert "stale book: no change over 14 bars with trades" in (decision_text.explain_decision(book) or "")


def test_a_sound_symbol_has_no_fault(stored: Stored) -> None:
    text = decision.read_decision(stored.reader, BARS - 1, WELL)
    assert text is not None
    assert text.gates[0].passed
    assert text.gates[0].fault is None


def test_lists_and_the_gate_strip_name_the_fault(stored: Stored) -> None:
    latest, _ = decisions.read_latest_decisions(stored.reader, DecisionFilter(), limit=4)
    named = latest[latest["fault"].notna()]
    assert dict(zip(named["symbol"], named["fault"], strict=True)) == {STALE: "stale", BOOK: "stale book"}
    html = trading_tables.render_decisions(latest)
    assert "stale book" in html
    session = read_status(stored.reader).session
    assert session is not None
    strip = charts.plot_gate_strip(decisions.read_gate_strip(stored.reader, 3), session)
    hovers = [text for row in strip.data[0]["text"] for text in row]
    assert sum("data not fresh: stale feed: 14 bars repeat exactly" in text for text in hovers) == 1


def test_the_alert_names_the_symbols_that_the_gate_shuts_and_why(stored: Stored) -> None:
    seen = alert(stored.url)
    assert seen.firing
    assert seen.value == 2.0
    assert seen.message == (
        "the gate fresh data is shut for 2 of 4 symbols: BRAVO: stale feed: 14 bars repeat exactly; "
        "CHARLIE: stale book: no change over 14 bars with trades"
    )


def test_a_first_repeat_shuts_the_gate_and_alarms_nobody(tmp_path: Path) -> None:
    early = made(tmp_path / "podium.db", FROZEN + 1)
    text = decision.read_decision(early.reader, FROZEN, STALE)
    assert text is not None
    assert text.gates[0].fault == "stale"
    assert (alert(early.url).firing, alert(early.url).value) == (False, 4.0)


def test_each_tick_is_replayed_bit_for_bit(stored: Stored) -> None:
    history = TickHistory(stored.url)
    for tick in (FROZEN - 1, FROZEN, FROZEN + 2, BARS - 1):
        assert replay_tick(history, tick).identical
    history.close()
    with closing(sqlite3.connect(stored.url.removeprefix("sqlite:///"))) as connection:
        rows = connection.execute("SELECT kind, symbol FROM v_incidents ORDER BY kind").fetchall()
    assert rows == [("stale", STALE), ("stale book", BOOK)]


@pytest.mark.parametrize("kind", INCIDENT_KINDS)
def test_every_fault_is_put_into_words_that_begin_with_its_name(kind: str) -> None:
    for bars, count in ((1.0, "1 bar"), (14.0, "14 bars"), (None, "an unknown number of bars")):
        words = describe_fault(kind, bars)
        assert words.startswith(kind)
        assert count in words
        assert "{" not in words
