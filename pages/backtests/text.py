"""A backtest in words: its time, market and arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine import units
from engine.store.backtest_files import StoredBacktest


def label_backtest(backtest: StoredBacktest) -> str:
    """Describe a backtest in one line: time, market, arguments."""
    when = units.format_time(backtest.at, "%m-%d %H:%M:%S")
    return f"{when}  {name_market(backtest.arguments)}, {describe_arguments(backtest.arguments)}"


def name_market(arguments: Mapping[str, str]) -> str:
    """Return the market in a word or two."""
    place = arguments.get("market", "simulated")
    return "simulated market" if place == "simulated" else place.rstrip("/").rpartition("/")[2]


def describe_arguments(arguments: Mapping[str, str]) -> str:
    """Describe the arguments of a backtest except its market; defaults are left out."""
    parts = [phrase(arguments[name]) for name, phrase in _PHRASES.items() if arguments.get(name)]
    return ", ".join(part for part in parts if part) or "default settings"


_PHRASES: dict[str, Callable[[str], str]] = {
    "signal": lambda text: f"signal {text}",
    "bars": lambda text: f"{int(text):,} bars" if text.isdecimal() else f"bars {text}",
    "symbol_count": lambda text: f"{text} symbols",
    "symbols": lambda text: text.replace(",", " "),
    "from": lambda text: f"from {text}",
    "to": lambda text: f"to {text}",
    "interval": lambda text: f"{text} bars",
    "seed": lambda text: f"seed {text}",
    "training": lambda text: "no training" if text == "none" else "",
}
