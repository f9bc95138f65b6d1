"""What the page of models asks: votes as they were cast, roles as they serve, calibration as the state holds it."""

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
import pandas as pd
import pytest

from engine.phases.learning import blank_state
from engine.store import codec
from engine.store.read import decision, models
from engine.store.read.reader import Reader
from engine.store.write.writer import Writer
from tests.makers import having
from tests.store.made import HORIZONS, MODELS, SYMBOLS, WALL, artifact, empty, filled

TICKS = 130


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return filled(tmp_path_factory.mktemp("models"), ticks=TICKS)


@pytest.fixture(scope="module")
def reader(url: str) -> Reader:
    return Reader(url)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Reader, sqlite3.Connection]]:
    """A store of the test's own, with a connection that may write."""
    url = filled(tmp_path, ticks=110, evolves=False)
    with closing(sqlite3.connect(tmp_path / "podium.db")) as store:
        yield Reader(url), store


def test_every_vote_is_told_as_its_decision_tells_it(reader: Reader) -> None:
    vote_frame = models.read_votes(reader)
    votes: dict[Any, Any] = {(vote["symbol"], vote["model"], vote["horizon"]): vote for vote in vote_frame.to_dict("records")}
    assert len(votes) == len(SYMBOLS) * (len(MODELS) + 1) * len(HORIZONS)
    for symbol in SYMBOLS:
        details = decision.read_decision(reader, TICKS - 1, symbol)
        assert details is not None
        for vote in details.votes:
            row = votes[symbol, vote.model, vote.horizon]
            assert [row["bps"], row["trust"], row["weight"]] == pytest.approx(
                [math.nan if value is None else value for value in (vote.bps, vote.trust, vote.weight)], nan_ok=True
            )
        for expected in details.forecast:
            assert votes[symbol, "ensemble", expected.horizon]["bps"] == pytest.approx(expected.bps)


def test_a_model_that_was_not_heard_has_no_vote(reader: Reader) -> None:
    votes = models.read_votes(reader)
    silent = votes[votes["model"] == MODELS[-1]]
    assert len(silent)
    assert silent["bps"].isna().all()


def test_weights_are_those_of_their_ticks_the_newest_among_them(reader: Reader) -> None:
    frame = models.read_weights(reader)
    assert frame["tick"].nunique() <= models.WEIGHT_POINTS
    assert frame["tick"].max() == TICKS - 1
    stored = json.loads(reader.frame("SELECT weights FROM ticks WHERE tick = 40")["weights"].iloc[0])
    newest = frame[frame["tick"] == 40]
    for m, model in enumerate(MODELS):
        for h, horizon in enumerate(HORIZONS):
            assert newest[(newest["model"] == model) & (newest["horizon"] == horizon)]["weight"].tolist() == [stored[m][h]]


def test_agreement_is_a_count_of_votes_on_one_side(reader: Reader) -> None:
    agreement: dict[Any, Any] = {(row["model"], row["other"]): row for row in models.read_model_agreement(reader, 1).to_dict("records")}
    means = [json.loads(text)["mean"] for text in reader.frame("SELECT votes FROM decisions")["votes"]]
    for i, model in enumerate(MODELS):
        for j, other in enumerate(MODELS):
            both = [(mean[i][1], mean[j][1]) for mean in means if mean[i][1] and mean[j][1]]
            same = sum((a > 0) == (b > 0) for a, b in both)
            row = agreement[model, other]
            assert row["n"] == len(both)
            assert row["share"] == pytest.approx(same / len(both) if both else math.nan, nan_ok=True)


def test_what_serves_is_the_champion_and_what_waits_the_challenger(own: tuple[Reader, sqlite3.Connection], tmp_path: Path) -> None:
    reader, _ = own
    writer = Writer(f"sqlite:///{tmp_path / 'podium.db'}")
    writer.save_artifact(artifact("ridge", 500), 1, WALL)
    writer.close()
    frame = models.read_versions(reader, limit=5)
    roles = dict(zip(frame["version"], frame["role"], strict=True))
    assert roles == {"ridge-500": "challenger", "ridge-100": "champion", "ridge-0": "retired"}


def test_of_two_versions_with_the_same_bytes_the_newer_serves(own: tuple[Reader, sqlite3.Connection], tmp_path: Path) -> None:
    reader, _ = own
    writer = Writer(f"sqlite:///{tmp_path / 'podium.db'}")
    writer.save_artifact(replace(artifact("ridge", 100, serves_from=105), version="ridge-105"), 1, WALL)
    writer.close()
    frame = models.read_versions(reader, limit=5)
    assert frame["role"].tolist() == ["champion", "retired", "retired"]
    assert frame["version"].iloc[0] == "ridge-105"


def test_only_so_many_versions_of_a_model_are_told(own: tuple[Reader, sqlite3.Connection], tmp_path: Path) -> None:
    reader, _ = own
    assert models.read_versions(reader, limit=1)["version"].tolist() == ["ridge-100"]


def checkpointed(store: sqlite3.Connection, **changes: Any) -> None:
    """Puts a state into the newest checkpoint: what it says of its directions and intervals is changed."""
    state = blank_state(len(SYMBOLS), MODELS, HORIZONS)
    made = replace(state, direction=replace(state.direction, **changes))
    store.execute("UPDATE checkpoints SET data = ? WHERE tick = 100", (codec.pack(made),))
    store.commit()


def test_calibration_is_what_the_newest_state_holds(own: tuple[Reader, sqlite3.Connection]) -> None:
    reader, store = own
    stated, observed, counted = (np.zeros((len(HORIZONS), 10)) for _ in range(3))
    stated[0, 5], observed[0, 5], counted[0, 5] = 110.0, 120.0, 200.0
    checkpointed(store, stated=stated, observed=observed, counted=counted, rows=np.array([200.0, 0.0, 0.0]), brier=np.array([48.0, 0.0, 0.0]))
    tick = models.find_newest_checkpoint(reader)
    assert tick == 100
    report = models.read_calibration(reader, 100)
    assert report is not None
    first, second, _ = report.horizons
    assert (first.horizon, first.n, first.brier_naive) == (1, 200, 0.25)
    assert first.brier == pytest.approx(0.24)
    spread = 0.6 * 0.45**4 + 0.4 * 0.55**4 - 0.24**2
    assert first.brier_high is not None
    assert first.brier_high - 0.24 == pytest.approx(1.96 * (spread / (200 * 99 / 396)) ** 0.5, rel=1e-3)
    (tenth,) = first.bins
    assert tenth.observed.n == 200
    assert [tenth.stated, tenth.observed.share] == pytest.approx([0.55, 0.6])
    assert tenth.observed.low is not None
    assert tenth.observed.high is not None
    assert tenth.observed.low < 0.6 < tenth.observed.high
    assert (second.n, second.brier, second.bins) == (0, None, ())
    assert all(share.share is None and share.low is None for _, _, share in second.coverage)


def test_what_silencing_would_be_worth_is_told_once_there_is_enough(own: tuple[Reader, sqlite3.Connection]) -> None:
    reader, store = own
    state = blank_state(len(SYMBOLS), MODELS, HORIZONS)
    for blocks, known in ((14.0, False), (300.0, True)):
        sums = {"power": 1e4, "gain": 50.0, "blocks": blocks, "block_squared": 100.0, "rows": 1e4}
        gained = having(state.selection_gain.gain, **sums)
        made = replace(state, selection_gain=replace(state.selection_gain, gain=gained))
        store.execute("UPDATE checkpoints SET data = ? WHERE tick = 100", (codec.pack(made),))
        store.commit()
        report = models.read_calibration(reader, 100)
        assert report is not None
        assert (report.selection_gain is not None) == known
        r2, low, high, n = report.selection_gain or (0.005, 0.0, 1.0, 10_000)
        assert r2 == pytest.approx(0.005)
        assert low < r2 < high
        assert n == 10_000


def test_an_interval_knows_that_rows_say_the_same(own: tuple[Reader, sqlite3.Connection]) -> None:
    loose, tight = models.estimate_share(120.0, 200.0, 0.5), models.estimate_share(120.0, 200.0, 1.0)
    assert loose.low is not None
    assert tight.low is not None
    assert loose.low < tight.low
    unknown = models.estimate_share(120.0, 200.0, None)
    assert (unknown.share, unknown.low, unknown.high, unknown.n) == (0.6, None, None, 200)


def test_a_state_of_another_version_is_said_to_be_one(own: tuple[Reader, sqlite3.Connection]) -> None:
    reader, store = own
    store.execute("UPDATE checkpoints SET data = x'00112233' WHERE tick = 100")
    store.commit()
    report = models.read_calibration(reader, 100)
    assert report is not None
    assert report.horizons == ()
    assert report.error is not None


def test_regret_begins_with_what_can_be_told(own: tuple[Reader, sqlite3.Connection]) -> None:
    reader, store = own
    rows = [("spread", 5_000, None, None, None, 3.0), ("edge above cost", 10, -2.0, -3.0, -1.0, 40.0), ("cooldown", 900, 4.0, 1.0, 7.0, 90.0)]
    store.execute("DELETE FROM declined")
    store.executemany("INSERT INTO declined (gate, n, mean_bps, low, high, n_effective) VALUES (?, ?, ?, ?, ?, ?)", rows)
    store.commit()
    assert models.read_declined(reader)["gate"].tolist() == ["cooldown", "edge above cost", "spread"]


def test_an_empty_store_has_nothing_to_tell(tmp_path: Path) -> None:
    reader = Reader(empty(tmp_path))
    frames: list[pd.DataFrame] = [
        models.read_votes(reader), models.read_weights(reader), models.read_model_agreement(reader, 0), models.read_versions(reader, limit=3),
        models.read_declined(reader),
    ]  # fmt: skip
    assert [len(frame) for frame in frames] == [0, 0, 0, 0, 0]
    assert models.find_newest_checkpoint(reader) is None
    assert models.read_calibration(reader, 0) is None
