"""What a backtest may be asked for, checked word by word before anything is started."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.feeds._recording_files import symbol_folders

MAX_PATH_LETTERS = 1_000  # letters of a path
MAX_BARS, MAX_SYMBOLS = 1_000_000, 500
_SIMULATED_ONLY = ("signal", "symbol_count")
_RECORDED_ONLY = ("symbols", "from", "to", "interval")
_TIME = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?Z?)?"


def build_backtest_arguments(args: Mapping[str, str]) -> list[str]:
    """The command line that runs it; raises ValueError in one line for anything that is not understood."""
    unknown = [key for key in args if key != "market" and key not in _FORMS]
    if unknown:
        raise ValueError(f"a backtest takes no {unknown[0][:40]!r}: it takes market, {', '.join(_FORMS)}")
    market = _market(args.get("market", "simulated"))
    for key in _RECORDED_ONLY if market == "simulated" else _SIMULATED_ONLY:
        if args.get(key):
            raise ValueError(f"{key} is for {'a recording' if market == 'simulated' else 'the simulated market'}")
    return [market, *(word for key, form in _FORMS.items() if args.get(key) for word in form(key, args[key]))]


def _market(text: str) -> str:
    """The word simulated, or the folder of a recording that is there."""
    if text == "simulated":
        return text
    if not text.isprintable() or len(text) > MAX_PATH_LETTERS:
        raise ValueError(f"{text[:60]!r} is no path of a folder")
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(f"{text[:200]!r} is no whole path: give the folder of a recording from / on, or the word simulated")
    symbol_folders(path, ())
    return str(path)


def _matching(pattern: str, wanted: str) -> Callable[[str, str], list[str]]:
    told = re.compile(pattern, re.ASCII)

    def read(key: str, text: str) -> list[str]:
        if not told.fullmatch(text):
            raise ValueError(f"{key} is {text[:60]!r}: give {wanted}")
        return [f"--{key.replace('_', '-')}={text}"]

    return read


def _whole(low: int, high: int) -> Callable[[str, str], list[str]]:
    def read(key: str, text: str) -> list[str]:
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
            raise ValueError(f"{key} is {text[:60]!r}: give a whole number from {low:,} to {high:,}")
        return [f"--{key.replace('_', '-')}={int(text)}"]

    return read


def _signal(key: str, text: str) -> list[str]:
    if not re.fullmatch(r"0(\.\d{1,9})?", text, re.ASCII) or float(text) > 0.5:
        raise ValueError(f"{key} is {text[:60]!r}: give a number from 0 to 0.5")
    return [f"--{key}={text}"]


def _training(key: str, text: str) -> list[str]:
    if text not in {"yes", "none"}:
        raise ValueError(f"{key} is {text[:60]!r}: give yes or none")
    return ["--no-training"] if text == "none" else []


_FORMS: dict[str, Callable[[str, str], list[str]]] = {
    "symbols": _matching(r"[\w.:-]{1,40}(,[\w.:-]{1,40}){0,499}", "names separated by commas, such as BTCUSDT,ETHUSDT"),
    "from": _matching(_TIME, "a time such as 2023-01-31 or 2023-01-31T12:00Z"),
    "to": _matching(_TIME, "a time such as 2023-01-31 or 2023-01-31T12:00Z"),
    "interval": _matching(r"\d{1,5}(s|m|h|d)", "a length such as 5m"),
    "seed": _whole(0, 2**31 - 1),
    "signal": _signal,
    "bars": _whole(1, MAX_BARS),
    "symbol_count": _whole(1, MAX_SYMBOLS),
    "training": _training,
}
BACKTEST_ARGUMENTS = ("market", *_FORMS)
