"""Access to exchanges: names and symbols with their near misses, options as they are, no keys, and errors in one line without secrets."""

from __future__ import annotations

import importlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from engine.domain.exchange_options import KEYS_OF_ACCOUNTS, hide_option_secrets, mask_exchange_options, parse_exchange_options
from engine.live.exchange import (
    NEEDED,
    ExchangeRefused,
    ExchangeUnreachable,
    call_exchange,
    describe_exchange_error,
    find_unresolved_host,
    forget_markets,
    open_exchange,
    read_markets,
    require_exchange,
    require_symbols,
)
from engine.settings import Settings
from tests.coroutines import run_coroutine
from tests.exchanges.binance import FakeBinance

BASE = Settings("/h", "sqlite:////h/p.db", feed="live")


def choose(exchange: str | None, options: dict[str, Any] | None = None, symbols: tuple[str, ...] = ("BTC/USDT",)) -> Settings:
    return Settings("/h", "sqlite:////h/p.db", feed="live", exchange=exchange, symbols=symbols, exchange_options=json.dumps(options or {}))


@pytest.fixture
def binance() -> Iterator[FakeBinance]:
    with FakeBinance(history_seconds=120) as exchange:
        yield exchange


@pytest.mark.parametrize(
    ("exchange", "line"),
    [
        (None, "the live feed needs an exchange: give --exchange NAME or set PODIUM_EXCHANGE"),
        ("krakn", "ccxt has no exchange 'krakn': did you mean kraken?"),
        ("Kraken", "ccxt has no exchange 'Kraken': did you mean kraken?"),
        ("Exchange", "ccxt has no exchange 'Exchange'"),
        ("__init__", "ccxt has no exchange '__init__'"),
        ("coinmate", "coinmate has no watchTrades and watchOrderBook in ccxt"),
        ("onetrading", "onetrading has no watchTrades in ccxt"),
        ("coincheck", "coincheck has no fetchOHLCV in ccxt"),
    ],
)
def test_an_exchange_that_cannot_be_used_is_refused_with_what_it_lacks(exchange: str | None, line: str) -> None:
    with pytest.raises(ExchangeRefused) as caught:
        require_exchange(choose(exchange))
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_every_exchange_of_ccxt_is_either_opened_or_refused_for_what_it_lacks() -> None:
    library = importlib.import_module("ccxt.pro")
    for name in library.exchanges:
        lacks = [word for word in NEEDED if not getattr(library, name)().has.get(word)]
        if lacks:
            with pytest.raises(ExchangeRefused, match=f"^{name} has no {'.*'.join(lacks)} in ccxt: "):
                require_exchange(choose(name))
        else:
            assert require_exchange(choose(name)) == name


@pytest.mark.parametrize("key", [*KEYS_OF_ACCOUNTS, "api_key", "APIKEY", "private_key"])
def test_a_key_of_an_account_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValueError, match=r"has \w+: Podium reads public data and sends no orders, so remove it") as caught:
        open_exchange(choose("kraken", {key: "hunter2"}))
    assert "hunter2" not in str(caught.value)


def test_options_reach_ccxt_as_they_are_and_a_dead_socket_is_known_soon() -> None:
    exchange = open_exchange(choose("binance", {"timeout": 1234, "options": {"defaultType": "swap"}, "httpsProxy": "http://127.0.0.1:3128"}))
    assert (exchange.timeout, exchange.options["defaultType"], exchange.httpsProxy) == (1234, "swap", "http://127.0.0.1:3128")
    assert (exchange.streaming["keepAlive"], exchange.enableRateLimit) == (5000, True)
    assert open_exchange(choose("binance", {"streaming": {"keepAlive": 9000}})).streaming["keepAlive"] == 9000
    assert not exchange.apiKey


def test_options_that_ccxt_cannot_take_are_refused() -> None:
    with pytest.raises(ExchangeRefused, match=r"^exchange_options do not suit kraken: TypeError .*: correct them$"):
        open_exchange(choose("kraken", {"streaming": 3}))


def test_markets_are_read_beside_a_running_loop_once_and_again_when_forgotten(binance: FakeBinance) -> None:
    async def read_twice() -> None:
        for _ in range(2):
            assert set(read_markets(settings).markets) == {"BTC/USDT", "ETH/USDT"}

    settings = choose("binance", binance.ccxt_options())
    run_coroutine(read_twice())
    assert binance.requests["/api/v3/exchangeInfo"] == 1
    forget_markets()
    binance.delist("ETH/USDT")
    assert set(read_markets(settings).markets) == {"BTC/USDT"}


@pytest.mark.parametrize(
    ("symbol", "remedy"),
    [
        ("BTC/USD", "did you mean BTC/USDT?"),
        ("eth/usdt", "did you mean ETH/USDT?"),
        ("BTCUSDT", "did you mean BTC/USDT?"),
        ("XXX", "there are BTC/USDT, ETH/USDT"),
    ],
)
def test_a_symbol_that_an_exchange_lacks_is_refused_with_the_nearest(binance: FakeBinance, symbol: str, remedy: str) -> None:
    markets = read_markets(choose("binance", binance.ccxt_options()))
    with pytest.raises(ExchangeRefused) as caught:
        require_symbols(("BTC/USDT", symbol), markets)
    assert str(caught.value) == f"binance has no symbol {symbol!r}: {remedy}"


def test_an_exchange_that_is_away_is_tried_again_and_named_in_a_single_line(binance: FakeBinance) -> None:
    settings = choose("binance", {"timeout": 2000} | binance.ccxt_options())
    binance.refuse_connections()
    tries = 0

    async def fetch() -> None:
        exchange = open_exchange(settings)
        nonlocal tries

        async def count() -> None:
            nonlocal tries
            tries += 1
            await exchange.load_markets()

        try:
            await call_exchange(count, settings, "the markets", attempts=3, pause=0.001)
        finally:
            await exchange.close()

    with pytest.raises(ExchangeUnreachable, match=r"^the markets: \w+ \(.+\): check the network and the exchange's status$"):
        run_coroutine(fetch())
    assert tries == 3


def test_an_answer_that_cannot_be_read_is_refused_in_a_single_line() -> None:
    async def fail() -> None:
        raise KeyError("symbols\nhunter2")

    with pytest.raises(ExchangeRefused, match=r"^the markets: the answer cannot be read, KeyError \([^\n]+\)$"):
        run_coroutine(call_exchange(fail, BASE, "the markets"))


def test_no_message_has_a_password_of_a_proxy_or_a_header() -> None:
    options = parse_exchange_options(
        "x", {"headers": {"Authorization": "Bearer abc"}, "socksProxy": "socks5://ann:p%40ss@host:1?key=zzz", "a": ["q"]}
    )
    line = hide_option_secrets("failed for socks5://ann:p@ss@host:1 (p%40ss, Bearer abc, key=zzz) at host:1", options)
    assert line == "failed for socks5://****:****@host:1 (****, ****, ****) at host:1"
    assert json.loads(mask_exchange_options(options)) == {"headers": {"Authorization": "****"}, "socksProxy": "****", "a": ["****"]}
    assert hide_option_secrets("as it is", "") == "as it is"
    assert mask_exchange_options("") == ""


@pytest.mark.parametrize("value", ["", "x", "[]", "3", "null", [], 3, '{"a": NaN}', {"a": float("nan")}, {"a": object()}, "[" * 100_000])
def test_options_that_are_no_json_object_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^PLACE (is no JSON object: write it as|has a value that JSON cannot hold)"):
        parse_exchange_options("PLACE", value)


@pytest.mark.parametrize("reason", [OSError(None, "DNS server returned general failure"), socket.gaierror(8, "DNS server returned general failure")])
def test_a_name_that_is_unknown_is_said_so_whichever_resolver_aiohttp_uses(reason: OSError) -> None:
    error = ValueError("binance GET https://api.example.com/x")
    error.__cause__ = aiohttp.ClientConnectorDNSError(ConnectionKey("api.example.com", 443, True, True, None, None, None), reason)
    expected = "the name 'api.example.com' cannot be resolved by DNS (DNS server returned general failure)"
    assert describe_exchange_error(error, BASE) == expected


def test_causes_that_lead_back_to_themselves_end() -> None:
    first, second = ValueError("one"), ValueError("two")
    first.__cause__, second.__cause__ = second, first
    assert find_unresolved_host(first) == (None, "")
    refused = aiohttp.ClientConnectorError(
        ConnectionKey("api.example.com", 443, True, True, None, None, None), ConnectionRefusedError(111, "refused")
    )
    assert find_unresolved_host(refused) == (None, "")
