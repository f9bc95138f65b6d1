"""The settings of a live market: its exchange by name or table, and the secrets that its options may hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.service.settings_loader import load_settings
from engine.settings import Settings, SettingsError, identify_session, serialize_settings
from tests.test_settings import info, written

LIVE = {"PODIUM_FEED": "live", "PODIUM_SYMBOLS": "BTC/USD,ETH/USD"}


def test_a_live_market_sets_the_pace_and_is_warmed_up_by_its_history(tmp_path: Path) -> None:
    for headless in (False, True):
        settings = load_settings(LIVE | {"PODIUM_EXCHANGE": "kraken"}, tmp_path, headless=headless)
        assert (settings.exchange, settings.warmup_bars, settings.evolution, settings.tick_interval_seconds) == ("kraken", 1000, "full", 0.0)
    with pytest.raises(SettingsError, match=r"^the live feed needs symbols: give --symbols"):
        load_settings({"PODIUM_FEED": "live", "PODIUM_EXCHANGE": "kraken"}, tmp_path)


def test_the_exchange_is_a_name_or_a_table_and_the_environment_replaces_each_part(tmp_path: Path) -> None:
    assert load_settings(LIVE, written(tmp_path, 'exchange = "kraken"\n')).exchange == "kraken"
    folder = written(tmp_path, '[exchange]\nname = "kraken"\ntimeout = 9\n[exchange.urls.api]\npublic = "http://127.0.0.1:1"\n')
    options = {"timeout": 9, "urls": {"api": {"public": "http://127.0.0.1:1"}}}
    settings = load_settings(LIVE, folder)
    assert (settings.exchange, json.loads(settings.exchange_options)) == ("kraken", options)
    renamed = load_settings(LIVE | {"PODIUM_EXCHANGE": "binance"}, folder)
    assert (renamed.exchange, json.loads(renamed.exchange_options)) == ("binance", options)
    replaced = load_settings(LIVE | {"PODIUM_EXCHANGE_OPTIONS": '{"timeout": 8}'}, folder)
    assert (replaced.exchange, replaced.exchange_options) == ("kraken", '{"timeout": 8}')


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ('[exchange]\nname = "kraken"\nsecret = "hunter2"\n', "[exchange] in podium.toml has secret: Podium reads public data and sends no orders"),
        ('[exchange]\n[exchange.options]\napiKey = "hunter2"\n', "[exchange] in podium.toml has apiKey in 'options': Podium reads public data"),
        ('exchange_options = \'{"spot": {"a": [{"SECRET": "hunter2"}]}}\'\n', "has secret in 'spot.a': Podium reads public data"),
        ('[exchange]\n[exchange.spot]\nsecret = ""\n', "has secret in 'spot'"),
        ("[exchange]\nname = 3\n", "exchange.name in podium.toml is 3: give a text"),
        ("[exchange]\nsince = 2024-01-01\n", "has a value that JSON cannot hold"),
        ('exchange_options = "{}"\n[exchange]\ntimeout = 3\n', "are the same setting: give the table alone"),
    ],
)
def test_a_table_of_an_exchange_that_cannot_be_used_is_refused(tmp_path: Path, text: str, remedy: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({}, written(tmp_path, text))
    assert remedy in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_headers_of_a_proxy_have_names_of_their_own(tmp_path: Path) -> None:
    options = load_settings({}, written(tmp_path, '[exchange]\n[exchange.headers]\ntoken = "hunter2"\n')).exchange_options
    assert json.loads(options) == {"headers": {"token": "hunter2"}}


def test_each_exchange_is_another_session_and_its_secrets_are_not_stored() -> None:
    options = '{"headers": {"X": "hunter2"}, "httpsProxy": "http://ann:hunter2@proxy:1", "timeout": 9}'
    settings = Settings(home="/h", database_url="sqlite:////h/podium.db", feed="live", exchange="kraken", exchange_options=options)
    market = replace(info(), name="live", simulated=False)
    assert identify_session(settings, market, (), (), "l") != identify_session(replace(settings, exchange="binance"), market, (), (), "l")
    assert identify_session(settings, market, (), (), "l") == identify_session(replace(settings, exchange_options=""), market, (), (), "l")
    stored = json.loads(json.loads(serialize_settings(settings))["exchange_options"])
    assert stored == {"headers": {"X": "****"}, "httpsProxy": "****", "timeout": 9}
    assert "hunter2" not in serialize_settings(settings) + repr(settings)
