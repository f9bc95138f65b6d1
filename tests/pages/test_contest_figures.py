"""How sure the gain of a contest is, on Models: its interval, and whether it rests on blocks beyond the clip."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.domain.evolution import Contests, EvolutionState
from engine.domain.state import State
from engine.evidence import contest
from engine.evolution.progress import empty_evolution
from engine.store import codec
from engine.store.read import contest_figures
from engine.store.read.contest_figures import ContestFigures
from engine.store.read.reader import Reader
from pages.models.evolution_figures import describe_figures
from tests.evolution.making import make_arm
from tests.pages.stores import store
from tests.pages.test_pages import run, text

HORIZONS = (1, 3, 12)
SURE = ContestFigures(4_000, 1, False, 1, 0.0021, -0.0005, 0.0047, 140, 3, True)


def contested(*numbers: int) -> EvolutionState:
    """Contests at one bar with 200 blocks each, of which one lost more than all others have gained."""
    empty = contest.add_arms(contest.empty_contests(0, len(HORIZONS)), len(numbers))
    blocks, gain = np.zeros((len(numbers), 3)), np.zeros((len(numbers), 3))
    blocks[:, 0], gain[:, 0] = 200.0, -1.0
    contests: Contests = replace(
        empty, blocks=blocks, gain=gain, power=blocks * 2.0, squared=blocks * 0.04, clipped=np.sign(blocks), clipped_gain=gain * 3.0
    )
    arms = tuple(make_arm(number, kind) for number, kind in zip(numbers, ("challenger", "watch"), strict=False))
    return replace(empty_evolution(2, HORIZONS, 4), arms=arms, contests=contests)


def test_the_figures_are_those_of_the_contest_where_there_are_enough_blocks() -> None:
    state = contested(1, 2)
    listed = contest_figures.list_contest_figures(state, HORIZONS, 900)
    assert [(each.tick, each.number, each.is_watch, each.horizon, each.blocks, each.clipped) for each in listed] == [
        (900, 1, False, 1, 200, 1), (900, 2, True, 1, 200, 1)
    ]  # fmt: skip
    mean, low, high = contest.gain_interval(state.contests, contest_figures.SHOWN_ALPHA)
    assert (
        (listed[0].r2_gain, listed[0].low, listed[0].high)
        == (mean[0, 0], low[0, 0], high[0, 0])
        == (pytest.approx(-1.0 / 400.0), low[0, 0], high[0, 0])
    )
    assert low[0, 0] < mean[0, 0] < high[0, 0]
    assert not listed[0].survives_clipping


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (SURE, "3 blocks were beyond the clip: without that part the gain has the same sign."),
        (
            replace(SURE, clipped=1, survives_clipping=False),
            "1 block was beyond the clip: without that part the gain changes its sign, so it rests on",
        ),
        (replace(SURE, clipped=0), "No block was beyond the clip."),
    ],
)
def test_a_gain_is_told_with_its_interval_and_what_it_rests_on(figures: ContestFigures, words: str) -> None:
    shown = describe_figures((replace(figures, number=2), figures), 1, 1, is_watch=False)
    assert shown.startswith("1 bar: +0.21 % of R² (95 %: \N{MINUS SIGN}0.05 to +0.47 %, n=140 blocks, to tick 4,000). ")
    assert words in shown
    for missing in (
        describe_figures((figures,), 1, 3, is_watch=False),
        describe_figures((figures,), 1, 1, is_watch=True),
        describe_figures((), 1, 3, is_watch=False),
    ):
        assert "no interval of the gain" in missing


def test_the_models_page_shows_them_and_says_where_there_are_none(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        assert "1 bar: no interval of the gain. There is one while a contest runs" in text(run("05_models.py", url, horizon="1 bar"))
        with closing(sqlite3.connect(tmp_path / "podium.db", isolation_level=None)) as connection:
            tick, data = connection.execute("SELECT tick, data FROM checkpoints ORDER BY tick DESC").fetchone()
            state = replace(codec.unpack(State, data), evolution=contested(1))
            connection.execute("INSERT INTO checkpoints (tick, session, data) SELECT max(tick), max(session), ? FROM ticks", (codec.pack(state),))
            newest = connection.execute("SELECT max(tick) FROM checkpoints").fetchone()[0]
        shown = text(run("05_models.py", url, horizon="1 bar"))
        assert "\N{MINUS SIGN}0.25 % of R²" in shown
        assert f"n=200 blocks, to tick {newest:,}). 1 block was beyond the clip: without that part the gain changes its sign" in shown
        assert newest > tick
        reader = Reader(url)
        assert [each.number for each in contest_figures.read_contest_figures(reader, newest)] == [1]
        assert contest_figures.read_contest_figures(reader, newest + 1) == ()
        with closing(sqlite3.connect(tmp_path / "podium.db", isolation_level=None)) as connection:
            connection.execute("UPDATE checkpoints SET data = zeroblob(9)")
        assert contest_figures.read_contest_figures(reader, newest) == ()
