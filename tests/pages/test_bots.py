"""The bots on Portfolio: a verdict in plain words, evidence against its bar, and the equity of each beside the engine's."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from engine.service.resume import resume_engine
from engine.store import database
from engine.store.intents import IntentBox, IntentDraft
from engine.store.read import bots as reads
from engine.store.read.history import TickHistory
from engine.store.read.metrics import read_metrics
from engine.store.read.reader import Reader
from engine.store.write.writer import Writer
from engine.web.bot_families import collect_bots
from pages.portfolio import bots
from tests.makers import KNOBS, START, StoppedClock, settings, simulated
from tests.pages.stores import store
from tests.pages.test_pages import run, text

BARS, WARM = 60, 20


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with two bots, one of which began 10 bars later."""
    folder: Path = tmp_path_factory.mktemp("bots")
    url = f"sqlite:///{folder / 'podium.db'}"
    database.prepare(url)
    writer, history, box = Writer(url), TickHistory(url), IntentBox(url)
    chosen = settings(database_url=url, trading=KNOBS, warmup_bars=WARM)
    engine, _ = resume_engine(chosen, simulated(BARS, symbols=3), StoppedClock(), writer, history, training_pool=None)
    for tick in range(BARS):
        if tick in {WARM + 5, WARM + 15}:
            box.submit(IntentDraft(f"bot{tick}", "ALFA", 0.2, None, False), "me", str(tick), START)
        engine.step()
    for part in (box, history, writer):
        part.close()
    return url


def test_each_bot_has_its_figures_and_a_verdict_in_words(url: str) -> None:
    frame = reads.read_bots(Reader(url))
    rows = bots.list_bots(frame)
    assert [str(row.cells[0]) for row in rows] == ["bot25", "bot35"]
    assert len(rows[0].cells) == len(bots.COLUMNS)
    first = frame.iloc[0]
    assert first["pairs"] == BARS - WARM - 6
    texts = [str(getattr(cell, "text", cell)) for cell in rows[0].cells]
    assert texts[1] == "not enough evidence yet"
    assert " of " in texts[7]


def test_portfolio_shows_the_bots_where_there_are_some(url: str, full_store: str, tmp_path: Path) -> None:
    shown = text(run("06_portfolio.py", url))
    assert "Bots" in shown
    assert "not enough evidence yet" in shown
    with store("full", full_store, tmp_path) as without:
        assert "Bots" not in text(run("06_portfolio.py", without))


def test_the_metrics_have_a_sample_for_each_bot(url: str) -> None:
    families = {family.name: family for family in collect_bots(read_metrics(Reader(url), START).bots)}
    assert {name: [sample.labels["bot"] for sample in family.samples] for name, family in families.items() if name != "podium_bot_intents"} == {
        name: ["bot25", "bot35"] for name in ("podium_bot_equity", "podium_bot_e_value", "podium_bot_e_value_threshold")
    }
    assert [sample.value for sample in families["podium_bot_e_value_threshold"].samples] == pytest.approx([40.0, 120.0])
    assert [(sample.labels["result"], sample.value) for sample in families["podium_bot_intents"].samples][:3] == [
        ("accepted", 1.0), ("late", 0.0), ("refused", 0.0),
    ]  # fmt: skip


def test_the_equity_of_every_bot_is_beside_the_engines(url: str) -> None:
    frame = reads.read_bot_equity(Reader(url))
    counts = frame.groupby("name").size().to_dict()
    assert counts == {"": BARS - WARM - 5, "bot25": BARS - WARM - 5, "bot35": BARS - WARM - 15}
    figure = bots.plot_bots(frame)
    assert [trace["name"] for trace in figure.data] == ["bot25", "bot35", "Podium"]
    assert figure.data[0]["y"][0] == 0.0
    assert reads.read_bot_equity(Reader(url), points=10).groupby("name").size().max() <= 10


@pytest.mark.parametrize(
    ("verdict", "state", "pairs", "words"),
    [
        ("running", "active", 0, "waits for its first pair"),
        ("running", "active", 9, "not enough evidence yet"),
        ("better", "active", 900, "better than the engine since tick 1,234"),
        ("worse", "retired", 900, "worse than the engine since tick 1,234; retired after a week without an intent"),
        ("equivalent", "active", 900, "as good as the engine since tick 1,234"),
    ],
)
def test_a_verdict_is_said_in_words(verdict: str, state: str, pairs: int, words: str) -> None:
    row = pd.DataFrame([{"verdict": verdict, "state": state, "pairs": pairs, "verdict_tick": 1_234}]).itertuples()
    assert bots.describe_bot_verdict(next(row)) == words


def test_evidence_is_an_e_value_against_the_bar() -> None:
    assert bots.describe_evidence(math.log(1.5), math.log(40.0)) == "1.5 of 40"
    assert bots.describe_evidence(math.log(1e9), math.log(1_200.0)) == "10^9 of 1,200"
    assert bots.describe_evidence(None, 1.0) == "not measured yet"
