"""A fake Binance spot: exchangeInfo, time, klines, depth and trades by REST; trade, depth and kline streams by WebSocket.

Source: https://developers.binance.com/docs/binance-spot-api-docs (REST API, WebSocket streams, error codes).
"""

from __future__ import annotations

import asyncio
import json
from typing import cast

from aiohttp import web

from tests.exchanges.market import Bar, BookChange, MarketTrade, SymbolMarket
from tests.exchanges.server import INTERVALS, FakeExchange, FakeSocket

STREAM_NAMES = {"trade": "trades", "aggTrade": "trades", "depth": "book", "kline": "candles"}


class FakeBinance(FakeExchange):
    """Binance spot on loopback; its book carries a sequence of integers (U, u) and no checksum."""

    def __init__(self, symbols: tuple[str, ...] = ("BTC/USDT", "ETH/USDT"), **settings: object) -> None:
        """Make the exchange; `settings` as in `FakeExchange`."""
        super().__init__(symbols, **settings)  # type: ignore[arg-type]
        self._by_id = {market.base + market.quote: market for market in self.markets.values()}
        self._closed_sent: dict[str, int] = {}  # by kline stream, the opening of the last candle whose close was sent

    def ccxt_options(self) -> dict[str, object]:
        """Return the options of ccxt's constructor that lead to this server, for ccxt.pro.binance; they can be written as JSON."""
        rest, ws = f"http://{self.address}", f"ws://{self.address}"
        api = dict.fromkeys(("public", "private"), f"{rest}/api/v3")
        api |= {
            name: f"{rest}/{name}" for name in ("v1", "sapi", "sapiV2", "sapiV3", "sapiV4", "fapiPublic", "fapiPublicV2", "dapiPublic", "eapiPublic")
        }
        # The path must contain /stream: ccxt knows a spot stream by it.
        return {
            "urls": {"api": api | {"ws": {"spot": f"{ws}/stream.binance/ws", "margin": f"{ws}/stream.binance/ws"}}},
            "options": {"fetchMarkets": {"types": ["spot"]}, "defaultType": "spot"},
        }

    def add_routes(self, app: web.Application) -> None:
        """Add the REST paths and the WebSocket's."""
        app.router.add_get("/api/v3/ping", self._get_ping)
        app.router.add_get("/api/v3/time", self._get_time)
        app.router.add_get("/api/v3/exchangeInfo", self._get_exchange_info)
        app.router.add_get("/api/v3/klines", self._get_klines)
        app.router.add_get("/api/v3/depth", self._get_depth)
        app.router.add_get("/api/v3/trades", self._get_trades)
        app.router.add_get("/api/v3/aggTrades", self._get_aggregate_trades)
        for other in ("fapiPublic", "dapiPublic"):
            app.router.add_get(f"/{other}/exchangeInfo", self._get_no_markets)
        app.router.add_get("/stream.binance/ws/{number}", self.serve_socket)

    def refuse_too_many(self) -> web.Response:
        """Return 429 with Retry-After."""
        body = {"code": -1003, "msg": "Too much request weight used; current limit is 6000 request weight per 1 MINUTE."}
        return web.json_response(body, status=429, headers={"Retry-After": "1"})

    def refuse_in_maintenance(self) -> web.Response:
        """Return 503 without JSON: a balancer answers in the exchange's place."""
        return web.Response(status=503, text="<html><body><h1>503 Service Unavailable</h1></body></html>", content_type="text/html")

    def handle(self, client: FakeSocket, message: dict[str, object]) -> None:
        """Answer SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS."""
        names = [str(name) for name in cast("list[object]", message.get("params") or [])]
        result: object = None
        if message["method"] == "SUBSCRIBE":
            if any(self._find_market(name) is None for name in names):
                client.send(json.dumps({"error": {"code": 2, "msg": "Invalid request: invalid stream"}, "id": message["id"]}))
                return
            client.subscriptions.update(dict.fromkeys(names))
        elif message["method"] == "UNSUBSCRIBE":
            for name in names:
                client.subscriptions.pop(name, None)
        else:
            result = list(client.subscriptions)
        client.send(json.dumps({"result": result, "id": message["id"]}))

    def send_trades(self, market: SymbolMarket, trades: list[MarketTrade]) -> None:
        """Send trades, and each as an aggregate trade."""
        now, name = self.now_ms(), _stream(market)
        for trade in trades:
            price, size = _eight(market.price_text(trade.price)), _eight(market.size_text(trade.size))
            common = {"E": now, "s": market.base + market.quote, "p": price, "q": size, "T": trade.at, "m": not trade.buy, "M": True}
            self.publish(market, "trades", f"{name}@trade", json.dumps({"e": "trade", "t": trade.id} | common))
            if self.subscribed(f"{name}@aggTrade"):
                aggregate = {"e": "aggTrade", "a": trade.id, "f": trade.id, "l": trade.id} | common
                self.publish(market, "trades", f"{name}@aggTrade", json.dumps(aggregate))

    def send_book(self, market: SymbolMarket, change: BookChange, at: int) -> None:
        """Send a depth update."""
        bids, asks = self._levels(market, list(change.bids.items())), self._levels(market, list(change.asks.items()))
        text = json.dumps({"e": "depthUpdate", "E": at, "s": market.base + market.quote, "U": change.first, "u": change.last, "b": bids, "a": asks})
        self.publish(market, "book", f"{_stream(market)}@depth@100ms", text)

    def send_candles(self, market: SymbolMarket, at: int) -> None:
        """Send the last candle as closed where that was not sent, then the open candle."""
        for name in self.subscribed(f"{_stream(market)}@kline_"):
            text = name.rpartition("_")[2]
            interval = INTERVALS[text]
            opened = at // interval * interval
            if self._closed_sent.get(name, 0) < opened - interval:
                self._closed_sent[name] = opened - interval
                self._send_candle(market, name, text, opened - interval, True)
            self._send_candle(market, name, text, opened, False)

    def _send_candle(self, market: SymbolMarket, name: str, text: str, opened: int, closed: bool) -> None:
        bar = market.bar(INTERVALS[text], opened)
        if bar is None:
            return
        row = self._kline(market, opened, INTERVALS[text], bar)
        keys = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
        kline = {"s": market.base + market.quote, "i": text, "f": 0, "L": 0, "x": closed} | dict(zip(keys, row, strict=True))
        self.publish(market, "candles", name, json.dumps({"e": "kline", "E": self.now_ms(), "s": market.base + market.quote, "k": kline}))

    def _find_market(self, name: str) -> SymbolMarket | None:
        pair, _, stream = name.partition("@")
        market = self._by_id.get(pair.upper())
        known = stream.partition("@")[0].partition("_")[0] in STREAM_NAMES
        return market if market is not None and known and market.symbol not in self.faults.delisted else None

    def _market_of(self, request: web.Request) -> SymbolMarket:
        market = self._by_id.get(request.query.get("symbol", ""))
        if market is None or market.symbol in self.faults.delisted:
            raise web.HTTPBadRequest(text=json.dumps({"code": -1121, "msg": "Invalid symbol."}), content_type="application/json")
        return market

    async def _get_ping(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def _get_no_markets(self, request: web.Request) -> web.Response:
        return web.json_response({"timezone": "UTC", "serverTime": self.now_ms(), "symbols": []})

    async def _get_time(self, request: web.Request) -> web.Response:
        return web.json_response({"serverTime": self.now_ms()})

    async def _get_exchange_info(self, request: web.Request) -> web.Response:
        limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}]
        rows = [self._describe(market) for market in self.listed()]
        return web.json_response({"timezone": "UTC", "serverTime": self.now_ms(), "rateLimits": limits, "exchangeFilters": [], "symbols": rows})

    def _describe(self, market: SymbolMarket) -> dict[str, object]:
        tick, lot = _eight(market.price_text(1)), _eight(market.size_text(1))
        filters = [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000.00000000", "stepSize": lot},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "100.00000000", "stepSize": "0.00000000"},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True, "maxNotional": "9000000.00000000", "avgPriceMins": 5},
        ]
        return {
            "symbol": market.base + market.quote,
            "status": "BREAK" if market.symbol in self.faults.halted else "TRADING",
            "baseAsset": market.base,
            "baseAssetPrecision": 8,
            "quoteAsset": market.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
            "icebergAllowed": True,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": filters,
            "permissions": [],
            "permissionSets": [["SPOT"]],
        }

    async def _get_klines(self, request: web.Request) -> web.Response:
        market, query = self._market_of(request), request.query
        interval = INTERVALS.get(query.get("interval", ""))
        if interval is None:
            return web.json_response({"code": -1120, "msg": "Invalid interval."}, status=400)
        limit = min(int(query.get("limit", 500)), 1_000)
        if self.faults.slow_candles is not None and limit >= self.faults.slow_candles[0]:
            await asyncio.sleep(self.faults.slow_candles[1])
        first, last = (int(query[name]) if name in query else None for name in ("startTime", "endTime"))
        bars = self.visible_bars(market, interval, first, last, limit)
        chosen = bars[-limit:] if first is None else bars[:limit]
        chosen = [bar for bar in chosen for _ in range(2)] if self.faults.candles_twice else chosen
        return web.json_response([self._kline(market, opened, interval, cast("Bar", bar)) for opened, bar in chosen])

    def _kline(self, market: SymbolMarket, opened: int, interval: int, bar: Bar) -> list[object]:
        prices = [_eight(market.price_text(value)) for value in (bar.open, bar.high, bar.low, bar.close)]
        volume, bought = (_eight(market.size_text(lots)) for lots in (bar.volume, bar.bought))
        quote, quote_bought = (f"{market.size(lots) * market.price(bar.close):.8f}" for lots in (bar.volume, bar.bought))
        return [opened, *prices, volume, opened + interval - 1, quote, bar.trades, bought, quote_bought, "0"]

    async def _get_depth(self, request: web.Request) -> web.Response:
        market, limit = self._market_of(request), min(int(request.query.get("limit", 100)), 5_000)
        bids, asks = self._levels(market, market.best_bids()[:limit]), self._levels(market, market.best_asks()[:limit])
        return web.json_response({"lastUpdateId": market.sequence, "bids": bids, "asks": asks})

    async def _get_trades(self, request: web.Request) -> web.Response:
        market, limit = self._market_of(request), min(int(request.query.get("limit", 500)), 1_000)
        rows = []
        for trade in market.trades[-limit:]:
            price, size = _eight(market.price_text(trade.price)), _eight(market.size_text(trade.size))
            row = {"id": trade.id, "price": price, "qty": size, "quoteQty": f"{float(price) * float(size):.8f}", "time": trade.at}
            rows.append(row | {"isBuyerMaker": not trade.buy, "isBestMatch": True})
        return web.json_response(rows)

    async def _get_aggregate_trades(self, request: web.Request) -> web.Response:
        market, query = self._market_of(request), request.query
        limit = min(int(query.get("limit", 500)), 1_000)
        chosen = market.trades
        if "startTime" in query:
            chosen = [trade for trade in chosen if trade.at >= int(query["startTime"])]
        if "endTime" in query:
            chosen = [trade for trade in chosen if trade.at <= int(query["endTime"])]
        if "fromId" in query:
            chosen = [trade for trade in chosen if trade.id >= int(query["fromId"])]
        chosen = chosen[:limit] if {"startTime", "fromId"} & set(query) else chosen[-limit:]
        rows = []
        for trade in chosen:
            price, size = _eight(market.price_text(trade.price)), _eight(market.size_text(trade.size))
            rows.append({"a": trade.id, "p": price, "q": size, "f": trade.id, "l": trade.id, "T": trade.at, "m": not trade.buy, "M": True})
        return web.json_response(rows)

    def _levels(self, market: SymbolMarket, levels: list[tuple[int, int]]) -> list[list[str]]:
        return [[_eight(market.price_text(price)), _eight(market.size_text(size))] for price, size in levels]


def _stream(market: SymbolMarket) -> str:
    return (market.base + market.quote).lower()


def _eight(text: str) -> str:
    """Return a decimal with eight decimals, as Binance writes them."""
    whole, _, part = text.partition(".")
    return f"{whole}.{part:0<8}"
