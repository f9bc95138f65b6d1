"""Reads podium.toml and PODIUM_* (the environment wins); refuses what it does not know, in one line."""

from __future__ import annotations

import difflib
import ipaddress
import math
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from engine.domain import addresses
from engine.domain.texts import SHOWN, find_control_character, on_one_line, shorten
from engine.domain.trading_config import TradingConfig
from engine.service import optimizer_settings
from engine.settings import FEED_NAMES, Settings, SettingsError, parse_duration, parse_retention
from engine.store.database import path_from_url, url_from_path
from engine.store.errors import StoreError

RESERVED_SETTINGS = {
    "exchange": "it is for the live feed, which is not there yet",
    "cluster": "running on a cluster is not there yet",
}
DEFAULT_WARMUP_BARS = {"simulated": 3000, "recorded": 0}
FIELDS_BY_SYMBOL = frozenset({"fees_bps", "maker_fees_bps", "rules"})  # knobs that the feed gives
MAX_PATH_BYTES, MAX_NAME_BYTES = 4_000, 255  # bytes, what Linux and macOS take
DEFAULT_TICK_INTERVAL_SECONDS = 2.0  # between ticks on the dashboard

Given = tuple[str, object]  # the name the user knows it by, and the value


def load_settings(environ: Mapping[str, str], folder: Path, *, overrides: Mapping[str, str | None] | None = None, headless: bool = False) -> Settings:
    """The settings in force: podium.toml in `folder`, then PODIUM_*, then `overrides` (command line flags; None is not given).

    Headless runs are not paced unless a pace is set. Raises SettingsError.
    """
    told = _from_file(folder / "podium.toml") | _from_environment(environ)
    told |= {key: (f"--{key.replace('_', '-')}", value) for key, value in (overrides or {}).items() if value is not None}
    for name, value in told.values():
        _demand_plain_text(name, value)
    knobs = _knobs(told.pop("knobs", None))
    values: dict[str, Any] = {}
    for key, (name, value) in told.items():
        values = _read(key, name, value) | values if key == "alerts" else values | _read(key, name, value)  # what is given by itself wins
    return _complete(values, environ, knobs, headless=headless)


def _complete(values: dict[str, Any], environ: Mapping[str, str], knobs: TradingConfig, *, headless: bool) -> Settings:
    home = str(_expand("home", values.pop("home", None) or _default_home(environ)))
    feed = values.get("feed", "simulated")
    if feed == "recorded":
        _demand_recording(values)
    values.setdefault("database_url", url_from_path(Path(home) / "podium.db"))
    values.setdefault("warmup_bars", DEFAULT_WARMUP_BARS.get(feed, 0))
    values.setdefault("tick_interval_seconds", 0.0 if headless and feed == "recorded" else DEFAULT_TICK_INTERVAL_SECONDS)
    return Settings(home=home, trading=knobs, **values)


def _demand_recording(values: dict[str, Any]) -> None:
    path = values.get("feed_path")
    if path is None:
        raise SettingsError("the recorded feed needs a folder: give --path DIR or set PODIUM_FEED_PATH")
    folder = _expand("feed_path", path)
    if not folder.is_dir():
        raise SettingsError(f"feed_path {shorten(path)} is not a folder: give the folder that holds SYMBOL/bars.parquet, books or trades")
    values["feed_path"] = str(folder)


def _expand(name: str, value: str | Path) -> Path:
    """The absolute path that is meant; raises SettingsError for one that no file system takes."""
    try:
        path = Path(value).expanduser().absolute()
    except RuntimeError:  # ~user of nobody on this machine
        raise SettingsError(f"{name} is {shorten(str(value))}: there is no such user on this machine; give the whole path") from None
    _demand_path(name, path)
    return path


def _demand_path(name: str, path: Path) -> None:
    fault = find_control_character(str(path))
    if fault is not None:
        raise SettingsError(f"{name} is {shorten(str(path))}, which has {fault}: give another path")
    if len(os.fsencode(path)) > MAX_PATH_BYTES or any(len(os.fsencode(part)) > MAX_NAME_BYTES for part in path.parts):
        raise SettingsError(f"{name} is {shorten(str(path))}: give a path of at most {MAX_PATH_BYTES:,} letters, {MAX_NAME_BYTES} in one name")


def _demand_plain_text(name: str, value: object) -> None:
    """Raises SettingsError where a text anywhere in a value has characters that are none; the value may be secret and is not shown."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _demand_plain_text(name, key)
            _demand_plain_text(name, inner)
    elif isinstance(value, list):
        for inner in value:
            _demand_plain_text(name, inner)
    elif isinstance(value, str) and (fault := find_control_character(value)) is not None:
        raise SettingsError(f"{name} has {fault}: give a text of one line without it")


def _default_home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home()) / ".local" / "share" / "podium"


def _from_file(path: Path) -> dict[str, Given]:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:  # a number of too many digits is a ValueError, too many brackets a RecursionError
        raise SettingsError(f"{path} cannot be read: {on_one_line(str(error))}") from None
    for key in told:
        if key not in SETTING_NAMES:
            raise SettingsError(f"{path} has an unknown key {shorten(key)}{_near(key, SETTING_NAMES)}")
    return {key: (f"{key} in podium.toml", value) for key, value in told.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    told: dict[str, Given] = {}
    known = [f"PODIUM_{key.upper()}" for key in SETTING_NAMES if key not in SETTING_TABLES]
    for name, value in environ.items():
        if not name.startswith("PODIUM_") or not value.strip():
            continue
        if name not in known:
            close = difflib.get_close_matches(name.removeprefix("PODIUM_"), [one.removeprefix("PODIUM_") for one in known], n=1, cutoff=0.5)
            remedy = f": did you mean PODIUM_{close[0]}?" if close else "; see Settings in the README"
            raise SettingsError(f"{name if len(name) <= SHOWN else shorten(name)} is not a setting{remedy}")
        told[name.removeprefix("PODIUM_").lower()] = (name, value)
    return told


def _near(word: str, words: list[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f": did you mean {close[0]}?" if close else f": the settings are {', '.join(sorted(words))}"


def _knobs(given: Given | None) -> TradingConfig:
    if given is None:
        return TradingConfig()
    name, table = given
    if not isinstance(table, dict):
        raise SettingsError(f"{name} must be a table: write [knobs] and a line for each")
    known = {one.name: getattr(TradingConfig(), one.name) for one in fields(TradingConfig) if one.name not in FIELDS_BY_SYMBOL}
    changes: dict[str, Any] = {}
    for key, value in table.items():
        if key in FIELDS_BY_SYMBOL:
            raise SettingsError(f"[knobs] in podium.toml has {key!r}, which is each symbol's own: set it in recording.toml beside the recording")
        if key not in known:
            raise SettingsError(f"[knobs] in podium.toml has an unknown key {shorten(key)}{_near(key, list(known))}")
        changes[key] = _knob(f"knobs.{key} in podium.toml", value, known[key])
    return replace(TradingConfig(), **changes)


def _knob(name: str, value: object, default: object) -> object:
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise SettingsError(f"{name} is {shorten(value)}: give true or false")
        return value
    if isinstance(default, tuple):
        return _horizons(name, value)
    return _whole(0)(name, value) if isinstance(default, int) else _number(0.0)(name, value)


def _horizons(name: str, value: object) -> tuple[int, ...]:
    bars = tuple(_whole(1, 250)(name, one) for one in value) if isinstance(value, list) else ()
    if not bars or list(bars) != sorted(set(bars)):
        raise SettingsError(f"{name} is {shorten(value)}: give whole numbers of bars in rising order, such as [1, 3, 12]")
    return bars


def _read(key: str, name: str, value: object) -> dict[str, Any]:
    if key in RESERVED_SETTINGS:
        raise SettingsError(f"{name}={value if len(str(value)) <= SHOWN else shorten(value)}: {RESERVED_SETTINGS[key]}; unset it")
    if key == "alerts":
        return _alerts(name, value)
    if key in _OPTIMIZER:
        return _OPTIMIZER[key](name, value)
    if key == "retention":
        days, size = _form(parse_retention, name, value)
        return {"retention_days": days, "retention_bytes": size}
    return {key: _READERS[key](name, value)}


def _alerts(name: str, table: object) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise SettingsError(f"{name} must be a table: write [alerts] and a line for each")
    for key in table:
        if key not in _ALERTS:
            raise SettingsError(f"[alerts] in podium.toml has an unknown key {shorten(key)}{_near(key, tuple(_ALERTS))}")
    return {_ALERTS[key][0]: _ALERTS[key][1](f"alerts.{key} in podium.toml", value) for key, value in table.items()}


def _addresses(name: str, value: object) -> tuple[str, ...]:
    """Apprise addresses. They are secret, so an error names the place of the one that is wrong and not what it is."""
    parts = addresses.split_addresses(value) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    for place, part in enumerate(parts, 1):
        if not isinstance(part, str) or not addresses.is_address(part):
            raise SettingsError(f"{name}: number {place} is no Apprise address: write it as kind://..., such as json://host/path")
    if not parts or len(set(parts)) < len(parts):
        raise SettingsError(f"{name} " + ("gives an address twice: give each once" if parts else "has no address: give one, or leave it unset"))
    return parts


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{name} is {shorten(value)}: give a text")
    return value.strip()


def _path(name: str, value: object) -> str:
    text = _text(name, value)
    _expand(name, text)
    return text


def _number(low: float, high: float = math.inf) -> Callable[[str, object], float]:
    def read(name: str, value: object) -> float:
        try:
            number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if not (low <= number <= high and math.isfinite(number)):
            reach = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
            raise SettingsError(f"{name} is {shorten(value)}: give a number {reach}")
        return number

    return read


def _whole(low: int, high: int = 2**31 - 1) -> Callable[[str, object], int]:
    def read(name: str, value: object) -> int:
        try:
            number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else low - 1
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise SettingsError(f"{name} is {shorten(value)}: give a whole number from {low} to {high}")
        return number

    return read


def _names(name: str, value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part.strip() for part in parts):
        raise SettingsError(f"{name} is {shorten(value)}: give names separated by commas")
    names = tuple(part.strip() for part in parts)
    if len(set(names)) < len(names):
        raise SettingsError(f"{name} names {shorten(next(one for one in names if names.count(one) > 1))} twice: give each once")
    if any(len(one) > MAX_NAME_BYTES for one in names):
        raise SettingsError(f"{name} has {shorten(max(names, key=len))}: give names of at most {MAX_NAME_BYTES} letters")
    return names


def _feed(name: str, value: object) -> str:
    text = _text(name, value)
    if text == "live":
        raise SettingsError(f"{name}=live: the live feed is not there yet; use simulated or recorded")
    if text not in FEED_NAMES:
        raise SettingsError(f"{name} is {shorten(text)}{_near(text, FEED_NAMES)}")
    return text


def _form(parse: Callable[[str], Any], name: str, value: object) -> Any:
    try:
        return parse(_text(name, value))
    except SettingsError as error:
        raise SettingsError(f"{name}: {error}") from None


def _span(name: str, value: object) -> int:
    return int(_form(parse_duration, name, value))


def _database(name: str, value: object) -> str:
    url = _text(name, value)
    if url.startswith("postgres"):
        raise SettingsError(f"{name}={url.partition(':')[0][:20]}: PostgreSQL is not there yet; use sqlite:///FILE")
    if not url.startswith("sqlite:///") or url == "sqlite:///" or ":memory:" in url:
        raise SettingsError(f"{name} is {shorten(url)}: give sqlite:///FILE")
    try:
        _demand_path(name, path_from_url(url))
    except StoreError as error:
        raise SettingsError(f"{name}: {error}") from None
    return url


def require_loopback(name: str, value: object) -> str:
    """The address to listen on; anything that can be reached from outside raises SettingsError."""
    text = _text(name, value)
    try:
        inside = text == "localhost" or ipaddress.ip_address(text).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise SettingsError(f"{name} is {shorten(text)}: there is no login yet, so only this machine may connect; use 127.0.0.1 and an SSH tunnel")
    return "127.0.0.1" if text == "localhost" else text


_READERS: dict[str, Callable[[str, object], Any]] = {
    "home": _text, "database_url": _database, "feed": _feed, "feed_path": _path, "symbols": _names, "interval": _span, "seed": _whole(0),
    "capital": _number(1.0), "fee_bps": _number(0.0, 1_000.0), "spread_bps": _number(0.0, 1_000.0), "impact": _number(0.0, 100.0),
    "participation": _number(0.0001, 1.0),
    "latency_ms": _number(0.0, 60_000.0), "sim_signal": _number(0.0, 0.5), "sim_persistence": _number(0.0, 0.999),
    "sim_volatility_bps": _number(1.0, 1_000.0), "sim_symbols": _whole(1, 500), "models": _names, "train_days": _number(0.01, 3_650.0),
    "train_rows": _whole(0), "warmup_bars": _whole(0, 1_000_000), "tick_interval_seconds": _number(0.0, 3_600.0), "threads": _whole(0, 64),
    "trial_seconds": _number(4.0, 600.0), "trial_rest_seconds": _number(1.0, 3_600.0),
    "address": require_loopback, "port": _whole(1, 65_535), "alert_urls": _addresses,
}  # fmt: skip
_ALERTS: dict[str, tuple[str, Callable[[str, object], Any]]] = {
    "urls": ("alert_urls", _addresses), "escalate_urls": ("escalate_urls", _addresses),
    "escalate_minutes": ("escalate_minutes", _number(1.0, 10_080.0)), "drill_hours": ("drill_hours", _number(0.0, 8_760.0)),
}  # fmt: skip
_OPTIMIZER = {"rules": optimizer_settings.read_rules, "actions": optimizer_settings.read_modes}
SETTING_TABLES = ("knobs", "alerts", *_OPTIMIZER)  # of podium.toml; the environment has no names for them
SETTING_NAMES = (*_READERS, "retention", *SETTING_TABLES, *RESERVED_SETTINGS)
