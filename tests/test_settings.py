"""Settings: the environment wins over podium.toml, and what is unknown or bad is refused in one line that names the remedy."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest

from engine.domain.ports import FeedInfo
from engine.domain.trading_config import TradingConfig, TradingRules
from engine.schema import Parameter, parameters_of
from engine.service.settings_loader import RENAMED, RENAMED_KNOBS, RESERVED_SETTINGS, SETTING_NAMES, _announce, load_settings
from engine.settings import (
    DAY,
    Settings,
    SettingsError,
    build_trading_config,
    format_duration,
    identify_session,
    parse_duration,
    parse_retention,
)
from engine.trading_parameters import SET_ELSEWHERE, TradingParameters

ROOT = Path(__file__).parent.parent


def info(fee_bps: float = 5.0, spread_bps: float = 2.0) -> FeedInfo:
    return FeedInfo("simulated", "simulated market", ("A", "B"), 60 * 10**9, 5, True, True, fee_bps, spread_bps, (0.01, 0.01))


def written(folder: Path, text: str) -> Path:
    (folder / "podium.toml").write_text(text, encoding="utf-8")
    return folder


def test_with_nothing_set_the_simulated_market_is_warmed_up_and_paced(tmp_path: Path) -> None:
    settings = load_settings({"HOME": "/home/ann"}, tmp_path)
    assert (settings.feed, settings.warmup_bars, settings.tick_interval_seconds, settings.port, settings.address) == (
        "simulated",
        3000,
        2.0,
        8501,
        "127.0.0.1",
    )
    assert settings.home == "/home/ann/.local/share/podium"
    assert settings.database_url == "sqlite:////home/ann/.local/share/podium/podium.db"


def test_a_headless_recording_is_not_paced_and_not_warmed_up(tmp_path: Path) -> None:
    settings = load_settings({"PODIUM_FEED": "recorded", "PODIUM_FEED_PATH": str(tmp_path)}, tmp_path, headless=True)
    assert (settings.warmup_bars, settings.tick_interval_seconds) == (0, 0.0)
    assert settings.feed_path == str(tmp_path)


def test_flags_win_over_the_environment_which_wins_over_the_file(tmp_path: Path) -> None:
    folder = written(tmp_path, 'seed = 1\ncapital = 5000\nsymbols = ["A", "B"]\n[knobs]\nkelly = 0.5\nhorizons = [1, 5]\n')
    settings = load_settings({"PODIUM_SEED": "2", "PODIUM_CAPITAL": "6000"}, folder, overrides={"capital": "7000", "symbols": None})
    assert (settings.seed, settings.capital, settings.symbols) == (2, 7000.0, ("A", "B"))
    assert (settings.trading.kelly, settings.trading.horizons) == (0.5, (1, 5))


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    assert load_settings({"PODIUM_SEED": ""}, tmp_path).seed == 7


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PODIUM_FED", "x", "did you mean PODIUM_FEED?"),
        ("PODIUM_QQQQ", "1", "is not a setting"),
        ("PODIUM_FEED", "push", "the push feed needs symbols: give --symbols A,B"),
        ("PODIUM_FEED", "live", "the live feed needs an exchange: give --exchange NAME"),
        ("PODIUM_FEED", "recordd", "did you mean recorded?"),
        ("PODIUM_FEED", "recorded", "--path DIR"),
        ("PODIUM_FEED_PATH", "\0", "give a text"),
        ("PODIUM_PORT", "80801", "a whole number from 1 to 65535"),
        ("PODIUM_PORT", "8_x", "a whole number"),
        ("PODIUM_SEED", "-1", "a whole number from 0"),
        ("PODIUM_FEE_BPS", "nan", "a number from 0 to 1000"),
        ("PODIUM_FEE_BPS", "ten", "'ten'"),
        ("PODIUM_CAPITAL", "inf", "a number of at least 1"),
        ("PODIUM_INTERVAL", "5", "write it as 1s, 5m"),
        ("PODIUM_INTERVAL", "0m", "write it as 1s, 5m"),
        ("PODIUM_RETENTION", "30", "write it as 30d, 500MB or 30d,2GB"),
        ("PODIUM_RETENTION", "3d,4d", "write it as"),
        ("PODIUM_SYMBOLS", "A,,B", "separated by commas"),
        ("PODIUM_SYMBOLS", "A,B,A", "names 'A' twice"),
        ("PODIUM_ADDRESS", "0.0.0.0", "no login yet"),
        ("PODIUM_ADDRESS", "example.org", "no login yet"),
        ("PODIUM_CLUSTER", "tcp://x", "not there yet"),
        ("PODIUM_EXCHANGE_OPTIONS", "[1]", "write it as {"),
        ("PODIUM_EXCHANGE_OPTIONS", '{"api_key": "secret"}', "has apiKey: Podium reads public data and sends no orders"),
        ("PODIUM_RECORD_RETENTION", "3", "write it as 30d"),
        ("PODIUM_DATABASE_URL", "postgresql://ann:secret@host/db", "PostgreSQL is not there yet"),
        ("PODIUM_DATABASE_URL", "podium.db", "give sqlite:///FILE"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path: Path, name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value}, tmp_path)
    line = str(caught.value)
    assert told in line
    assert "\n" not in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fed = 'simulated'", "did you mean feed?"),
        ("port = true", "port in podium.toml is True"),
        ("feed = 3", "give a text"),
        ("[knobs]\nkely = 1", "did you mean kelly?"),
        ("[knobs]\nkelly = 'x'", "knobs.kelly in podium.toml is 'x'"),
        ("[knobs]\npaused = 1", "true or false"),
        ("[knobs]\nhorizons = [3, 1]", "rising order"),
        ("[knobs]\nhorizons = []", "whole numbers of bars from 1 to 250 in rising order"),
        ("[knobs]\nkelly = 50", "knobs.kelly in podium.toml is 50: give a number from 0 to 2"),
        ("[knobs]\nmax_position = -1", "knobs.max_position in podium.toml is -1: give a number from 0.0001 to 10"),
        ("[knobs]\nmax_position = 20", "give a number from 0.0001 to 10"),
        ("[knobs]\nmax_drawdown = 15", "give a number from 0 to 1"),
        ("[knobs]\nskill_halflife = 0", "give a number of at least 1"),
        ("[knobs]\nretrain_every = 0", "give a whole number from 1 to 2147483647"),
        ("[knobs]\nmin_history = 301", "give a whole number from 0 to 300"),
        ("[knobs]\nmin_models = 1.5", "give a whole number from 0 to 1000"),
        ("[knobs]\nedge_margin = inf", "give a number from 0 to 100"),
        ("[knobs]\nadopt_after = 0", "knobs.adopt_after in podium.toml is 0: give a whole number from 1"),
        ("[knobs]\nfee_bps = 3", "knobs.fee_bps in podium.toml: fee_bps is a setting of its own: move it out of [knobs], to the top of the file"),
        ("[knobs]\nimpact = 0.1", "knobs.impact in podium.toml: impact_coefficient is a setting of its own"),
        ("[knobs]\nmaker_fee_bps = 3", "set it in recording.toml"),
        ("[knobs]\ntrading_hours = [1]", "set session of each symbol in recording.toml"),
        ("knobs = 3", "must be a table"),
        ("feed = ", "cannot be read"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({}, written(tmp_path, text))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_addresses_are_taken(tmp_path: Path, address: str) -> None:
    assert load_settings({"PODIUM_ADDRESS": address}, tmp_path).address in {"127.0.0.1", "127.1.2.3", "::1"}


def test_spans_and_sizes_are_read_and_written() -> None:
    assert [parse_duration(text) for text in ("1s", "5m", "2h", "1d")] == [10**9, 300 * 10**9, 7200 * 10**9, DAY]
    assert [format_duration(parse_duration(text)) for text in ("1s", "5m", "90m", "24h")] == ["1s", "5m", "90m", "1d"]
    assert parse_retention("30d") == (30.0, None)
    assert parse_retention("500mb") == (None, 500_000_000)
    assert parse_retention("12h, 2GB") == (0.5, 2_000_000_000)


@pytest.mark.parametrize(
    ("old", "new", "value", "field"),
    [
        ("PODIUM_WARM_UP", "PODIUM_WARMUP_BARS", "40", "warmup_bars"),
        ("PODIUM_PACE_SECONDS", "PODIUM_TICK_INTERVAL_SECONDS", "0.5", "tick_interval_seconds"),
        ("PODIUM_KEEP_DECISIONS", "PODIUM_RETENTION", "3d", "retention_days"),
        ("PODIUM_IMPACT", "PODIUM_IMPACT_COEFFICIENT", "0.3", "impact_coefficient"),
    ],
)
def test_an_old_name_is_accepted_with_one_line_that_names_the_new_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, value: str, field: str
) -> None:
    _announce.cache_clear()
    for _ in range(2):
        assert getattr(load_settings({old: value}, tmp_path), field) == getattr(load_settings({new: value}, tmp_path), field)
    assert capsys.readouterr().err == f"podium: {old} is now called {new}: rename it, the next version refuses the old name\n"
    with pytest.raises(SettingsError, match=f"^{old} and {new} are the same setting: give {new} alone$"):
        load_settings({old: value, new: value}, tmp_path)


def test_old_names_in_the_file_and_of_flags_are_accepted_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _announce.cache_clear()
    settings = load_settings({}, written(tmp_path, "warm_up = 5\n[knobs]\nadopt_after = 3\nrebalance = 0.5\n"), overrides={"pace_seconds": "0"})
    assert (settings.warmup_bars, settings.tick_interval_seconds) == (5, 0.0)
    assert (settings.trading.deployment_lag_bars, settings.trading.rebalance_threshold) == (3, 0.5)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": rename")[0] for line in lines] == [
        "podium: warm_up in podium.toml is now called warmup_bars in podium.toml",
        "podium: --pace is now called --tick-interval",
        "podium: knobs.adopt_after in podium.toml is now called knobs.deployment_lag_bars in podium.toml",
        "podium: knobs.rebalance in podium.toml is now called knobs.rebalance_threshold in podium.toml",
    ]


def test_old_names_lead_to_names_that_exist() -> None:
    assert set(RENAMED.values()) <= set(SETTING_NAMES)
    assert set(RENAMED_KNOBS.values()) <= {field.name for field in fields(TradingConfig)}
    assert not set(RENAMED) & set(SETTING_NAMES)


def test_each_trading_parameter_is_either_set_in_the_table_or_refused_with_its_place(tmp_path: Path) -> None:
    names = [field.name for field in fields(TradingConfig)]
    schema = parameters_of(TradingParameters)
    assert list(schema) == [name for name in names if name not in SET_ELSEWHERE]
    assert set(SET_ELSEWHERE) <= set(names)
    for name in SET_ELSEWHERE:
        with pytest.raises(SettingsError, match=rf"^knobs\.{name} in podium\.toml: {name} is .*: (move|set) "):
            load_settings({}, written(tmp_path, f"[knobs]\n{name} = 1\n"))


def test_no_trading_parameter_of_the_table_is_replaced_before_it_is_used(tmp_path: Path) -> None:
    for name, parameter in parameters_of(TradingParameters).items():
        changed = (
            [2, 5]
            if parameter.form
            else not parameter.default
            if parameter.bounds.kind == "truth"
            else 0.5
            if parameter.bounds.high in {0.5, 1.0}
            else 1 + int(parameter.bounds.low or 0)
            if (parameter.bounds.low or 0) > 1
            else 1
        )
        text = str(changed).lower()
        config = build_trading_config(load_settings({}, written(tmp_path, f"[knobs]\n{name} = {text}\n")), info())
        assert getattr(config, name) == (tuple(changed) if isinstance(changed, list) else changed), name


@pytest.mark.parametrize("parameter", parameters_of(TradingParameters).values(), ids=lambda parameter: parameter.name)
def test_a_trading_parameter_has_help_and_bounds_that_hold_its_default(tmp_path: Path, parameter: Parameter) -> None:
    assert parameter.help
    assert parameter.default == getattr(TradingConfig(), parameter.name)
    default = json.dumps(parameter.default)
    assert load_settings({}, written(tmp_path, f"[knobs]\n{parameter.name} = {default}\n")).trading == TradingConfig()
    low, high = parameter.bounds.low, parameter.bounds.high
    whole = parameter.bounds.kind == "whole number"
    assert parameter.bounds.kind in {"truth", "other"} or low is not None
    for bound in (low, high):
        if bound is not None:
            text = f"[knobs]\n{parameter.name} = {int(bound) if whole else bound}\n"
            assert getattr(load_settings({}, written(tmp_path, text)).trading, parameter.name) == bound
    beyond = [*([] if low is None else [low - 1]), *([] if high is None else [high + 1])]
    for value in ("'\u2028'", "'x'", "[]", "nan", "inf", "-1", "9" * 400, *(format(int(value) if whole else value) for value in beyond)):
        with pytest.raises(SettingsError) as caught:
            load_settings({}, written(tmp_path, f"[knobs]\n{parameter.name} = {value}\n"))
        line = str(caught.value)
        assert line.isprintable()
        assert len(line) < 300
        assert parameter.name in line or value == "'\u2028'"


@pytest.mark.parametrize(
    "text",
    [
        "kelly = 1.0\nmax_gross = 9.0\nmax_net = 9.0\nmax_position = 1.0",
        "edge_margin = 0\nmin_agreement = 0\ncooldown_bars = 0\nmax_out_of_distribution = 1\nmin_models = 1\nmin_trade = 0",
        "volatility_halflife = 1e12\nskill_halflife = 1e9\nshrinkage_rows = 50\nskill_alpha = 0.5\nhorizons = [1, 250]",
        "first_training = 2147483647\nretrain_every = 20\ndeployment_lag_bars = 2\nmax_gross = 0.0009\nmin_history = 300",
    ],
)
def test_unusual_trading_parameters_are_taken(tmp_path: Path, text: str) -> None:
    trading = load_settings({}, written(tmp_path, f"[knobs]\n{text}\n")).trading
    for name, value in tomllib.loads(text).items():
        assert getattr(trading, name) == (tuple(value) if isinstance(value, list) else value)


def test_the_settings_of_the_soak_are_taken(tmp_path: Path) -> None:
    text = (ROOT / "tests" / "soak" / "soak.toml").read_text(encoding="utf-8")
    assert load_settings({}, written(tmp_path, text)).trading.retrain_every == 600


def refusal(name: str, value: str, folder: Path) -> str:
    """Why a value is refused; "" where it is taken."""
    try:
        load_settings({f"PODIUM_{name.upper()}": value}, folder)
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("parameter", [row for row in parameters_of(Settings).values() if row.help], ids=lambda parameter: parameter.name)
def test_a_setting_has_help_a_remedy_and_refuses_nonsense_in_one_line(tmp_path: Path, parameter: Parameter) -> None:
    assert parameter.wanted
    if parameter.name not in SETTING_NAMES:
        return  # of the table [alerts] alone
    for value in ("\x1b[2J", "9" * 5_000, "a" * 5_000, "nan"):
        line = refusal(parameter.name, value, tmp_path)
        assert line or parameter.form, value
        assert line.isprintable()
        assert len(line) < 300
        assert not line or parameter.name in line.lower()


def test_costs_are_the_venues_unless_set() -> None:
    plain = Settings(home="/h", database_url="sqlite:////h/podium.db")
    assert build_trading_config(plain, info()) == TradingConfig(fee_bps=5.0, spread_bps=2.0, rules=TradingRules(ticks=(0.01, 0.01)))
    dear = Settings(home="/h", database_url="sqlite:////h/podium.db", fee_bps=0.0, latency_ms=9.0)
    assert (build_trading_config(dear, info()).fee_bps, build_trading_config(dear, info()).latency_ms) == (0.0, 9.0)


def test_the_share_of_a_bars_volume_an_order_may_take_is_a_setting(tmp_path: Path) -> None:
    assert build_trading_config(load_settings({"HOME": "/h"}, tmp_path), info()).participation == 0.1
    assert build_trading_config(load_settings({"HOME": "/h", "PODIUM_PARTICIPATION": "0.02"}, tmp_path), info()).participation == 0.02
    with pytest.raises(SettingsError, match=r"PODIUM_PARTICIPATION is '1\.5': give a number from 0\.0001 to 1"):
        load_settings({"HOME": "/h", "PODIUM_PARTICIPATION": "1.5"}, tmp_path)


def test_evolution_is_full_on_the_simulated_market_and_refreshes_on_recordings_and_in_backtests(tmp_path: Path) -> None:
    recorded = {"PODIUM_FEED": "recorded", "PODIUM_FEED_PATH": str(tmp_path)}
    assert load_settings({}, tmp_path).evolution == load_settings({}, tmp_path, headless=True).evolution == "full"
    assert load_settings({}, tmp_path, is_backtest=True).evolution == "refresh"
    assert load_settings(recorded, tmp_path).evolution == load_settings(recorded, tmp_path, is_backtest=True).evolution == "refresh"
    for mode in ("off", "refresh", "full"):
        assert load_settings({"PODIUM_EVOLUTION": mode}, tmp_path, is_backtest=True).evolution == mode
        assert load_settings({"PODIUM_EVOLUTION": "off"}, tmp_path, overrides={"evolution": mode}).evolution == mode
    assert load_settings({}, written(tmp_path, 'evolution = "off"'), is_backtest=True).evolution == "off"


def test_the_setting_of_evolution_reaches_the_trading_configuration() -> None:
    plain = Settings(home="/h", database_url="sqlite:////h/podium.db", trading=TradingConfig(evolution="off"))
    assert build_trading_config(plain, info()).evolution == "off"
    assert build_trading_config(replace(plain, evolution="refresh"), info()).evolution == "refresh"


def test_another_market_or_model_is_another_session() -> None:
    settings = Settings(home="/h", database_url="sqlite:////h/podium.db")
    same = identify_session(settings, info(), ("m",), ("c",), "l")
    assert same == identify_session(settings, info(fee_bps=9.0), ("m",), ("c",), "l")
    assert same != identify_session(settings, info(), ("m", "n"), ("c",), "l")
    assert same != identify_session(settings, info(), ("m",), ("c",), "another")
    changed = replace(settings, sim_changes="3000:flip")
    assert same != identify_session(changed, info(), ("m",), ("c",), "l")
    assert same == identify_session(replace(settings, sim_signal=0.0), info(), ("m",), ("c",), "l")
    recorded = replace(info(), simulated=False)
    assert identify_session(changed, recorded, ("m",), ("c",), "l") == identify_session(settings, recorded, ("m",), ("c",), "l")


def test_the_example_names_every_setting_and_each_line_of_it_is_taken(tmp_path: Path) -> None:
    lines = (ROOT / "podium.toml.example").read_text(encoding="utf-8").splitlines()
    wanted = [line.removeprefix("# ") for line in lines if re.match(r"# (\w+ = |\[+[\w.]+\]+)", line)]
    named = {line.partition(" = ")[0] for line in wanted}
    assert named >= set(SETTING_NAMES) - set(RESERVED_SETTINGS) - {
        "knobs",
        "alerts",
        "alert_urls",
        "rules",
        "actions",
        "exchange",
        "exchange_options",
        "auth",
        "webhook",
        "push",
    }
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
    (tmp_path / "client_secret").write_text("a secret\n")
    text = "\n".join(wanted).replace("recordings/binance", str(tmp_path)).replace("/etc/podium", str(tmp_path))
    settings = load_settings({}, written(tmp_path, text))
    assert settings.trading == TradingConfig()
    assert settings.alert_urls == ("json://127.0.0.1:9000/alerts",)
    assert [(webhook.name, webhook.events) for webhook in settings.webhooks] == [("bot", ("decisions", "alerts"))]
    assert settings.models == ("lightgbm",)
    assert json.loads(settings.push_terms) == {"fee_bps": 2.0, "symbols": {"BTCUSDT": {"tick": 0.1}}}
    assert (settings.exchange, json.loads(settings.exchange_options)) == ("kraken", {"timeout": 20_000, "httpsProxy": "http://127.0.0.1:3128"})
    assert ([rule.name for rule in settings.rules], settings.modes) == (["host_memory", "nightly"], (("delete_temp", "auto"),))
