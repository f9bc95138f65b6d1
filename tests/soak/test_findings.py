"""What a soak would call a failure: growth is found where it is and not where a series only wanders, and each target names itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.store.database import path_from_url
from tests.soak.findings import SLACK, failures, read, slopes, summarize
from tests.soak.growth import slope
from tests.store import made

SECONDS = np.arange(1_200.0)
MB = 1e6


def memory(growth: float, seed: int) -> list[float]:
    """300 MB with noise that remembers, in bytes, growing by so many MB an hour."""
    steps = np.random.default_rng(seed).normal(size=len(SECONDS))
    wandering = np.zeros(len(SECONDS))
    for place in range(1, len(SECONDS)):
        wandering[place] = 0.98 * wandering[place - 1] + 0.4 * steps[place]
    return [float(value) for value in (300.0 + wandering + growth * SECONDS / 3600.0) * MB]


def test_a_leak_is_found_and_its_size_is_in_the_interval() -> None:
    slopes_found = [slope("memory", SECONDS, memory(120.0, seed), slack=MB) for seed in range(40)]
    known = [growth for growth in slopes_found if growth is not None]
    assert sum(growth.grows for growth in known) >= 36
    assert sum(growth.low <= 120.0 * MB <= growth.high for growth in known) >= 34


def test_a_series_that_only_wanders_does_not_grow() -> None:
    slopes_found = [slope("memory", SECONDS, memory(0.0, seed), slack=MB) for seed in range(60)]
    assert sum(growth is not None and growth.grows for growth in slopes_found) <= 2
    assert sum(growth is not None and growth.low <= 0.0 <= growth.high for growth in slopes_found) >= 51


def test_what_stands_still_or_falls_does_not_grow_and_too_little_says_so() -> None:
    still, falling = slope("files", SECONDS, [30.0] * 1_200), slope("files", SECONDS, (300.0 - SECONDS / 10).tolist())
    assert still is not None
    assert falling is not None
    assert (still.grows, falling.grows) == (False, False)
    assert slope("files", SECONDS[:20], [30.0] * 20) is None
    leak = slope("files", SECONDS, (30.0 + SECONDS // 60).tolist(), slack=4.0)
    assert leak is not None
    assert leak.grows


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return path_from_url(made.filled(tmp_path, 80))


def level() -> dict[str, list[float]]:
    return {name: [100.0 * MB] * 1_200 for name in SLACK}


def test_a_run_as_it_should_be_has_no_failure(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("DELETE FROM counters WHERE kind = 'degraded'")
    outcome, grown = read(store, (20, 0)), slopes(SECONDS.tolist(), level())
    assert failures(outcome, grown, 5.0) == []
    assert failures(outcome, grown, 30.0) == ["0 actions have 8 windows with and without them, 3 should"]
    text = "\n".join(summarize(outcome, grown))
    assert "honest decisions: 100.0000% of 60 ticks" in text
    assert "threads: 100,000,000.0 at first" in text
    assert text.count("does not grow beyond what is let pass") == 5


def test_each_target_that_is_missed_is_named(store: Path) -> None:
    series = level() | {"store": memory(300.0, 1)}
    outcome = replace(read(store), without_verdict=2)
    assert failures(outcome, slopes(SECONDS.tolist(), series), 30.0) == [
        "honest decisions are below 99.9%", "store grows", "2 trials ended without a verdict",
        "0 actions have 8 windows with and without them, 3 should",
    ]  # fmt: skip
    assert "  fell back: validation 1 times: ValueError: made to fail" in summarize(outcome, {})


def test_ticks_that_were_dropped_since_still_count(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("DELETE FROM ticks WHERE tick < 70")
    assert (read(store, (20, 0)).ticks, read(store, (20, 0)).broken) == (60, 1)


def test_a_trial_that_is_under_way_has_no_verdict(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE trials SET detail = 'under way' WHERE id = 1")
    assert read(store).without_verdict == 1


def test_windows_are_counted_by_action_and_only_those_that_were_measured(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE trials SET mode = 'manual', \"trigger\" = 'by hand' WHERE action = 'collect_garbage'")
        for placebo in (0, 1):
            for number in range(9):
                connection.execute(
                    'INSERT INTO trials (at, action, "trigger", mode, placebo, metric, before, after, verdict, undone, detail) '
                    "VALUES (?, 'delete_temp', 'a rule', 'auto', ?, 'host.disk_free_bytes', 1.0, ?, 'not enough data', 0, '')",
                    (number, placebo, 2.0 if number else None),
                )
    windows = {window.action: window for window in read(store).windows}
    assert (windows["delete_temp"].treated, windows["delete_temp"].placebos, windows["delete_temp"].enough) == (8, 8, True)
    assert "collect_garbage" not in windows  # by hand
