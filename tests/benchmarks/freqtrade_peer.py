"""Real freqtrade with FreqAI, in an environment of its own: set up offline, given the same recorded bars, and run as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

import pandas as pd

TEXTS = Path(__file__).parent / "freqtrade_texts"  # Python for freqtrade's environment, which ours cannot import
PACKAGES = ("freqtrade", "datasieve", "lightgbm", "scikit-learn", "xgboost-cpu")  # its model of LightGBM imports xgboost too
TRAINING_DAYS = 7
DATES = "%Y%m%d"
STAMP = "installed"


class NotInstallable(Exception):
    """freqtrade cannot be installed here; the message is one line."""


def cache_folder() -> Path:
    """The folder that holds freqtrade's environment between two runs."""
    base = os.environ.get("XDG_CACHE_HOME") or (Path.home() / ".cache" if Path.home().is_dir() else gettempdir())
    return Path(base) / "podium-benchmarks" / "freqtrade"


def install() -> Path:
    """Install freqtrade where it is not yet; the path of its Python. Raises NotInstallable."""
    folder = cache_folder()
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if (folder / STAMP).is_file() and python.is_file():
        return python
    print(f"installing freqtrade into {folder} (once) ...", flush=True)
    try:
        for words in ([sys.executable, "-m", "venv", str(folder)], [str(python), "-m", "pip", "install", "-q", *PACKAGES]):
            subprocess.run(words, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotInstallable(f"freqtrade cannot be installed here: {_last_line(error)}") from error
    (folder / STAMP).write_text("", encoding="utf-8")
    return python


def _last_line(error: OSError | subprocess.CalledProcessError) -> str:
    text = (error.stderr or "") if isinstance(error, subprocess.CalledProcessError) else str(error)
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else str(error)


def prepare(folder: Path, recording: Path, symbols: tuple[str, ...], minutes: int) -> None:
    """Write freqtrade's folder: the bars of these symbols, a configuration, a strategy and the program that runs it without a network."""
    data, strategies = folder / "data" / "binance", folder / "strategies"
    for part in (data, strategies):
        part.mkdir(parents=True)
    pairs = {symbol: f"{name_coin(symbol)}/USDT" for symbol in symbols}
    for symbol, pair in pairs.items():
        bars = pd.read_parquet(recording / symbol / "bars.parquet")[["ts", "open", "high", "low", "close", "volume"]].rename(columns={"ts": "date"})
        bars["date"] = bars["date"].dt.as_unit("ms")
        bars.to_feather(data / f"{pair.replace('/', '_')}-{minutes}m.feather")
    (folder / "config.json").write_text(json.dumps(_configuration(tuple(pairs.values()), minutes)), encoding="utf-8")
    strategy = (TEXTS / "strategy.txt").read_text(encoding="utf-8").replace("TIMEFRAME", f"{minutes}m")
    (strategies / "peer_strategy.py").write_text(strategy, encoding="utf-8")
    (folder / "run.py").write_text((TEXTS / "run.txt").read_text(encoding="utf-8"), encoding="utf-8")


def name_coin(symbol: str) -> str:
    """The coin of a symbol such as BTCUSDT or BTC-PERP."""
    return symbol.removesuffix("USDT").removesuffix("-PERP").removesuffix("USD")


def command(python: Path, folder: Path, since: pd.Timestamp, until: pd.Timestamp) -> list[str]:
    """The words that backtest a prepared folder over a time."""
    words = ["backtesting", "--userdir", str(folder), "--config", str(folder / "config.json"), "--strategy", "PeerStrategy"]
    words += ["--freqaimodel", "LightGBMRegressor", "--timerange", f"{since.strftime(DATES)}-{until.strftime(DATES)}", "--cache", "none"]
    return [str(python), str(folder / "run.py"), *words]


def _configuration(pairs: tuple[str, ...], minutes: int) -> dict[str, object]:
    timeframe = f"{minutes}m"
    return {
        "dry_run": True, "stake_currency": "USDT", "stake_amount": 100, "dry_run_wallet": 100_000, "max_open_trades": len(pairs), "fee": 0.001,
        "timeframe": timeframe, "dataformat_ohlcv": "feather", "trading_mode": "spot", "entry_pricing": {"price_side": "other"},
        "exit_pricing": {"price_side": "other"}, "pairlists": [{"method": "StaticPairList"}],
        "exchange": {"name": "binance", "pair_whitelist": list(pairs), "enable_ws": False},
        "freqai": {
            "enabled": True, "purge_old_models": 1, "train_period_days": TRAINING_DAYS, "backtest_period_days": 1, "identifier": "peer",
            "save_backtest_models": False,
            "feature_parameters": {
                "include_timeframes": [timeframe], "include_corr_pairlist": [], "label_period_candles": 12, "include_shifted_candles": 2,
                "indicator_periods_candles": [12, 48], "plot_feature_importances": 0,
            },
            "data_split_parameters": {"test_size": 0.1, "shuffle": False, "random_state": 7},
            "model_training_parameters": {"n_estimators": 200, "n_jobs": 1, "verbosity": -1, "random_state": 7},
        },
    }  # fmt: skip
