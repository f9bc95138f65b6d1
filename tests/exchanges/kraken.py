"""A fake Kraken: assets, pairs, time, candles, depth and trades by REST; trade, book (with CRC32 checksums) and ohlc by WebSocket v2.

Source: https://docs.kraken.com/api (Spot REST, Spot WebSocket v2, the guide to the book's checksum).
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import cast

from aiohttp import web

from tests.exchanges.market import SECOND, Bar, BookChange, MarketTrade, SymbolMarket
from tests.exchanges.server import FakeExchange, FakeSocket

CHANNELS = {"trade": "trades", "book": "book", "ohlc": "candles"}
DEPTHS = (10, 25, 100, 500, 1000)
LEGACY = {"BTC": "XXBT", "ETH": "XETH", "USD": "ZUSD", "EUR": "ZEUR"}  # asset names of the REST API
ALTERNATIVE = {"BTC": "XBT"}
MINUTE = 60 * SECOND
OHLC_ROWS = 720  # candles that REST returns at most
_NUMBER = re.compile(r'"@([0-9.]+)"')


class FakeKraken(FakeExchange):
    """Kraken on loopback; its book carries a checksum and no sequence."""

    def __init__(self, symbols: tuple[str, ...] = ("BTC/USD", "ETH/USD"), **settings: object) -> None:
        """Make the exchange; `settings` as in `FakeExchange`."""
        super().__init__(symbols, **settings)  # type: ignore[arg-type]
        self._by_id = {_pair_id(market): market for market in self.markets.values()}
        self._trades_seen: dict[str, int] = {}  # by subscription to candles, the trades that the last message counted

    def ccxt_options(self) -> dict[str, object]:
        """Return the options of ccxt's constructor that lead to this server, for ccxt.pro.kraken; they can be written as JSON."""
        rest, ws = f"http://{self.address}", f"ws://{self.address}/v2"  # ccxt pings as v2 does where the address contains v2
        return {"urls": {"api": {"public": rest, "private": rest, "zendesk": rest, "ws": {"publicV2": ws}}}}

    def add_routes(self, app: web.Application) -> None:
        """Add the REST paths and the WebSocket's."""
        for name, handler in (
            ("Time", self._get_time),
            ("SystemStatus", self._get_status),
            ("Assets", self._get_assets),
            ("AssetPairs", self._get_pairs),
            ("OHLC", self._get_ohlc),
            ("Depth", self._get_depth),
            ("Trades", self._get_trades),
        ):
            app.router.add_get(f"/0/public/{name}", handler)
        app.router.add_get("/v2", self.serve_socket)

    def refuse_too_many(self) -> web.Response:
        """Return Kraken's error of the public limit, with status 429."""
        return web.json_response({"error": ["EGeneral:Too many requests"]}, status=429)

    def refuse_in_maintenance(self) -> web.Response:
        """Return EService:Unavailable with status 200, as Kraken does."""
        return web.json_response({"error": ["EService:Unavailable"]})

    def greet(self, client: FakeSocket) -> None:
        """Send the status of the system."""
        client.send(self._status_text("online"))

    def announce_maintenance(self, on: bool) -> None:
        """Send the status of the system, and end the open sockets."""
        for client in self._sockets:
            client.send(self._status_text("maintenance" if on else "online"))
        super().announce_maintenance(on)

    def handle(self, client: FakeSocket, message: dict[str, object]) -> None:
        """Answer ping, subscribe and unsubscribe."""
        now = _iso(self.now())
        base: dict[str, object] = {"method": message["method"], "time_in": now, "time_out": now}
        if "req_id" in message:
            base["req_id"] = message["req_id"]
        if message["method"] == "ping":
            client.send(json.dumps(base | {"method": "pong"}))
            return
        settings = cast("dict[str, object]", message.get("params") or {})
        channel = str(settings.get("channel"))
        for symbol in cast("list[str]", settings.get("symbol") or []):
            problem = self._find_problem(channel, symbol, settings)
            if problem is not None:
                client.send(json.dumps(base | {"success": False, "error": problem, "symbol": symbol}))
                continue
            name = _subscription(channel, symbol, settings)
            if message["method"] == "unsubscribe":
                client.subscriptions.pop(name, None)
            result = {"channel": channel, "symbol": symbol, "snapshot": True}
            client.send(json.dumps(base | {"result": result, "success": True}))
            if message["method"] == "subscribe":
                client.subscriptions[name] = None
                self._send_snapshot(client, self.markets[symbol], channel, settings)

    def send_trades(self, market: SymbolMarket, trades: list[MarketTrade]) -> None:
        """Send trades."""
        self.publish(market, "trades", f"trade {market.symbol}", _text("trade", "update", [_trade(market, trade) for trade in trades]))

    def send_book(self, market: SymbolMarket, change: BookChange, at: int) -> None:
        """Send, for each depth that is subscribed to, what changed within it."""
        wrong = market.symbol in self.faults.bad_checksum
        checksum = checksum_of(market) ^ (1 if wrong else 0)
        for name in self.subscribed(f"book {market.symbol} "):
            depth = int(name.rpartition(" ")[2])
            data: dict[str, object] = {"symbol": market.symbol}
            for side, changed, best in (("bids", change.bids, market.best_bids()), ("asks", change.asks, market.best_asks())):
                data[side] = _levels(market, _within(changed, best, depth, side == "bids"))
            if data["bids"] or data["asks"]:
                self.publish(market, "book", name, _text("book", "update", [data | {"checksum": checksum, "timestamp": _iso(at * 1_000_000)}]))
                self.faults.bad_checksum.discard(market.symbol)  # a change beyond the depth, or that nobody takes, has not sent it

    def send_candles(self, market: SymbolMarket, at: int) -> None:
        """Send the open candle where it traded since the last message; Kraken sends none without trades and does not say that one is closed."""
        for name in self.subscribed(f"ohlc {market.symbol} "):
            interval = int(name.rpartition(" ")[2])
            opened = at // (interval * MINUTE) * interval * MINUTE
            bar = market.bar(interval * MINUTE, opened)
            if bar is not None and bar.trades and self._trades_seen.get(name) != len(market.trades):
                self._trades_seen[name] = len(market.trades)
                self.publish(market, "candles", name, _text("ohlc", "update", [_candle(market, opened, interval, bar)], self.now()))

    def _send_snapshot(self, client: FakeSocket, market: SymbolMarket, channel: str, settings: dict[str, object]) -> None:
        if self.faults.is_silent(market.symbol, CHANNELS[channel]):
            return
        if channel == "book":
            depth = int(cast("int", settings.get("depth", 10)))
            bids, asks = _levels(market, market.best_bids()[:depth]), _levels(market, market.best_asks()[:depth])
            client.send(_text("book", "snapshot", [{"symbol": market.symbol, "bids": bids, "asks": asks, "checksum": checksum_of(market)}]))
        elif channel == "trade":
            client.send(_text("trade", "snapshot", [_trade(market, trade) for trade in market.trades[-50:]]))
        else:
            interval = int(cast("int", settings.get("interval", 1)))
            rows = [_candle(market, opened, interval, bar) for opened, bar in market.bars(interval * MINUTE, newest=10)]
            client.send(_text("ohlc", "snapshot", rows, self.now()))

    def _find_problem(self, channel: str, symbol: str, settings: dict[str, object]) -> str | None:
        if symbol not in self.markets or symbol in self.faults.delisted:
            return f"Currency pair not supported {symbol}"
        if channel not in CHANNELS:
            return f"Subscription channel {channel} is not supported"
        if channel == "book" and settings.get("depth", 10) not in DEPTHS:
            return "Subscription depth not supported"
        return None

    def _status_text(self, system: str) -> str:
        data = {"api_version": "v2", "connection_id": 12_345, "system": system, "version": "2.0.0"}
        return json.dumps({"channel": "status", "type": "update", "data": [data]})

    def _market_of(self, request: web.Request) -> SymbolMarket:
        market = self._by_id.get(request.query.get("pair", ""))
        if market is None or market.symbol in self.faults.delisted:
            raise web.HTTPOk(text=json.dumps({"error": ["EQuery:Unknown asset pair"]}), content_type="application/json")
        return market

    async def _get_time(self, request: web.Request) -> web.Response:
        return _result({"unixtime": self.now_ms() // SECOND, "rfc1123": _iso(self.now())})

    async def _get_status(self, request: web.Request) -> web.Response:
        return _result({"status": "online", "timestamp": _iso(self.now())})

    async def _get_assets(self, request: web.Request) -> web.Response:
        names = sorted({name for market in self.listed() for name in (market.base, market.quote)})
        row = {"aclass": "currency", "decimals": 10, "display_decimals": 5, "status": "enabled"}
        return _result({LEGACY.get(name, name): row | {"altname": ALTERNATIVE.get(name, name)} for name in names})

    async def _get_pairs(self, request: web.Request) -> web.Response:
        return _result({_pair_id(market): self._describe(market) for market in self.listed()})

    def _describe(self, market: SymbolMarket) -> dict[str, object]:
        base, quote = (ALTERNATIVE.get(name, name) for name in (market.base, market.quote))
        return {
            "altname": base + quote,
            "wsname": f"{base}/{quote}",
            "aclass_base": "currency",
            "base": LEGACY.get(market.base, market.base),
            "aclass_quote": "currency",
            "quote": LEGACY.get(market.quote, market.quote),
            "lot": "unit",
            "cost_decimals": 5,
            "pair_decimals": market.price_decimals,
            "lot_decimals": market.size_decimals,
            "lot_multiplier": 1,
            "leverage_buy": [],
            "leverage_sell": [],
            "fees": [[0, 0.4], [10_000, 0.35]],
            "fees_maker": [[0, 0.25], [10_000, 0.2]],
            "fee_volume_currency": "ZUSD",
            "margin_call": 80,
            "margin_stop": 40,
            "ordermin": "0.0001",
            "costmin": "0.5",
            "tick_size": market.price_text(1),
            "status": "cancel_only" if market.symbol in self.faults.halted else "online",
        }

    async def _get_ohlc(self, request: web.Request) -> web.Response:
        market, interval = self._market_of(request), int(request.query.get("interval", 1)) * MINUTE
        since = int(request.query.get("since", 0)) * SECOND
        rows = []
        bars = self.visible_bars(market, interval, None, None, OHLC_ROWS)
        for opened, value in bars[-OHLC_ROWS:]:
            bar = cast("Bar", value)
            prices = [market.price_text(price) for price in (bar.open, bar.high, bar.low, bar.close, bar.close)]
            if opened > since:
                rows.append([opened // SECOND, *prices, market.size_text(bar.volume), bar.trades])
        last = rows[-2][0] if len(rows) > 1 else since // SECOND
        return _result({_pair_id(market): rows, "last": last})

    async def _get_depth(self, request: web.Request) -> web.Response:
        market, count, at = self._market_of(request), int(request.query.get("count", 100)), self.now_ms() // SECOND
        sides = {
            name: [[market.price_text(price), market.size_text(size), at] for price, size in best[:count]]
            for name, best in (("asks", market.best_asks()), ("bids", market.best_bids()))
        }
        return _result({_pair_id(market): sides})

    async def _get_trades(self, request: web.Request) -> web.Response:
        market, since = self._market_of(request), float(request.query.get("since", 0))
        after = since * SECOND if since < 1e12 else since / 1e6  # s, or ns as in `last`
        chosen = [trade for trade in market.trades if trade.at > after][: int(request.query.get("count", 1_000))]
        rows: list[list[object]] = []
        for trade in chosen:
            price, size = market.price_text(trade.price), market.size_text(trade.size)
            rows.append([price, size, trade.at / SECOND, "b" if trade.buy else "s", "m", "", trade.id])
        last = chosen[-1].at * 1_000_000 if chosen else int(after * 1_000_000)
        return _result({_pair_id(market): rows, "last": str(last)})


def checksum_of(market: SymbolMarket) -> int:
    """Return the CRC32 over the ten best asks, then the ten best bids: price and size without point and leading zeros."""
    levels = market.best_asks()[:10] + market.best_bids()[:10]
    return zlib.crc32("".join(f"{price}{size}" for price, size in levels).encode())


def _within(changed: dict[int, int], best: list[tuple[int, int]], depth: int, bids: bool) -> list[tuple[int, int]]:
    """Return what a client of `depth` levels must hear: changes within them. A level that comes into view is stated though it did not change."""
    shown = best[:depth]
    if not shown:
        return list(changed.items())
    worst = shown[-1][0]
    inside = [(price, size) for price, size in changed.items() if (price >= worst if bids else price <= worst)]
    stated = {price for price, _ in inside}
    into_view = shown[-2:] if any(size == 0 for _, size in inside) else []
    return inside + [level for level in into_view if level[0] not in stated]


def _levels(market: SymbolMarket, levels: Iterable[tuple[int, int]]) -> list[dict[str, str]]:
    return [{"price": f"@{market.price_text(price)}", "qty": f"@{market.size_text(size)}"} for price, size in levels]


def _trade(market: SymbolMarket, trade: MarketTrade) -> dict[str, object]:
    price, size = f"@{market.price_text(trade.price)}", f"@{market.size_text(trade.size)}"
    side, at = "buy" if trade.buy else "sell", _iso(trade.at * 1_000_000)
    return {"symbol": market.symbol, "side": side, "price": price, "qty": size, "ord_type": "market", "trade_id": trade.id, "timestamp": at}


def _candle(market: SymbolMarket, opened: int, interval: int, bar: Bar) -> dict[str, object]:
    prices = {name: f"@{market.price_text(getattr(bar, name))}" for name in ("open", "high", "low", "close")}
    begin, end = _iso(opened * 1_000_000), _iso((opened + interval * MINUTE) * 1_000_000)
    common: dict[str, object] = {"symbol": market.symbol, "trades": bar.trades, "volume": f"@{market.size_text(bar.volume)}", "vwap": prices["close"]}
    return common | prices | {"interval_begin": begin, "interval": interval, "timestamp": end}


def _text(channel: str, kind: str, data: list[dict[str, object]], at: int | None = None) -> str:
    """Return a message in which numbers have all their decimals: JSON numbers, as the checksum needs them."""
    stamp = {} if at is None else {"timestamp": _iso(at)}
    return _NUMBER.sub(r"\1", json.dumps({"channel": channel, "type": kind, **stamp, "data": data}))


def _subscription(channel: str, symbol: str, settings: dict[str, object]) -> str:
    detail = {"book": ("depth", 10), "ohlc": ("interval", 1)}.get(channel)
    return f"{channel} {symbol}" + (f" {settings.get(*detail)}" if detail else "")


def _pair_id(market: SymbolMarket) -> str:
    return LEGACY.get(market.base, market.base) + LEGACY.get(market.quote, market.quote)


def _result(result: dict[str, object]) -> web.Response:
    return web.json_response({"error": [], "result": result})


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at % 1_000_000_000 // 1_000:06d}Z"
