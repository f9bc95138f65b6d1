"""The JSON of a backtest as the command line prints it: what a recording has is not lost on the way to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.__main__ import main
from engine.feeds.recorded import RecordedFeed
from engine.service.feed_window import FeedWindow
from tests.feeds.recordings import BOOK, MINUTE, SECOND, START, write

FOR_THE_LIVE_ENGINE = {"played", "forget"}  # an excerpt is never compacted


def write_moving_books(folder: Path, seconds: int) -> None:
    """A book per second whose mid follows the order flow at its best bid."""
    draw, rows, bid = np.random.default_rng(5), [], 1000
    for second in range(seconds):
        size = int(draw.integers(1, 9))
        bid += 1 if size > 4 else -1
        rows.append((START + second * SECOND, float(bid), size, bid + 2.0, 5))
    write(folder, "A", "books", BOOK, rows)


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write_moving_books(tmp_path / "books", 5_400)
    return tmp_path / "books"


def report(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["backtest", *words, "--no-training", "--json"]) == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def test_what_flow_explains_by_ten_seconds_is_reported_for_bars_of_a_minute(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = report(capsys, str(recording), "--interval", "1m")["micro"]["ofi_r2_10s"]
    assert whole is not None
    assert whole > 0.5
    part = report(capsys, str(recording), "--interval", "1m", "--to", "2024-01-01T00:30:00Z")["micro"]["ofi_r2_10s"]
    assert part == RecordedFeed(recording).flow_r2(START, START + 30 * MINUTE)[0]
    assert part != whole


def test_an_excerpt_hides_nothing_of_the_feed_that_a_decision_or_a_report_uses(recording: Path) -> None:
    feed = RecordedFeed(recording)
    offered = {name for name in dir(feed) if not name.startswith("_")} - FOR_THE_LIVE_ENGINE
    assert offered <= set(dir(FeedWindow(feed)))


def test_every_configuration_tried_counts_against_the_sharpe_ratio(
    recording: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def trials(*words: str) -> float | None:
        portfolio = report(capsys, str(recording), "--interval", "1m", *words)["portfolio"]
        assert portfolio["dsr"] is None  # it takes 20 days of returns
        ratio: float | None = portfolio["dsr_trials"]
        return ratio

    assert [trials(), trials(), trials("--to", "2024-01-01T00:30:00Z")] == [1, 1, 2]
    (recording.parent / "file").touch()
    monkeypatch.setenv("PODIUM_HOME", str(recording.parent / "file"))
    assert trials() is None


def test_the_changes_of_the_simulated_market_and_evolution_reach_a_backtest(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    market = ("simulated", "--bars", "60", "--symbol-count", "2")
    plain, later = report(capsys, *market), report(capsys, *market, "--changes", "60:flip")
    assert plain["recording"] == "simulated market"
    assert later["recording"] == "simulated market, changes 60:flip"
    assert later["digest"] == plain["digest"]  # no bar is changed
    flipped = report(capsys, *market, "--changes", " 20:flip, 40:interaction", "--evolution", "full")
    assert flipped["recording"] == "simulated market, changes 20:flip,40:interaction"
    assert flipped["digest"] != plain["digest"]
