"""Reads podium.toml, PODIUM_* and flags into Settings; refuses what cannot be used in one line with the remedy."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from engine.domain import addresses
from engine.domain.exchange_options import parse_exchange_options
from engine.domain.signal_changes import format_changes, parse_changes
from engine.domain.texts import SHOWN, find_control_character, on_one_line, shorten
from engine.domain.trading_config import TradingConfig
from engine.optimizer.default_rules import DEFAULT_RULES
from engine.optimizer.rule_schema import parse_mode, parse_rule
from engine.plugins import discover_plugins
from engine.schema import Reader, SchemaError, find_near, parameters_of, read_value, suggest
from engine.service.access_settings import read_address, read_auth_keys, read_proxies, require_safe_address
from engine.service.exchange_table import Given, split_exchange
from engine.service.provider_settings import complete_provider, read_provider
from engine.service.push_settings import complete_push_settings, read_push_table
from engine.service.secret_values import gather_secrets, read_file_keys
from engine.service.setting_paths import MAX_NAME_BYTES, expand_path, require_path
from engine.service.webhook_settings import read_webhooks
from engine.settings import FEED_NAMES, LIVE_FEEDS, Settings, SettingsError, parse_duration, parse_retention
from engine.store.database import path_from_url, url_from_path
from engine.store.errors import StoreError
from engine.trading_parameters import MAX_HORIZON, SET_ELSEWHERE, TradingParameters

RESERVED_SETTINGS = {
    "cluster": "running on a cluster is not there yet",
}
RENAMED = {  # names of version 0.4, accepted for one version
    "warm_up": "warmup_bars",
    "pace_seconds": "tick_interval_seconds",
    "keep_decisions": "retention",
    "impact": "impact_coefficient",
}
RENAMED_KNOBS = {
    "impact": "impact_coefficient",
    "adopt_after": "deployment_lag_bars",
    "interval_step": "interval_learning_rate",
    "lapse_halflife": "recent_skill_halflife",
    "max_outside": "max_out_of_distribution",
    "prior_rows": "shrinkage_rows",
    "rebalance": "rebalance_threshold",
}
FLAGS = {  # where a flag is not named after its setting
    "feed_path": "--path",
    "sim_signal": "--signal",
    "sim_symbols": "--symbol-count",
    "sim_changes": "--changes",
    "tick_interval_seconds": "--tick-interval",
    "pace_seconds": "--pace",
}
DEFAULT_WARMUP_BARS = {"simulated": 3000, "recorded": 0, "live": 1000, "push": 0}
DEFAULT_EVOLUTION = {"simulated": "full", "recorded": "refresh", "live": "full", "push": "full"}
BACKTEST_EVOLUTION = "refresh"
DEFAULT_TICK_INTERVAL_SECONDS = 2.0  # between ticks on the dashboard


def load_settings(
    environ: Mapping[str, str],
    folder: Path,
    *,
    overrides: Mapping[str, str | None] | None = None,
    headless: bool = False,
    is_backtest: bool = False,
) -> Settings:
    """Read the settings in force: podium.toml in `folder`, then PODIUM_*, then `overrides` (command line flags; None is not given).

    Headless runs are not paced unless a pace is set, and backtests do not search other recipes unless that is set. A name of an earlier version is
    accepted with one line on stderr. Raises SettingsError.
    """
    flags = {key: Given(_flag(key), value) for key, value in (overrides or {}).items() if value is not None}
    plain, secrets = gather_secrets(environ)
    shared = {key: Given(*secret) for key, secret in secrets.items() if key in _SCHEMA}
    given = _read_file(folder / "podium.toml") | shared | _read_environment(plain) | _rename(flags, RENAMED)
    values: dict[str, Any] = {}
    for name, value in given.values():
        _require_plain_text(name, value)
    try:
        for key in sorted(given, key=lambda key: key not in {"alerts", "auth"}):  # a setting outside its table wins
            values |= _read_setting(key, *given[key])
    except SchemaError as error:
        raise SettingsError(str(error)) from None
    if "sim_changes" in flags and values.get("feed", "simulated") != "simulated":
        raise SettingsError(f"{flags['sim_changes'].name} is for the simulated market: any other stays as it is")
    has_login = "login" in given or ("auth" in given and "login" in given["auth"].value)  # type: ignore[operator] # a table, as it was read
    complete_provider(values, secrets.get("oidc_client_secret", (None, None))[1], has_login)
    return _complete(values, environ, headless=headless, is_backtest=is_backtest)


def _complete(values: dict[str, Any], environ: Mapping[str, str], *, headless: bool, is_backtest: bool) -> Settings:
    home = str(expand_path("home", values.pop("home", None) or _default_home(environ)))
    feed = values.get("feed", "simulated")
    if feed == "recorded":
        _require_recording(values)
    if feed == "live":
        _require_live(values)
    if feed == "push":
        complete_push_settings(values)
    if "record" in values:
        values["record"] = str(expand_path("record", values["record"]))
    require_safe_address("address", values.get("address", "127.0.0.1"), values)
    values.setdefault("database_url", url_from_path(Path(home) / "podium.db"))
    values.setdefault("evolution", BACKTEST_EVOLUTION if is_backtest else DEFAULT_EVOLUTION.get(feed, "full"))
    values.setdefault("warmup_bars", DEFAULT_WARMUP_BARS.get(feed, 0))
    unpaced = feed in LIVE_FEEDS or (headless and feed == "recorded")  # live bars come at their own pace
    values.setdefault("tick_interval_seconds", 0.0 if unpaced else DEFAULT_TICK_INTERVAL_SECONDS)
    return Settings(home=home, **values)


def _require_recording(values: dict[str, Any]) -> None:
    path = values.get("feed_path")
    if path is None:
        raise SettingsError("the recorded feed needs a folder: give --path DIR or set PODIUM_FEED_PATH")
    folder = expand_path("feed_path", path)
    if not folder.is_dir():
        raise SettingsError(f"feed_path {shorten(path)} is not a folder: give the folder that holds SYMBOL/bars.parquet, books or trades")
    values["feed_path"] = str(folder)


def _require_live(values: Mapping[str, Any]) -> None:
    if not values.get("exchange"):
        raise SettingsError("the live feed needs an exchange: give --exchange NAME, such as kraken, or set PODIUM_EXCHANGE")
    if not values.get("symbols"):
        raise SettingsError("the live feed needs symbols: give --symbols BTC/USD,ETH/USD or set PODIUM_SYMBOLS")


def _require_plain_text(name: str, value: object) -> None:
    """Raise SettingsError for a control character anywhere in a value; the value may be secret and is not shown."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _require_plain_text(name, key)
            _require_plain_text(name, inner)
    elif isinstance(value, list):
        for inner in value:
            _require_plain_text(name, inner)
    elif isinstance(value, str) and (fault := find_control_character(value)) is not None:
        raise SettingsError(f"{name} has {fault}: give a text of one line without it")


def _default_home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home()) / ".local" / "share" / "podium"


def _read_file(path: Path) -> dict[str, Given]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:  # ValueError also for a number of too many digits, RecursionError for too many brackets
        raise SettingsError(f"{path} cannot be read: {on_one_line(str(error))}") from None
    for key in table:
        if key not in SETTING_NAMES and key not in RENAMED:
            raise SettingsError(f"{path} has an unknown key {shorten(key)}: {suggest(key, sorted(SETTING_NAMES), 'the settings are')}")
    given = {key: Given(f"{key} in podium.toml", value) for key, value in table.items()}
    return _rename(split_exchange(given), RENAMED)


def _read_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    known = {key.upper(): key for key in (*SETTING_NAMES, *RENAMED) if key not in SETTING_TABLES}
    given: dict[str, Given] = {}
    for variable, value in environ.items():
        if not variable.startswith("PODIUM_") or not value.strip():
            continue
        name = variable.removeprefix("PODIUM_")
        if name not in known:
            near = find_near(name, known)
            remedy = f": did you mean PODIUM_{near}?" if near else "; see Settings in the README"
            raise SettingsError(f"{variable if len(variable) <= SHOWN else shorten(variable)} is not a setting{remedy}")
        given[known[name]] = Given(variable, value)
    return _rename(given, RENAMED)


def _flag(key: str) -> str:
    return FLAGS.get(key, f"--{key.replace('_', '-')}")


def _rename(given: dict[str, Given], renamed: Mapping[str, str]) -> dict[str, Given]:
    """The values under today's names; raises SettingsError where both names of a setting are given."""
    for old in [key for key in given if key in renamed]:
        new, before = renamed[old], given.pop(old)
        today = _flag(new) if before.name.startswith("--") else before.name.replace(old, new).replace(old.upper(), new.upper())
        if new in given:
            raise SettingsError(f"{before.name} and {given[new].name} are the same setting: give {given[new].name} alone")
        _announce(f"podium: {before.name} is now called {today}: rename it, the next version refuses the old name")
        given[new] = Given(before.name, before.value)
    return given


@cache
def _announce(line: str) -> None:
    """Write a line to stderr, once per process."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - for the person who started Podium, before there is a log


def _read_setting(key: str, name: str, value: object) -> dict[str, Any]:
    """The fields of Settings that a key of podium.toml sets; raises SettingsError."""
    if key in RESERVED_SETTINGS:
        raise SettingsError(f"{name}={value if len(str(value)) <= SHOWN else shorten(value)}: {RESERVED_SETTINGS[key]}; unset it")
    if key in _TABLES:
        return _TABLES[key](name, value)
    if key == "retention":
        days, size = _parse(parse_retention, name, value)
        return {"retention_days": days, "retention_bytes": size}
    return {key: read_value(_SCHEMA[key], name, value, _FORMS)}


def _require_table(name: str, value: object, remedy: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{name} must be a table: write {remedy}")
    return value


def _read_knobs(name: str, value: object) -> dict[str, Any]:
    table = _require_table(name, value, "[knobs] and a line for each")
    for key in table:
        today = RENAMED_KNOBS.get(key, key)
        if today in SET_ELSEWHERE:
            raise SettingsError(f"knobs.{key} in podium.toml: {today} is {SET_ELSEWHERE[today]}")
        if today not in _KNOBS:
            raise SettingsError(f"[knobs] in podium.toml has an unknown key {shorten(key)}: {suggest(key, sorted(_KNOBS), 'the settings are')}")
    given = _rename({key: Given(f"knobs.{key} in podium.toml", inner) for key, inner in table.items()}, RENAMED_KNOBS)
    return {"trading": TradingConfig(**{key: read_value(_KNOBS[key], *given[key], _FORMS) for key in given})}


def _read_horizons(name: str, value: object) -> tuple[int, ...]:
    bars = value if isinstance(value, list) else []
    if (
        not bars
        or not all(isinstance(bar, int) and not isinstance(bar, bool) and 1 <= bar <= MAX_HORIZON for bar in bars)
        or bars != sorted(set(bars))
    ):
        raise SettingsError(f"{name} is {shorten(value)}: give {_KNOBS['horizons'].wanted}")
    return tuple(bars)


def _read_alerts(name: str, value: object) -> dict[str, Any]:
    table = read_file_keys("alerts", _require_table(name, value, "[alerts] and a line for each"), ("urls", "escalate_urls"))
    for key in table:
        if key not in ALERT_KEYS:
            raise SettingsError(f"[alerts] in podium.toml has an unknown key {shorten(key)}: {suggest(key, sorted(ALERT_KEYS), 'the settings are')}")
    return {ALERT_KEYS[key]: read_value(_SCHEMA[ALERT_KEYS[key]], f"alerts.{key} in podium.toml", inner, _FORMS) for key, inner in table.items()}


def _read_auth(name: str, value: object) -> dict[str, Any]:
    values = {key: read_value(_SCHEMA[key], f"auth.{key} in podium.toml", inner, _FORMS) for key, inner in read_auth_keys(name, value).items()}
    provider = read_provider(_require_table(name, value, "[auth] and a line for each"))
    return values if provider is None else values | {"provider": provider}


def _read_rules(name: str, value: object) -> dict[str, Any]:
    """Rules that replace defaults or add to them."""
    table = _require_table(name, value, "[rules.NAME] and a line for each word of the rule")
    for rule in table.values():
        _require_table(name, rule, "[rules.NAME] and a line for each word of the rule")
    known, defaults = _list_actions(), {rule.name: rule for rule in DEFAULT_RULES}
    try:
        return {"rules": tuple(parse_rule(rule, words, defaults.get(rule), known) for rule, words in table.items())}
    except ValueError as error:
        raise SettingsError(f"[rules] in podium.toml: {error}") from None


def _read_modes(name: str, value: object) -> dict[str, Any]:
    table = _require_table(name, value, '[actions] and a line for each, such as delete_temp = "auto"')
    known = _list_actions()
    try:
        return {"modes": tuple((action, parse_mode(action, mode, known)) for action, mode in table.items())}
    except ValueError as error:
        raise SettingsError(f"[actions] in podium.toml: {error}") from None


def _list_actions() -> tuple[str, ...]:
    return tuple(action.name for action in discover_plugins("engine.actions", "ACTION"))


def _read_addresses(name: str, value: object) -> tuple[str, ...]:
    """Apprise addresses. They are secret, so a refusal names the place of the wrong one and not the address."""
    parts = addresses.split_addresses(value) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    for place, part in enumerate(parts, 1):
        if not isinstance(part, str) or not addresses.is_address(part):
            raise SettingsError(f"{name}: number {place} is no Apprise address: write it as kind://..., such as json://host/path")
    if not parts or len(set(parts)) < len(parts):
        raise SettingsError(f"{name} " + ("gives an address twice: give each once" if parts else "has no address: give one, or leave it unset"))
    return parts


def _read_text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{name} is {shorten(value)}: give a text")
    return value.strip()


def _read_path(name: str, value: object) -> str:
    text = _read_text(name, value)
    expand_path(name, text)
    return text


def _read_names(name: str, value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part.strip() for part in parts):
        raise SettingsError(f"{name} is {shorten(value)}: give names separated by commas")
    names = tuple(part.strip() for part in parts)
    if len(set(names)) < len(names):
        raise SettingsError(f"{name} names {shorten(next(part for part in names if names.count(part) > 1))} twice: give each once")
    if any(len(part) > MAX_NAME_BYTES for part in names):
        raise SettingsError(f"{name} has {shorten(max(names, key=len))}: give names of at most {MAX_NAME_BYTES} letters")
    return names


def _read_feed(name: str, value: object) -> str:
    text = _read_text(name, value)
    if text not in FEED_NAMES:
        raise SettingsError(f"{name} is {shorten(text)}: {suggest(text, FEED_NAMES, 'the feeds are')}")
    return text


def _read_changes(name: str, value: object) -> str:
    """Changes of the simulated market, written as `format_changes` writes them."""
    try:
        return format_changes(parse_changes(_read_text(name, value)))
    except ValueError as error:
        raise SettingsError(str(error) if isinstance(error, SettingsError) else f"{name}: {error}") from None


def _parse(parse: Callable[[str], Any], name: str, value: object) -> Any:
    try:
        return parse(_read_text(name, value))
    except SettingsError as error:
        raise SettingsError(str(error) if str(error).startswith(name) else f"{name}: {error}") from None


def _read_retention(name: str, value: object) -> str:
    _parse(parse_retention, name, value)
    return _read_text(name, value)


def _read_options(name: str, value: object) -> str:
    """Options of an exchange as JSON. They may be secret, so no refusal shows them."""
    try:
        return parse_exchange_options(name, value)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _read_database(name: str, value: object) -> str:
    url = _read_text(name, value)
    if url.startswith("postgres"):
        raise SettingsError(f"{name}={url.partition(':')[0][:20]}: PostgreSQL is not there yet; use sqlite:///FILE")
    if not url.startswith("sqlite:///") or url == "sqlite:///" or ":memory:" in url:
        raise SettingsError(f"{name} is {shorten(url)}: give sqlite:///FILE")
    try:
        require_path(name, path_from_url(url))
    except StoreError as error:
        raise SettingsError(f"{name}: {error}") from None
    return url


_FORMS: dict[str, Reader] = {
    "text": _read_text, "path": _read_path, "names": _read_names, "feed": _read_feed, "database": _read_database, "address": read_address,
    "proxies": read_proxies,
    "addresses": _read_addresses, "horizons": _read_horizons, "duration": lambda name, value: _parse(parse_duration, name, value),
    "changes": _read_changes, "json": _read_options, "retention": _read_retention,
}  # fmt: skip
_SCHEMA = parameters_of(Settings)
_KNOBS = parameters_of(TradingParameters)
ALERT_KEYS = {"urls": "alert_urls", "escalate_urls": "escalate_urls", "escalate_minutes": "escalate_minutes", "drill_hours": "drill_hours"}
_TABLES: dict[str, Callable[[str, object], dict[str, Any]]] = {
    "knobs": _read_knobs, "alerts": _read_alerts, "rules": _read_rules, "actions": _read_modes, "auth": _read_auth,
    "webhook": read_webhooks, "push": read_push_table,
}  # fmt: skip
SETTING_TABLES = tuple(_TABLES)  # of podium.toml; the environment has no names for them
SETTING_NAMES = (
    *(name for name, parameter in _SCHEMA.items() if parameter.help and (name == "alert_urls" or name not in ALERT_KEYS.values())),
    "retention", *SETTING_TABLES, *RESERVED_SETTINGS,
)  # fmt: skip
