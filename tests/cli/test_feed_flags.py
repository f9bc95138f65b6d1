"""The flags that choose a market are the same for `run` and `record`."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli import record, run
from engine.cli._arguments import build_parser, resolve_feed_settings


@pytest.mark.parametrize("words", [["run"], ["record", "DIR"]])
def test_an_exchange_means_a_live_market_and_a_path_a_recording(words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path))
    parser = build_parser((run.COMMAND, record.COMMAND))
    live = resolve_feed_settings(parser.parse_args([*words, "--exchange", "kraken", "--symbols", "BTC/USD,ETH/USD", "--interval", "1m"]))
    assert (live.feed, live.exchange, live.symbols, live.interval) == ("live", "kraken", ("BTC/USD", "ETH/USD"), 60 * 10**9)
    recorded = resolve_feed_settings(parser.parse_args([*words, "--path", str(tmp_path), "--tick-interval", "3", "--seed", "5"]))
    assert (recorded.feed, recorded.feed_path, recorded.tick_interval_seconds, recorded.seed) == ("recorded", str(tmp_path), 3.0, 5)
    drawn = resolve_feed_settings(parser.parse_args([*words, "--feed", "simulated", "--changes", "300:flip"]))
    assert (drawn.feed, drawn.sim_changes) == ("simulated", "300:flip")
