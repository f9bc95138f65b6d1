"""Figures on the present against the same figures counted the long way, and none where something is unknown."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from engine.store.read import recent
from engine.store.read.closing import read_closing_estimate
from engine.store.read.reader import Reader
from tests.store import made

SECOND = made.SECOND


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made.filled(tmp_path_factory.mktemp("recent"), ticks=130, evolves=False)


def test_news_are_those_after_the_time(stored: str) -> None:
    reader = Reader(stored)
    ticks, fills = reader.frame("SELECT tick, wall, equity FROM ticks"), reader.frame("SELECT tick FROM fills WHERE size <> 0")
    tick = int(fills.loc[fills["tick"] < 115, "tick"].iloc[-1])  # its own fills are older than the time
    since = made.WALL + tick * 2 * SECOND + 1
    news, later = recent.read_news(reader, since), ticks[ticks["wall"] >= since]
    assert news is not None
    assert (news.ticks, news.decisions) == (len(later), 4 * len(later)) == (129 - tick, 4 * (129 - tick))
    assert news.trades == int((fills["tick"] > tick).sum()) > 0
    assert news.gain == pytest.approx(ticks["equity"].iloc[-1] / ticks["equity"].iloc[tick] - 1)
    assert news.alerts == int((reader.frame("SELECT at FROM alerts")["at"] >= since).sum()) > 0


def test_decisions_are_not_counted_across_sessions(tmp_path: Path) -> None:
    url = made.filled(tmp_path, ticks=8, evolves=False)
    with closing(sqlite3.connect(tmp_path / "podium.db")) as copy, copy:
        copy.execute("UPDATE ticks SET session = session - 1 WHERE tick < 5")
    news = recent.read_news(Reader(url), made.WALL + 3 * 2 * SECOND + 1)
    assert news is not None
    assert (news.ticks, news.decisions, news.gain) == (4, None, None)


def test_nothing_is_invented_before_the_first_tick_or_in_an_empty_store(stored: str, tmp_path: Path) -> None:
    assert recent.read_news(Reader(stored), made.WALL - SECOND) is None
    empty = Reader(made.empty(tmp_path))
    assert recent.read_news(empty, made.WALL) is None
    assert recent.read_day_open(empty) is None
    assert recent.read_warmup_pace(empty) is None
    assert recent.read_equal_exposure(empty)[0].empty
    assert recent.read_trends(empty).empty
    assert read_closing_estimate(empty).positions == ()


def test_the_day_and_the_trends_are_as_stored(stored: str) -> None:
    reader, trends = Reader(stored), recent.read_trends(Reader(stored))
    assert recent.read_day_open(reader) == 100_000.0
    assert len(trends) <= recent.TREND_POINTS
    assert trends["tick"].iloc[-1] == 129
    assert trends["estimate"].iloc[-1] == (pytest.approx(0.009), 0.006, None)


@pytest.mark.parametrize(("ticks", "step"), [(130, 1), (600, 1), (601, 2), (1_300, 4)])
def test_the_exposure_is_set_at_multiples_of_a_power_of_two(ticks: int, step: int, stored: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(stored.removeprefix("sqlite:///"))) as source, closing(sqlite3.connect(tmp_path / "podium.db")) as copy, copy:
        source.backup(copy)
        columns = ", ".join(name for _, name, *_ in copy.execute("PRAGMA table_info(ticks)") if name != "tick")
        for first in range(130, ticks, 130):
            copy.execute(
                f"INSERT INTO ticks (tick, {columns}) SELECT tick + ?, {columns} FROM ticks WHERE tick < ?", (first, min(130, ticks - first))
            )
    reader = Reader(f"sqlite:///{tmp_path / 'podium.db'}")
    (frame, found), whole = recent.read_equal_exposure(reader), reader.frame("SELECT benchmark, gross FROM ticks ORDER BY tick")
    assert found == step
    assert frame["tick"].tolist() == sorted({*range(0, ticks, step), ticks - 1})
    value = whole["benchmark"].iloc[0]
    for before, tick in zip(frame["tick"][:-1], frame["tick"][1:], strict=True):
        value *= 1 + whole["gross"].iloc[before] * (whole["benchmark"].iloc[tick] / whole["benchmark"].iloc[before] - 1)
    assert_allclose(frame["value"].iloc[-1], value)


def test_the_pace_is_measured_in_a_warm_up_only(stored: str, tmp_path: Path) -> None:
    assert recent.read_warmup_pace(Reader(stored)) is None
    assert recent.read_warmup_pace(Reader(made.filled(tmp_path, ticks=9, evolves=False))) == pytest.approx(0.5)


def test_the_cost_of_closing_is_half_the_spread_with_fee_and_impact(stored: str) -> None:
    reader = Reader(stored)
    rows = reader.frame("SELECT * FROM decisions WHERE tick = 129 AND units <> 0")
    estimate = read_closing_estimate(reader)
    value = (rows["units"] * rows["mark"]).abs()
    cost = value * (rows["spread_bps"] / 2 + rows["fee_bps"] + rows["impact_bps"]) / 1e4
    assert {position.symbol for position in estimate.positions} == set(rows["symbol"]) != set()
    assert estimate.value == pytest.approx(value.sum())
    assert estimate.cost == pytest.approx(cost.sum())
    assert np.all(np.diff([position.value or np.nan for position in estimate.positions]) <= 0)
