"""A fake Binance that sends a set number of messages per second, from texts that are encoded beforehand, for measurements of a client."""

from __future__ import annotations

import time

from aiohttp import web

from tests.exchanges.binance import FakeBinance
from tests.exchanges.market import SymbolMarket
from tests.exchanges.server import FakeSocket

STEP_MS = 20
SIZES = ("1.00000000", "2.50000000", "0.75000000", "4.00000000")


class SteadyBinance(FakeBinance):
    """Trades and books of each symbol in turn, as many per second as were set; prices stand still, so that each message is little work.

    Messages that the loop could not send in time follow at once: the rate holds as long as there is processor time for it.
    """

    def __init__(self, symbols: tuple[str, ...], messages_per_second: float, **settings: object) -> None:
        """Make the exchange; `settings` as in `FakeExchange`."""
        super().__init__(symbols, step_ms=STEP_MS, **settings)
        self.delivered = 0  # messages that a socket got
        self._rate, self._turn, self._begun = messages_per_second, 0, time.monotonic()
        self._feeds = [_Texts(market) for market in self.markets.values()]

    def _step(self) -> None:
        due, at = int((time.monotonic() - self._begun) * self._rate), self.now_ms()
        subscribers: dict[str, list[FakeSocket]] = {}
        for client in self._sockets:
            for name in client.subscriptions:
                subscribers.setdefault(name, []).append(client)
        if not subscribers:
            self._turn = due  # nobody is to get what was due before
        for turn in range(self._turn, due):
            feed = self._feeds[turn % len(self._feeds)]
            is_book = bool(turn // len(self._feeds) % 2)
            text = feed.next_book(at) if is_book else feed.next_trade(at)
            for client in subscribers.get(feed.book_name if is_book else feed.trade_name, ()):
                client.send(text)
                self.delivered += 1
        self._turn = due

    def add_routes(self, app: web.Application) -> None:
        """Add the paths of Binance, and one with the number of messages that were delivered."""
        super().add_routes(app)
        app.router.add_get("/delivered", self._get_delivered)

    async def _get_delivered(self, request: web.Request) -> web.Response:
        return web.json_response(self.delivered)


class _Texts:
    """The messages of one symbol; only times, numbers and a size differ from one to the next."""

    def __init__(self, market: SymbolMarket) -> None:
        pair = market.base + market.quote
        self.trade_name, self.book_name = f"{pair.lower()}@trade", f"{pair.lower()}@depth@100ms"
        self._market, self._place = market, 0
        bid, ask = market.best_bids()[0][0], market.best_asks()[0][0]
        self._bid, self._ask = market.price_text(bid), market.price_text(ask)
        self._trade = f'{{"e":"trade","E":%d,"s":"{pair}","t":%d,"p":"{self._bid}","q":"%s","T":%d,"m":true,"M":true}}'
        levels = f'"b":[["{self._bid}","%s"]],"a":[["{self._ask}","%s"]]'
        self._book = f'{{"e":"depthUpdate","E":%d,"s":"{pair}","U":%d,"u":%d,{levels}}}'
        self._price = bid

    def next_trade(self, at: int) -> str:
        """Return a trade at `at` (ms UTC), which enters the candles, too."""
        market, self._place = self._market, self._place + 1
        market.open_candles(at)
        market.add_to_candles(at, self._price, int(float(SIZES[self._place % len(SIZES)]) * market.size_scale), False)
        return self._trade % (at, 1_000 + self._place, SIZES[self._place % len(SIZES)], at)

    def next_book(self, at: int) -> str:
        """Return an update of both sides of the book."""
        market, size = self._market, SIZES[self._place % len(SIZES)]
        market.sequence += 2
        return self._book % (at, market.sequence - 1, market.sequence, size, size)
