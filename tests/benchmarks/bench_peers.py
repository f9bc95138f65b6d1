"""Backtests by Podium and by real freqtrade with FreqAI, on the same bars in one run: decisions per CPU second of the whole process tree.

Both train daily on seven days. Podium begins some bars earlier, so that its models serve in the whole period: these bars cost it time, and do not
count as decisions. PODIUM_PEER_DAYS shortens every period.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from tests.benchmarks import freqtrade_peer

ROOT = Path(__file__).parents[2]
EARLIER_BARS = 700  # Podium's first training is after 600 bars, and serves 12 later
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Case:
    """A recording, or one symbol of it, over a period."""

    about: str
    folder: str
    symbols: tuple[str, ...]  # none: all
    minutes: int
    since: str
    days: int
    goal: float  # times FreqAI's decisions per CPU second

    def days_to_run(self) -> int:
        return min(self.days, int(os.environ.get("PODIUM_PEER_DAYS", self.days)))


CASES = (
    Case("one symbol, 5 m bars", "binance_spot_5m_2022_2023", ("BTCUSDT",), 5, "2022-09-01", 30, 3.0),
    Case("one symbol, 1 m bars", "btc_perp_1m_202201", ("BTC-PERP",), 1, "2022-01-10", 7, 3.0),
    Case("twenty symbols, 5 m bars", "binance_spot_5m_2022_2023", (), 5, "2022-09-01", 5, 15.0),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A backtest's cost."""

    decisions: int
    cpu: float  # seconds, of all its processes

    @property
    def rate(self) -> float:
        return self.decisions / self.cpu


class RunFailed(Exception):
    """A backtest ended with an error; the message is its last line."""


def measure_podium(recording: Path, symbols: tuple[str, ...], case: Case) -> Measured:
    """The cost of Podium's backtest, with the bars before the period."""
    since = pd.Timestamp(case.since)
    first, until = since - pd.Timedelta(minutes=EARLIER_BARS * case.minutes), since + pd.Timedelta(days=case.days_to_run())
    words = [sys.executable, "-m", "engine", "backtest", str(recording.resolve()), "--from", first.isoformat(), "--to", until.isoformat(), "--json"]
    words += ["--symbols", ",".join(symbols), "--evolution", "refresh"]
    with TemporaryDirectory() as home:
        Path(home, "podium.toml").write_text(f"[knobs]\nretrain_every = {1_440 // case.minutes}\n", encoding="utf-8")
        settings = {"PYTHONPATH": str(ROOT), "PODIUM_HOME": home, "PODIUM_TRAIN_DAYS": str(freqtrade_peer.TRAINING_DAYS)}
        cpu, out = _run(words, Path(home), settings)
    ticks = int(json.loads(out)["ticks"])
    return Measured((ticks - EARLIER_BARS) * len(symbols), cpu)


def measure_freqtrade(python: Path, recording: Path, symbols: tuple[str, ...], case: Case) -> Measured:
    """The cost of freqtrade's backtest."""
    since, days = pd.Timestamp(case.since), case.days_to_run()
    with TemporaryDirectory() as name:
        folder = Path(name)
        freqtrade_peer.prepare(folder, recording, symbols, case.minutes)
        cpu, _ = _run(freqtrade_peer.command(python, folder, since, since + pd.Timedelta(days=days)), folder, {})
    return Measured(days * 1_440 // case.minutes * len(symbols), cpu)


def _run(words: list[str], folder: Path, settings: dict[str, str]) -> tuple[float, str]:
    """CPU seconds of a program and of all processes that it has waited for, and what it wrote. Raises RunFailed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, cwd=folder, env=inherited | ONE_THREAD | settings, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RunFailed((done.stderr.strip().splitlines() or ["it wrote nothing"])[-1])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def measure_case(python: Path, root: Path, case: Case) -> str:
    """The line of a case."""
    recording = root / case.folder
    if not recording.is_dir():
        return f"{case.about}: {recording} is not there"
    symbols = case.symbols or tuple(sorted(path.name for path in recording.iterdir() if path.is_dir()))
    theirs, ours = measure_freqtrade(python, recording, symbols, case), measure_podium(recording, symbols, case)
    return (
        f"{case.about}, {case.days_to_run()} days: FreqAI {theirs.rate:,.0f} decisions per CPU second ({theirs.cpu:.1f} s), "
        f"Podium {ours.rate:,.0f} ({ours.cpu:.1f} s): {ours.rate / theirs.rate:.2f} times, goal {case.goal:g}"
    )


def main() -> None:
    try:
        python = freqtrade_peer.install()
    except freqtrade_peer.NotInstallable as error:
        print(error)
        return
    root = Path(os.environ.get("PODIUM_TEST_DATA", ROOT.parent / "shared" / "data"))
    for case in CASES:
        try:
            print(measure_case(python, root, case), flush=True)
        except RunFailed as error:
            print(f"{case.about}: {error}", flush=True)
