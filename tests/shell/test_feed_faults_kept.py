"""What a faulty feed came to as people see it: the decision in words, the pages, the alert and the replay all say the same, from the store alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.alerts import rules
from engine.domain.alerting import Facts, Sight
from engine.domain.incidents import KINDS
from engine.explain import describe_fault
from engine.replay import replay
from engine.shell.resume import resume
from engine.store import database, decision_query, page_queries
from engine.store.alert_facts import FactsReader
from engine.store.history import History
from engine.store.page_queries import Wanted
from engine.store.reader import Reader
from engine.store.status_query import status
from engine.store.writer import Writer
from pages.parts import charts_overview, evidence, rowsets, spoken
from tests.makers import Inline, Played, StoppedClock, play, settings, simulated
from tests.shell.frozen import freeze

BARS, FROZEN = 140, 126
STALE, BOOK, WELL = "BRAVO", "CHARLIE", "ALFA"


@dataclass(frozen=True)
class Kept:
    url: str
    reader: Reader


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A store of 140 ticks: one symbol's feed is frozen over the last 14 of them, and the book of another."""
    return made(tmp_path_factory.mktemp("faults") / "podium.db", BARS)


def made(path: Path, ticks: int) -> Kept:
    url = f"sqlite:///{path}"
    database.prepare(url)
    feed = simulated(BARS, symbols=4)
    symbols = np.array(feed.info.symbols)
    bars = freeze(list(feed.slices(None)), FROZEN, symbols == STALE)
    bars = freeze(bars, FROZEN, symbols == BOOK, prices=False)
    writer, history = Writer(url), History(url)
    engine, _ = resume(settings(database_url=url, warm_up=0), Played(feed.info, bars), StoppedClock(), writer, history, trainers=Inline())
    play(engine, ticks)
    history.close()
    writer.close()
    return Kept(url, Reader(url))


def alert(url: str) -> Sight:
    reader = FactsReader(url)
    facts = reader.read(Facts(now=0))
    reader.close()
    return rules.stale(facts, False)


def test_the_decision_says_which_fault_shuts_the_gate_and_for_how_long(kept: Kept) -> None:
    told = decision_query.decision(kept.reader, BARS - 1, STALE)
    assert told is not None
    assert "It holds nothing: stale feed: 14 bars repeat exactly." in (spoken.words(told) or "")
    assert (told.rungs[0].name, told.rungs[0].passed, told.rungs[0].fault, told.rungs[0].value) == ("fresh data", False, "stale", 14.0)
    assert evidence.tiles(told)[0].small == "stale feed: 14 bars repeat exactly"
    assert "stale feed: 14 bars repeat exactly" in str(evidence.market(told)[-1])
    assert rowsets.figures_of(told)["fresh data"] == "stale feed: 14 bars repeat exactly"
    first = decision_query.decision(kept.reader, FROZEN, STALE)
    assert first is not None
    assert "stale feed: 1 bar repeats exactly" in (spoken.words(first) or "")
    book = decision_query.decision(kept.reader, BARS - 1, BOOK)
    assert book is not None
    assert "stale book: it has stayed the same over 14 bars with trades" in (spoken.words(book) or "")


def test_a_sound_symbol_has_no_fault(kept: Kept) -> None:
    told = decision_query.decision(kept.reader, BARS - 1, WELL)
    assert told is not None
    assert told.rungs[0].passed
    assert told.rungs[0].fault is None


def test_lists_and_the_gate_strip_name_the_fault(kept: Kept) -> None:
    latest, _ = page_queries.latest(kept.reader, Wanted(), limit=4)
    named = latest[latest["fault"].notna()]
    assert dict(zip(named["symbol"], named["fault"], strict=True)) == {STALE: "stale", BOOK: "stale book"}
    html = rowsets.decisions(latest)
    assert "stale book" in html
    session = status(kept.reader).session
    assert session is not None
    strip = charts_overview.gate_strip(page_queries.strip(kept.reader, 3), session)
    hovers = [text for row in strip.data[0]["text"] for text in row]
    assert sum("data not fresh: stale feed: 14 bars repeat exactly" in text for text in hovers) == 1


def test_the_alert_names_the_symbols_that_the_gate_shuts_and_why(kept: Kept) -> None:
    seen = alert(kept.url)
    assert seen.wrong
    assert seen.value == 2.0
    assert seen.words == (
        "the gate fresh data is shut for 2 of 4 symbols: BRAVO: stale feed: 14 bars repeat exactly; "
        "CHARLIE: stale book: it has stayed the same over 14 bars with trades"
    )


def test_a_first_repeat_shuts_the_gate_and_alarms_nobody(tmp_path: Path) -> None:
    early = made(tmp_path / "podium.db", FROZEN + 1)
    told = decision_query.decision(early.reader, FROZEN, STALE)
    assert told is not None
    assert told.rungs[0].fault == "stale"
    assert (alert(early.url).wrong, alert(early.url).value) == (False, 4.0)


def test_each_tick_is_replayed_bit_for_bit(kept: Kept) -> None:
    history = History(kept.url)
    for tick in (FROZEN - 1, FROZEN, FROZEN + 2, BARS - 1):
        assert replay(history, tick).identical
    history.close()
    with closing(sqlite3.connect(kept.url.removeprefix("sqlite:///"))) as connection:
        rows = connection.execute("SELECT kind, symbol FROM v_incidents ORDER BY kind").fetchall()
    assert rows == [("stale", STALE), ("stale book", BOOK)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_put_into_words_that_begin_with_its_name(kind: str) -> None:
    for bars, count in ((1.0, "1 bar"), (14.0, "14 bars"), (None, "an unknown number of bars")):
        words = describe_fault(kind, bars)
        assert words.startswith(kind)
        assert count in words
        assert "{" not in words
