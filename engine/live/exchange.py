"""Opens exchanges through ccxt.pro, with public data only, and reads what they say about their markets."""

from __future__ import annotations

import asyncio
import importlib
import json
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.domain.exchange_options import hide_option_secrets, parse_exchange_options
from engine.domain.model import PLUGIN_ERRORS
from engine.domain.texts import on_one_line, shorten
from engine.live.event_loops import run_interruptibly
from engine.live.installation import require_live_packages
from engine.schema import find_near, join_names, suggest
from engine.settings import Settings

NEEDED = ("watchTrades", "watchOrderBook", "fetchOHLCV")  # capabilities, by their names in ccxt
KEEP_ALIVE_MS = 5_000  # between pings: a dead socket is known sooner than with an exchange's own interval
SHOWN_NAMES = 12
LONGEST_REASON = 300  # letters
DEEPEST_CAUSE = 8  # errors beneath an error that are looked at: a chain may lead back to itself
ATTEMPTS = 5
START_ATTEMPTS = 2  # to read the markets: whoever opens the feed tries again
FIRST_PAUSE_SECONDS = 1.0  # doubled after each attempt
T = TypeVar("T")


class ExchangeRefused(ValueError):
    """An exchange, symbol or interval that cannot be used, or a request that an exchange refused: one line with the remedy."""


class ExchangeUnreachable(ExchangeRefused):
    """An exchange that does not answer, limits requests or is in maintenance: a later attempt may succeed."""


@dataclass(frozen=True, slots=True)
class ExchangeMarkets:
    """What an exchange says about its markets, as ccxt has it."""

    exchange: str  # its name in ccxt
    markets: Mapping[str, Mapping[str, Any]]  # of every symbol
    currencies: Mapping[str, Any]
    timeframes: tuple[str, ...]
    precision_mode: int
    funding: Mapping[str, Mapping[str, Any]]  # the current funding rate of the wanted symbols that pay funding
    has_funding: bool = True  # ccxt reads funding rates of this exchange

    def install(self, exchange: Any) -> None:
        """Give a newly opened exchange these markets, so that it does not load them again."""
        exchange.set_markets(dict(self.markets), dict(self.currencies))


_MARKETS: dict[tuple[str, str, tuple[str, ...]], ExchangeMarkets] = {}  # by exchange, options and symbols, as read in this process


def require_exchange(settings: Settings) -> str:
    """Return the name of the exchange, installing ccxt where it is missing; raises ExchangeRefused or LibraryError in one line.

    No request is made.
    """
    _create(settings)
    return _require_name(settings)


def open_exchange(settings: Settings) -> Any:
    """Create the ccxt.pro object of the settings' exchange, in the event loop that will use it; close it with `await exchange.close()`.

    No request is made. Raises ExchangeRefused or LibraryError in one line.
    """
    return _create(settings)


def read_markets(settings: Settings) -> ExchangeMarkets:
    """Read the exchange's markets and the funding rates of the settings' symbols, in an event loop of its own.

    They are read once per process, so that a feed that is opened again describes the same market. Raises ExchangeUnreachable where the exchange
    does not answer, and ExchangeRefused; one line each; and RequestInterrupted where a stop ends the request.
    """
    key = (require_exchange(settings), settings.exchange_options, settings.symbols)
    if key not in _MARKETS:
        _MARKETS[key] = run_interruptibly(_read_markets(settings))
    return _MARKETS[key]


def forget_markets() -> None:
    """Read the markets again when they are next wanted."""
    _MARKETS.clear()


async def call_exchange(
    request: Callable[[], Coroutine[Any, Any, T]], settings: Settings, what: str, *, attempts: int = ATTEMPTS, pause: float = FIRST_PAUSE_SECONDS
) -> T:
    """Make a request, again after a pause where the exchange does not answer or limits requests.

    `what` names the request in the error. Raises ExchangeUnreachable after the last attempt, ExchangeRefused where the exchange refuses.
    """
    errors = load_ccxt_errors()
    for attempt in range(1, attempts + 1):
        try:
            return await request()
        except errors.BaseError as error:
            line = f"{what}: {describe_exchange_error(error, settings)}"
            if not is_temporary(error):
                raise ExchangeRefused(line) from None
            if attempt == attempts:
                raise ExchangeUnreachable(f"{line}: check the network and the exchange's status") from None
            await asyncio.sleep(pause * 2 ** (attempt - 1))
        except PLUGIN_ERRORS as error:  # of ccxt's own reading
            raise ExchangeRefused(f"{what}: the answer cannot be read, {describe_exchange_error(error, settings)}") from None
    raise ValueError(f"{attempts} attempts: give at least 1")


def is_temporary(error: BaseException) -> bool:
    """Whether a later request may succeed: ccxt has classes for the network, limits and maintenance, and a plain ExchangeError for unknown answers.

    Some exchanges' answers in maintenance or under load are of the latter kind.
    """
    errors = load_ccxt_errors()
    return isinstance(error, errors.OperationFailed) or type(error) is errors.ExchangeError


def load_ccxt_errors() -> Any:
    """Return the module of ccxt's errors."""
    return importlib.import_module("ccxt.base.errors")


def describe_exchange_error(error: BaseException, settings: Settings) -> str:
    """Describe an error of ccxt in one line, without the secrets of the options.

    A name that cannot be resolved is reported as such: ccxt's own line has only the address of the request.
    """
    host, reason = find_unresolved_host(error)
    if host is not None:
        return hide_option_secrets(on_one_line(f"the name {shorten(host)} cannot be resolved by DNS ({reason})"), settings.exchange_options)
    line = hide_option_secrets(on_one_line(str(error)), settings.exchange_options)
    return f"{type(error).__name__} ({line[:LONGEST_REASON]})" if line else type(error).__name__


def find_unresolved_host(error: BaseException) -> tuple[str | None, str]:
    """Return the host whose name could not be resolved, and the resolver's reason; (None, "") where `error` has another cause.

    ccxt keeps aiohttp's error as the cause of its own, or as its first argument. With aiodns installed, the resolver's error is a plain OSError.
    """
    inner: object = error
    for _ in range(DEEPEST_CAUSE):
        if not isinstance(inner, BaseException):
            break
        resolving = getattr(inner, "os_error", None)
        if isinstance(resolving, socket.gaierror) or (isinstance(resolving, OSError) and type(inner).__name__ == "ClientConnectorDNSError"):
            return str(getattr(inner, "host", "")), resolving.strerror or "no answer"
        inner = inner.__cause__ or next(iter(inner.args), None)
    return None, ""


def require_symbols(symbols: Sequence[str], markets: ExchangeMarkets) -> None:
    """Raise ExchangeRefused for a symbol that the exchange does not have, with the nearest."""
    for symbol in symbols:
        if symbol in markets.markets:
            continue
        folded = {name.upper(): name for name in markets.markets}
        near = folded.get(symbol.upper()) or find_near(symbol.upper(), folded, cutoff=0.6)
        known = sorted(markets.markets)
        remedy = f"there are {', '.join(known[:SHOWN_NAMES])}{' and more' if len(known) > SHOWN_NAMES else ''}"
        remedy = f"did you mean {folded.get(near, near)}?" if near else remedy
        raise ExchangeRefused(f"{markets.exchange} has no symbol {shorten(symbol)}: {remedy}")


def _create(settings: Settings) -> Any:
    name = _require_name(settings)
    options: dict[str, Any] = json.loads(parse_exchange_options("exchange_options", settings.exchange_options or "{}") or "{}")
    try:
        streaming = {"keepAlive": KEEP_ALIVE_MS} | options.get("streaming", {})
        exchange = getattr(importlib.import_module("ccxt.pro"), name)({"enableRateLimit": True} | options | {"streaming": streaming})
    except (load_ccxt_errors().BaseError, *PLUGIN_ERRORS) as error:
        raise ExchangeRefused(f"exchange_options do not suit {name}: {describe_exchange_error(error, settings)}: correct them") from None
    missing = [capability for capability in NEEDED if not exchange.has.get(capability)]
    if missing:
        raise ExchangeRefused(f"{name} has no {join_names(missing)} in ccxt: give an exchange that streams trades and books and has candles")
    return exchange


def _require_name(settings: Settings) -> str:
    name = settings.exchange
    if not name:
        raise ExchangeRefused("the live feed needs an exchange: give --exchange NAME or set PODIUM_EXCHANGE")
    require_live_packages()
    streaming: list[str] = importlib.import_module("ccxt.pro").exchanges
    if name in streaming:
        return name
    if name in importlib.import_module("ccxt").exchanges:
        raise ExchangeRefused(f"{name} has no {join_names(NEEDED[:2])} in ccxt: give an exchange with WebSockets, such as kraken")
    raise ExchangeRefused(f"ccxt has no exchange {shorten(name)}: {suggest(name.lower(), streaming, 'there are', cutoff=0.6)}")


async def _read_markets(settings: Settings) -> ExchangeMarkets:
    exchange = open_exchange(settings)
    try:
        await call_exchange(exchange.load_markets, settings, f"the markets of {exchange.id}", attempts=START_ATTEMPTS)
        funding = await _read_funding(exchange, settings)
        markets = {symbol: dict(market) for symbol, market in exchange.markets.items()}
        return ExchangeMarkets(
            exchange.id, markets, dict(exchange.currencies or {}), tuple(exchange.timeframes or ()), exchange.precisionMode, funding,
            can_read_funding(exchange),
        )  # fmt: skip
    finally:
        await exchange.close()


async def _read_funding(exchange: Any, settings: Settings) -> dict[str, Mapping[str, Any]]:
    """Read the funding rate of each perpetual; a symbol whose rate the exchange does not give is left out."""
    rates: dict[str, Mapping[str, Any]] = {}
    for symbol in settings.symbols if can_read_funding(exchange) else ():
        if symbol in exchange.markets and exchange.markets[symbol].get("swap"):
            try:
                rates[symbol] = await fetch_funding(exchange, symbol, settings, attempts=START_ATTEMPTS)
            except ExchangeRefused:
                continue
    return rates


def can_read_funding(exchange: Any) -> bool:
    """Whether ccxt reads the exchange's current funding rates."""
    return bool(exchange.has.get("fetchFundingRate") or exchange.has.get("fetchFundingRates"))


async def fetch_funding(
    exchange: Any, symbol: str, settings: Settings, *, attempts: int = ATTEMPTS, pause: float = FIRST_PAUSE_SECONDS
) -> Mapping[str, Any]:  # fmt: skip
    """Read the current funding rate of a perpetual as ccxt has it, with the interval that it applies to where the exchange gives that apart.

    A rate whose interval is refused is not read: it would be taken as of another length. Raises ExchangeRefused, and ExchangeUnreachable after the
    last attempt.
    """
    what = f"the funding of {symbol} on {exchange.id}"

    async def read_rate() -> Mapping[str, Any]:
        if exchange.has.get("fetchFundingRate"):
            return await exchange.fetch_funding_rate(symbol) or {}
        return (await exchange.fetch_funding_rates([symbol]) or {}).get(symbol) or {}

    async def read_interval() -> Mapping[str, Any]:
        try:
            return await exchange.fetch_funding_interval(symbol) or {}
        except load_ccxt_errors().NullResponse:  # Binance lists only symbols whose terms differ from its usual ones
            return {}

    rate = await call_exchange(read_rate, settings, what, attempts=attempts, pause=pause)
    if rate.get("interval") or not exchange.has.get("fetchFundingInterval"):
        return rate
    terms = await call_exchange(read_interval, settings, f"the interval of {what[4:]}", attempts=attempts, pause=pause)
    return {**rate, "interval": terms.get("interval")}
