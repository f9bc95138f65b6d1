"""The command line of a live market: an exchange that is away at the start is waited for, and what cannot be used ends in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.__main__ import main
from tests.exchanges.binance import FakeBinance

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("PODIUM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_options(exchange: FakeBinance) -> str:
    return json.dumps({"timeout": 2_000} | exchange.ccxt_options())


def test_an_exchange_that_is_away_at_the_start_is_waited_for(home: Path) -> None:
    with FakeBinance(history_seconds=40 * 60) as binance:
        binance.refuse_connections()
        environ = os.environ | {"PODIUM_EXCHANGE_OPTIONS": write_options(binance), "PODIUM_WARMUP_BARS": "20", "PYTHONPATH": str(ROOT)}
        flags = ["--feed", "live", "--exchange", "binance", "--symbols", "BTC/USDT,ETH/USDT", "--interval", "1m", "--ticks", "20"]
        command = [sys.executable, "-m", "engine", "run", *flags]
        engine = subprocess.Popen(command, env=environ, cwd=home, stderr=subprocess.PIPE, text=True)
        try:
            assert engine.stderr is not None
            first = engine.stderr.readline()
            binance.resume()
            _, rest = engine.communicate(timeout=120)
        finally:
            engine.kill()
            engine.wait()
    assert first.startswith("podium: the markets of binance: ExchangeNotAvailable (")
    assert first.endswith("it is tried again until it answers\n")
    assert rest.splitlines()[-1] == "podium: stopped after 20 ticks"
    assert engine.returncode == 0


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("--symbols", "BTC/USD"), "binance has no symbol 'BTC/USD': did you mean BTC/USDT?"),
        (("--symbols", "BTC/USDT", "--interval", "7m"), "binance has no candles of 7m: did you mean 5m? There are 1s, 1m, 3m, 5m"),
    ],
)
def test_a_symbol_or_interval_that_the_exchange_lacks_ends_in_a_single_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], line: str
) -> None:
    with FakeBinance(history_seconds=120) as binance:
        monkeypatch.setenv("PODIUM_EXCHANGE_OPTIONS", write_options(binance))
        assert main(["run", "--exchange", "binance", *flags]) == 64
    errors = capsys.readouterr().err
    assert errors.startswith(f"podium: {line}")
    assert errors.count("\n") == 1
