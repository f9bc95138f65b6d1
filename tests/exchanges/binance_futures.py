"""A fake Binance of linear perpetual swaps: as the spot one, with contract sizes, a sequence that names its predecessor, and funding rates.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures (market data, WebSocket streams).
"""

from __future__ import annotations

import json

from aiohttp import web

from tests.exchanges.binance import FakeBinance
from tests.exchanges.market import NS, BookChange, SymbolMarket

SPOT_PATH, PATH = "/api/v3/", "/fapi/v1/"


class FakeBinanceusdm(FakeBinance):
    """Linear perpetuals of Binance on loopback; funding rates are per `funding_hours`, and can be set while it runs."""

    def __init__(self, symbols: tuple[str, ...] = ("BTC/USDT:USDT", "ETH/USDT:USDT"), *, funding_hours: int = 4, **settings: object) -> None:
        """Make the exchange; `settings` as in `FakeExchange`."""
        super().__init__(symbols, **settings)
        for market in self.markets.values():
            market.quote = market.quote.partition(":")[0]
        self._by_id = {market.base + market.quote: market for market in self.markets.values()}
        self.funding_hours, self._rates = funding_hours, dict.fromkeys(symbols, 0.0001)

    def set_funding(self, symbol: str, rate: float) -> None:
        """Set the rate of a symbol, a fraction per `funding_hours`."""
        self.call(lambda: self._rates.update({symbol: rate}))

    def ccxt_options(self) -> dict[str, object]:
        """Return the options of ccxt's constructor that lead to this server, for ccxt.pro.binanceusdm; they can be written as JSON."""
        rest, ws = f"http://{self.address}", f"ws://{self.address}/stream.binance/ws"
        names = ("fapiPublic", "fapiPublicV2", "fapiPublicV3", "fapiPrivate", "public", "private")
        return {
            "urls": {"api": dict.fromkeys(names, f"{rest}{PATH.rstrip('/')}") | {"ws": {"future": ws, "swap": ws, "linear": ws}}},
            "options": {"fetchMarkets": {"types": ["linear"]}},
        }

    def add_routes(self, app: web.Application) -> None:
        """Add the REST paths of futures and the WebSocket's."""
        spot = web.Application()
        super().add_routes(spot)
        for route in list(spot.router.routes()):
            path = route.resource.canonical if route.resource is not None else ""
            if path.startswith(SPOT_PATH) and route.method == "GET":
                app.router.add_get(path.replace(SPOT_PATH, PATH), route.handler)
        app.router.add_get(f"{PATH}premiumIndex", self._get_premium_index)
        app.router.add_get(f"{PATH}fundingInfo", self._get_funding_info)
        app.router.add_get("/stream.binance/{kind}/ws/{number}", self.serve_socket)

    def send_book(self, market: SymbolMarket, change: BookChange, at: int) -> None:
        """Send a depth update, which names the last number of the update before it."""
        bids, asks = self._levels(market, list(change.bids.items())), self._levels(market, list(change.asks.items()))
        numbers = {"U": change.first, "u": change.last, "pu": change.first - 1}
        text = json.dumps({"e": "depthUpdate", "E": at, "T": at, "s": market.base + market.quote, **numbers, "b": bids, "a": asks})
        self.publish(market, "book", f"{(market.base + market.quote).lower()}@depth@100ms", text)

    def _describe(self, market: SymbolMarket) -> dict[str, object]:
        more = {"contractType": "PERPETUAL", "marginAsset": market.quote, "onboardDate": 0, "deliveryDate": 4_133_404_800_000}
        return super()._describe(market) | {"pair": market.base + market.quote} | more

    async def _get_premium_index(self, request: web.Request) -> web.Response:
        market = self._market_of(request)
        price = market.price_text(market.last)
        row = {"symbol": market.base + market.quote, "markPrice": price, "indexPrice": price, "lastFundingRate": f"{self._rates[market.symbol]:.8f}"}
        return web.json_response(row | {"nextFundingTime": self.now_ms(), "time": self.now() // NS})

    async def _get_funding_info(self, request: web.Request) -> web.Response:
        return web.json_response([{"symbol": name, "fundingIntervalHours": self.funding_hours} for name in self._by_id])
