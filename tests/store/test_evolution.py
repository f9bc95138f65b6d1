"""Evolutions, contests, findings and drift are stored with their tick, and stay bounded."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.evolution import EvolutionReport
from engine.domain.tick import Tick
from engine.store import database, maintenance, retention
from engine.store.read.history import TickHistory
from engine.store.read.models import read_versions
from engine.store.read.reader import Reader
from engine.store.views import list_views
from engine.store.write import evolution
from engine.store.write.writer import Writer
from tests.store import made, made_evolution
from tests.store.made_evolution import CHALLENGER, point, row

MINUTE, START = made.MINUTE, 1_704_067_200 * 10**9


@pytest.fixture
def session(writer: Writer) -> Iterator[Tick]:
    """The ticks of a market whose session has begun."""
    market = made.Market(made.names(2))
    made.begin(writer, market)
    return market.ticks(10_000)


@pytest.fixture
def reader(url: str) -> Reader:
    return Reader(url)


def with_report(tick: Tick, **parts: Any) -> Tick:
    return replace(tick, evolution=EvolutionReport(**parts))


def records(reader: Reader, sql: str) -> list[dict[str, Any]]:
    frame = reader.frame(sql)
    return [{str(name): value for name, value in line.items()} for line in frame.astype(object).where(frame.notna(), None).to_dict("records")]


def bar_time(tick: int) -> int:
    return START + (tick + 1) * MINUTE


def test_an_evolution_is_a_row_that_later_ticks_update(writer: Writer, session: Iterator[Tick], reader: Reader) -> None:
    writer.save(next(session))
    writer.save(with_report(next(session), rows=(row(1, "training", began=0, version="", evidence=None),)))
    writer.save(with_report(next(session), rows=(row(1, "racing", began=0), row(2, "training", began=2, version="", parent=""))))
    writer.save(with_report(next(session), rows=(row(1, "promoted", began=0, evidence=40.2, decided=3),)))
    first, second = records(reader, "SELECT * FROM v_evolutions ORDER BY id")
    assert first == {
        "id": 1, "at": bar_time(0), "trigger": "performance decline", "detail": "gain 0.1 % against 0.6 %, e-value 31 of 20", "strategy": "tuning",
        "model": "ridge", "version": "ridge-10-abc123", "parent": "ridge-0", "state": "promoted", "evidence": 40.2, "threshold": 40.0,
        "decided_at": bar_time(3),
    }  # fmt: skip
    assert (second["id"], second["at"], second["version"], second["parent"], second["decided_at"]) == (2, bar_time(2), None, None, None)


def test_the_verdict_of_a_promotion_stays_while_it_is_watched(writer: Writer, session: Iterator[Tick], reader: Reader) -> None:
    writer.save(with_report(next(session), rows=(row(1, "promoted", began=0, evidence=41.0, decided=0, verdict="better"),)))
    watched = row(1, "promoted", began=0, evidence=0.7, threshold=100.0, verdict="running")
    writer.save(with_report(next(session), rows=(watched,)))
    sql = "SELECT state, evidence, threshold, verdict, decided FROM evolutions"
    assert records(reader, sql) == [{"state": "promoted", "evidence": 41.0, "threshold": 40.0, "verdict": "better", "decided": 0}]
    writer.save(with_report(next(session), rows=(replace(watched, state="reverted", evidence=120.0, verdict="better", decided=2),)))
    assert records(reader, sql) == [{"state": "reverted", "evidence": 120.0, "threshold": 100.0, "verdict": "better", "decided": 2}]


def test_the_time_of_a_trigger_that_is_no_longer_stored_is_that_of_its_row(writer: Writer, session: Iterator[Tick], reader: Reader) -> None:
    next(session), next(session)
    writer.save(with_report(next(session), rows=(row(1, began=0),)))
    assert records(reader, "SELECT at FROM v_evolutions") == [{"at": bar_time(2)}]


def test_a_point_keeps_every_figure_and_infinity_is_unknown(writer: Writer, session: Iterator[Tick], reader: Reader) -> None:
    figures = replace(point(7, 3, blocks=5, r2_gain=None, differing_bps=None), log_e=(1.0, -math.inf, 0.5, math.nan))
    writer.save(with_report(next(session), points=(figures,)))
    assert records(reader, "SELECT * FROM contest_points") == [
        {
            "session": 1, "number": 7, "horizon": 3, "tick": 0, "r2_gain": None, "not_better": 1.0, "not_worse": None, "worse_than_margin": 0.5,
            "better_than_margin": None, "threshold": made_evolution.BAR, "blocks": 5, "clipped": 1, "differing": 5, "differing_bps": None,
        }
    ]  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(count=st.integers(1, 1_500), step=st.integers(1, 20))
def test_points_stay_bounded_and_evenly_spaced(count: int, step: int) -> None:
    with closing(sqlite3.connect(":memory:")) as store:
        store.execute(
            "CREATE TABLE contest_points (session, number, horizon, tick, r2_gain, a, b, c, d, threshold, blocks, clipped, differing, differing_bps, "
            "PRIMARY KEY (session, number, horizon, tick))"
        )
        store.execute("CREATE TABLE ticks (tick, at, session)")
        for place in range(count):
            key = (1, 1, 1, place * step)
            store.execute(f"INSERT INTO contest_points VALUES ({', '.join('?' * 14)})", key + (0,) * 10)
            statements = evolution.EvolutionStatements(1, place * step, 0, [], [], (), None, None)
            statements._thin(store, 1, 1, evolution.MAX_POINTS, evolution.THINNED_POINTS)
        ticks = np.array([tick for (tick,) in store.execute("SELECT tick FROM contest_points ORDER BY tick")])
    assert len(ticks) <= evolution.MAX_POINTS
    assert (ticks[0], ticks[-1]) == (0, (count - 1) * step), "the first and the newest stay"
    assert np.diff(ticks).max(initial=0) <= 3 * count * step / evolution.THINNED_POINTS + step


def test_a_decided_contest_keeps_fewer_points(writer: Writer, session: Iterator[Tick], reader: Reader) -> None:
    for place in range(150):
        writer.save(with_report(next(session), points=(point(1, 1), point(1, 3), point(2, 1)), rows=(row(1), row(2)) if place == 0 else ()))
    assert [line["n"] for line in records(reader, "SELECT count(*) AS n FROM contest_points GROUP BY number, horizon")] == [150, 150, 150]
    writer.save(with_report(next(session), points=(point(1, 1), point(1, 3)), rows=(row(1, "retired", decided=150),)))
    counts = records(reader, "SELECT number, horizon, count(*) AS n, max(tick) AS last FROM contest_points GROUP BY number, horizon")
    assert [(line["number"], line["horizon"], line["last"]) for line in counts] == [(1, 1, 150), (1, 3, 150), (2, 1, 149)]
    assert [line["n"] <= evolution.DECIDED_POINTS for line in counts] == [True, True, False]


def test_findings_and_drift_are_those_of_the_newest_search(writer: Writer, session: Iterator[Tick], reader: Reader) -> None:
    writer.save(with_report(next(session), findings=made_evolution.FINDINGS, drift=made_evolution.DRIFTED))
    writer.save(next(session))
    assert len(records(reader, "SELECT * FROM findings")) == 2
    assert records(reader, "SELECT * FROM drift WHERE subject = 'inputs' AND drifted = 1") == [
        {"subject": "inputs", "column": "returns.one", "ks": 0.31, "q": 0.0004, "place": "BTC, ETH", "drifted": 1}
    ]
    writer.save(with_report(next(session), findings=()))
    assert records(reader, "SELECT * FROM findings") == []
    assert len(records(reader, "SELECT * FROM drift")) == 3
    at = {line["key"]: json.loads(line["value"]) for line in records(reader, "SELECT key, value FROM meta WHERE key IN ('findings.1', 'drift.1')")}
    assert at == {"findings.1": {"tick": 2, "at": bar_time(2)}, "drift.1": {"tick": 0, "at": bar_time(0)}}


def test_a_tick_that_is_not_saved_leaves_no_evolution(writer: Writer, session: Iterator[Tick], reader: Reader) -> None:
    tick = with_report(next(session), rows=(row(1, model=None),), points=(point(),))  # a model is required
    with pytest.raises(Exception, match="NOT NULL"):
        writer.save(tick)
    for table in ("ticks", "evolutions", "contest_points"):
        assert records(reader, f"SELECT count(*) AS n FROM {table}") == [{"n": 0}], table


def test_shadows_of_a_tick_are_read_with_it_and_their_versions_stay(writer: Writer, session: Iterator[Tick], url: str) -> None:
    for artifact in (CHALLENGER, made_evolution.RETIRED):
        writer.save_artifact(replace(artifact, serves_from=0), 1, made.WALL)
    writer.save(with_report(next(session), shadows=(CHALLENGER.data_digest,)))
    for _ in range(3):
        writer.save(next(session))
    history = TickHistory(url)
    assert [history.tick(number).shadows for number in (0, 1)] == [(CHALLENGER.data_digest,), ()]
    stored = history.artifact(CHALLENGER.data_digest, 3)
    assert (stored.origin, stored.recipe.id) == (CHALLENGER.origin, CHALLENGER.recipe.id)
    history.close()
    obsolete = maintenance.find_obsolete(writer.store, 0)
    assert len(obsolete.artifacts) == 1
    maintenance.drop_obsolete(writer.store, obsolete)
    assert [line["version"] for line in records(Reader(url), "SELECT version FROM artifacts")] == [CHALLENGER.version]


def test_the_oldest_evolutions_are_pruned_with_their_points(writer: Writer, session: Iterator[Tick], reader: Reader, monkeypatch: Any) -> None:
    rows = tuple(row(number, "retired", decided=0, began=0) for number in range(1, 21))
    running = row(21, "racing", began=0)
    later = tuple(row(number, "retired", decided=0, began=0) for number in range(22, 31))
    writer.save(with_report(next(session), rows=(*rows, running, *later), points=tuple(point(number) for number in range(1, 31))))
    monkeypatch.setattr(retention, "MAX_EVOLUTIONS", 5)
    assert retention.prune_evolutions(writer.store, made.WALL) == 24
    numbers = [21, 26, 27, 28, 29, 30]
    for table in ("evolutions", "contest_points"):
        assert [line["number"] for line in records(reader, f"SELECT number FROM {table} ORDER BY number")] == numbers, table
    assert retention.prune_evolutions(writer.store, made.WALL) == 0


def roles(reader: Reader) -> dict[str, str]:
    return {line["version"]: line["role"] for line in records(reader, "SELECT version, role FROM v_models")}


def test_the_role_of_a_version_follows_what_serves_and_what_races(writer: Writer, session: Iterator[Tick], reader: Reader) -> None:
    serving = made.artifact("ridge", 0)
    before = replace(made.artifact("ridge", 1), data_digest="b" * 32)
    for artifact in (serving, before, CHALLENGER):
        writer.save_artifact(replace(artifact, serves_from=0), 1, made.WALL)
    nothing: tuple[None, ...] = (None,) * (len(made.MODELS) - 1)

    def save(digest: str | None, **parts: Any) -> dict[str, str]:
        writer.save(with_report(replace(next(session), serving=(digest, *nothing)), **parts))
        return roles(reader)

    shadows = (before.data_digest, CHALLENGER.data_digest)
    expected = {"ridge-0": "champion", "ridge-1": "shadow", CHALLENGER.version: "challenger"}
    assert save(serving.data_digest, rows=(row(1),), shadows=shadows) == expected
    expected = {"ridge-0": "retired", "ridge-1": "champion", CHALLENGER.version: "retired"}  # reverted, and the contest is over
    assert save(before.data_digest, rows=(row(1, "retired", decided=1),)) == expected
    assert save(None)[CHALLENGER.version] == "champion", "a model that rests has the version that serves next"


def test_every_version_of_a_contest_about_several_models_is_a_challenger(writer: Writer, session: Iterator[Tick], reader: Reader) -> None:
    other = replace(made.artifact("lightgbm", 10), data_digest="c" * 32)
    champions = {name: replace(made.artifact(name, 3), data_digest=letter * 32) for name, letter in (("ridge", "d"), ("lightgbm", "e"))}
    for artifact in (CHALLENGER, other, *champions.values()):
        writer.save_artifact(replace(artifact, serves_from=0), 1, made.WALL)
    serving = tuple(champions[name].data_digest if name in champions else None for name in made.MODELS)
    both, shadows = f"{CHALLENGER.version}, {other.version}", (CHALLENGER.data_digest, other.data_digest)
    writer.save(with_report(replace(next(session), serving=serving), rows=(row(1, version=both),), shadows=shadows))
    expected = {CHALLENGER.version: "challenger", other.version: "challenger", "ridge-3": "champion", "lightgbm-3": "champion"}
    assert roles(reader) == expected
    listed = read_versions(reader, limit=9)
    assert dict(zip(listed["version"], listed["role"], strict=True)) == expected


def test_an_export_has_the_evolutions(writer: Writer, session: Iterator[Tick], reader: Reader) -> None:
    for tick in [next(session) for _ in range(3)]:
        writer.save(with_report(tick, rows=(row(tick.inputs.tick + 1, began=tick.inputs.tick),)))
    assert reader.view("evolutions")["at"].tolist() == [bar_time(tick) for tick in range(3)]
    writer.save(with_report(next(session), rows=(row(3, "retired", began=2, decided=3),)))
    decided = reader.view("v_evolutions")["decided_at"]
    assert decided.isna().tolist() == [True, True, False]
    assert str(decided.iloc[2]) == str(bar_time(3)), "a time loses no digit beside a missing one"
    assert len(reader.view("v_evolutions", since=bar_time(1))) == 2
    assert reader.view("v_evolutions", limit=1)["id"].tolist() == [3]
    with pytest.raises(ValueError, match="v_evolutions has no symbols"):
        reader.view("v_evolutions", symbol="BTC")


def test_the_store_of_a_test_shows_all_kinds_of_evolution(tmp_path: Path) -> None:
    frame = Reader(made.filled(tmp_path, ticks=110)).view("v_evolutions")
    assert frame["state"].tolist() == ["racing", "retired", "promoted"]


def test_a_store_of_0_5_is_migrated_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "podium.db"
    path.touch()
    old = database.connect(f"sqlite:///{path}")
    with old.begin() as connection:
        config = database.build_configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        connection.exec_driver_sql("INSERT INTO meta VALUES ('views', ''), ('version', '0')")
        session = """(1, 1, '{}', 'simulated', 'made', '[]', 1, '["ridge"]', '[1]', '[]', NULL, NULL, NULL, '[]', '{}', '{}', 1)"""
        connection.exec_driver_sql(f"INSERT INTO sessions VALUES {session}")
        columns = "digest, model, version, trained_from, trained_to, rows, seconds, columns, serves_from, session, trained_at, data"
        connection.exec_driver_sql(f"INSERT INTO artifacts ({columns}) VALUES ('d', 'ridge', 'ridge-0', 0, 5, 10, 0.1, '[]', 6, 1, 7, x'00')")
    old.dispose()
    database.prepare(f"sqlite:///{path}")
    reader = Reader(f"sqlite:///{path}")
    assert records(reader, "SELECT version, recipe, origin FROM artifacts") == [{"version": "ridge-0", "recipe": "", "origin": ""}]
    assert reader.view("v_models")["role"].tolist() == ["challenger"]
    for view in list_views():
        assert len(reader.view(view)) == (view == "v_models"), view
