"""The server that the fake exchanges have in common: a thread with a loop, REST requests, WebSockets, and a market in steps."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Self

from aiohttp import WSMsgType, web

from tests.exchanges.faults import Faults, FaultSwitches
from tests.exchanges.market import NS, SECOND, BookChange, BookTruth, CandleTruth, MarketTrade, SymbolMarket, TradeTruth

INTERVALS = {"1s": 1_000, "1m": 60_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000}  # ms
CANDLE_EVERY = 1_000  # ms between messages about an open candle


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message as it was sent to the subscribers of a stream."""

    at: int  # ns UTC by this machine's clock
    symbol: str
    stream: str  # trades, book or candles
    text: str
    sockets: int  # that got it


class FakeSocket:
    """A WebSocket with what it subscribed to; a task of its own writes, so that a slow reader holds up nobody."""

    def __init__(self, request: web.Request, response: web.WebSocketResponse) -> None:
        self.request, self.response = request, response
        self.subscriptions: dict[str, object] = {}  # by the exchange's name of the stream
        self.dead = False  # half-open: neither sends nor answers
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()

    def send(self, text: str) -> None:
        """Send a text after those before it."""
        if not self.dead:
            self._queue.put_nowait(text)

    async def write(self) -> None:
        """Write what was sent until the socket ends."""
        with contextlib.suppress(ConnectionError, RuntimeError):
            while (text := await self._queue.get()) is not None:
                await self.response.send_str(text)

    def stop(self) -> None:
        """End the writing."""
        self._queue.put_nowait(None)


class FakeExchange(FaultSwitches):
    """A fake exchange on a free port of 127.0.0.1; use as a context manager, or `start` and `stop`."""

    def __init__(
        self,
        symbols: tuple[str, ...],
        *,
        seed: int = 7,
        trades_per_second: float | Mapping[str, float] = 5.0,
        step_ms: int = 100,
        levels: int = 25,
        history_seconds: int = 7_200,
        clock_offset: float = 0.0,
        port: int = 0,
    ) -> None:
        """Make a market of `symbols` (as in ccxt) with `history_seconds` of candles before its start; `levels` per side of the book."""
        self.offset, self.faults, self.port = round(clock_offset * SECOND), Faults(), port
        self.host = "127.0.0.1"  # in the addresses that clients get
        self._step_ms, self._candles_at = step_ms, 0
        rates = trades_per_second if isinstance(trades_per_second, Mapping) else dict.fromkeys(symbols, trades_per_second)
        started = self.now_ms() // SECOND
        self.markets = {
            symbol: SymbolMarket(symbol, place, seed=seed, rate=rates.get(symbol, 0.0), levels=levels, started=started, history=history_seconds)
            for place, symbol in enumerate(symbols)
        }
        self.sent: deque[SentMessage] = deque(maxlen=50_000)
        self._trades_sent: dict[tuple[str, str], int] = {}  # by symbol and id: ns UTC by this machine's clock
        self.requests: Counter[str] = Counter()  # REST requests by path
        self.dials = 0  # WebSockets opened so far
        self.hung = 0  # requests that were taken while nothing is answered
        self._sockets: set[FakeSocket] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._site: web.TCPSite | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-exchange", daemon=True)

    # what the tests read
    def trades(self, symbol: str) -> list[TradeTruth]:
        """Return every trade since the start, whether it was sent or not."""
        return self.call(self.markets[symbol].true_trades)

    def candles(self, symbol: str, interval: str) -> list[CandleTruth]:
        """Return the candles from the start of the history, revised where revised; the last may be open."""
        return self.call(lambda: self.markets[symbol].true_candles(INTERVALS[interval]))

    def books(self, symbol: str) -> list[BookTruth]:
        """Return the ten best levels of each side after each update (the newest 5,000)."""
        return self.call(self.markets[symbol].true_books)

    def messages(self) -> list[SentMessage]:
        """Return the messages that were sent to subscribers (the newest 50,000)."""
        return self.call(lambda: list(self.sent))

    def sent_times(self) -> dict[tuple[str, str], int]:
        """Return when each trade was first sent, in ns UTC by this machine's clock, by symbol and id."""
        return self.call(lambda: dict(self._trades_sent))

    def now(self) -> int:
        """Return the exchange's time in ns UTC."""
        return time.time_ns() + self.offset * NS

    def now_ms(self) -> int:
        """Return the exchange's time in ms UTC."""
        return self.now() // NS

    def pass_time(self, seconds: float) -> None:
        """Put the exchange's clock forward, with a trade of each symbol in every second between, which REST alone shows."""

        def pass_seconds() -> None:
            begun = self.now_ms() // SECOND
            self.offset += round(seconds * SECOND)
            for market in self.markets.values():
                for second in range(begun + 1, self.now_ms() // SECOND):
                    market.open_candles(second * SECOND)
                    market.add_to_candles(second * SECOND, market.last + (second % 3 - 1) * market.gap, 1 + second % 7, bool(second % 2))

        self.call(pass_seconds)

    @property
    def sockets(self) -> int:
        """How many WebSockets are open and not half-open."""
        return self.call(lambda: sum(not client.dead for client in self._sockets))

    # what an exchange defines
    def ccxt_options(self) -> dict[str, object]:
        """Return the options of ccxt's constructor that lead to this server; they can be written as JSON."""
        raise NotImplementedError

    def add_routes(self, app: web.Application) -> None:
        """Add the REST paths and the WebSocket's."""
        raise NotImplementedError

    def refuse_too_many(self) -> web.Response:
        """Return the response to too many requests."""
        raise NotImplementedError

    def refuse_in_maintenance(self) -> web.Response:
        """Return the response in maintenance."""
        raise NotImplementedError

    def greet(self, client: FakeSocket) -> None:
        """Send what a new socket gets."""

    def handle(self, client: FakeSocket, message: dict[str, object]) -> None:
        """Answer a message of a client."""
        raise NotImplementedError

    def send_trades(self, market: SymbolMarket, trades: list[MarketTrade]) -> None:
        """Send trades to their subscribers."""
        raise NotImplementedError

    def send_book(self, market: SymbolMarket, change: BookChange, at: int) -> None:
        """Send a change of the book to its subscribers."""
        raise NotImplementedError

    def send_candles(self, market: SymbolMarket, at: int) -> None:
        """Send the open candle, and the closed before it, to their subscribers."""
        raise NotImplementedError

    # the server
    def start(self) -> Self:
        """Start the thread; returns once the port listens."""
        self._thread.start()
        if not self._ready.wait(300.0):
            raise RuntimeError("the fake exchange did not start")
        return self

    def stop(self) -> None:
        """End the server and its thread."""
        if self._thread.is_alive():
            self.call(self._stopped.set)
            self._thread.join(300.0)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """The host and port."""
        return f"{self.host}:{self.port}"

    def publish(self, market: SymbolMarket, stream: str, name: str, text: str) -> None:
        """Send a text to the sockets that subscribed to `name`, the exchange's name of the stream."""
        if self.faults.is_silent(market.symbol, stream):
            return
        receivers = [client for client in self._sockets if name in client.subscriptions and not client.dead]
        for client in receivers:
            client.send(text)
        self.sent.append(SentMessage(time.time_ns(), market.symbol, stream, text, len(receivers)))

    def subscribed(self, prefix: str) -> set[str]:
        """Return the names subscribed to that begin with `prefix`."""
        return {name for client in self._sockets for name in client.subscriptions if name.startswith(prefix)}

    def listed(self) -> list[SymbolMarket]:
        """Return the markets that are not delisted."""
        return [market for symbol, market in self.markets.items() if symbol not in self.faults.delisted]

    def visible_bars(self, market: SymbolMarket, interval: int, first: int | None, last: int | None, newest: int) -> list[tuple[int, object]]:
        """Return the bars that REST shows: without those that closed too lately."""
        end = self.now_ms() - round(self.faults.candle_delay * SECOND)
        bars = market.bars(interval, first, last, newest)
        return [(opened, bar) for opened, bar in bars if not self.faults.candle_delay or opened + interval <= end]

    def close_sockets(self) -> None:
        """Send every socket a close frame with code 1001."""
        for client in list(self._sockets):
            self._spawn(self._close(client))

    def abort_connections(self) -> None:
        """Reset every TCP connection."""
        connections = [] if self._runner.server is None else list(self._runner.server.connections)
        for connection in connections:
            transport = connection.transport
            if transport is not None:
                plain = transport.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                transport.abort()

    def deafen_sockets(self) -> None:
        """Let every open socket neither send nor answer."""
        for client in self._sockets:
            client.dead = True

    def listen(self, on: bool) -> None:
        """Open or close the listening port."""
        self._spawn(self._listen(on))

    def announce_maintenance(self, on: bool) -> None:
        """End the open sockets."""
        if on:
            self.close_sockets()

    def _run(self) -> None:
        self.loop = asyncio.new_event_loop()
        try:
            self.loop.run_until_complete(self._serve())
        finally:
            self.loop.close()

    async def _serve(self) -> None:
        self._stopped = asyncio.Event()
        app = web.Application(middlewares=[self._guard])
        self.add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen(True)
        self._ready.set()
        while not self._stopped.is_set():
            self._step()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), self._step_ms / SECOND)
        self.abort_connections()
        await self._runner.cleanup()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self, on: bool) -> None:
        if self._site is not None:
            await self._site.stop()
            self._site = None
        if on:
            self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
            await self._site.start()
            self.port = int(self._runner.addresses[0][1])

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @web.middleware
    async def _guard(self, request: web.Request, handler: object) -> web.StreamResponse:
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        if not upgrade:
            self.requests[request.path] += 1
        self.hung += self.faults.hanging
        while self.faults.hanging and not self._stopped.is_set():  # noqa: ASYNC110 - the faults are plain values
            await asyncio.sleep(self._step_ms / SECOND)
        if self.faults.maintenance:
            return web.Response(status=503, text="Service Unavailable") if upgrade else self.refuse_in_maintenance()
        if self.faults.rate_limited and not upgrade:
            self.faults.rate_limited -= 1
            return self.refuse_too_many()
        return await handler(request)  # type: ignore[operator,no-any-return]

    async def serve_socket(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one WebSocket until it ends."""
        response = web.WebSocketResponse(autoping=False, compress=False, timeout=0.5)
        await response.prepare(request)
        client = FakeSocket(request, response)
        self._sockets.add(client)
        self.dials += 1
        self._spawn(client.write())
        self.greet(client)
        try:
            async for message in response:
                if client.dead:
                    continue
                if message.type is WSMsgType.PING:
                    await response.pong(message.data)
                elif message.type is WSMsgType.TEXT:
                    self.handle(client, json.loads(message.data))
        except ConnectionError:
            pass
        finally:
            self._sockets.discard(client)
            client.stop()
        return response

    async def _close(self, client: FakeSocket) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            await client.response.close(code=1001, message=b"going away")

    def _step(self) -> None:
        at = self.now_ms()
        candles = at >= self._candles_at or at < self._candles_at - 2 * CANDLE_EVERY
        for market in self.listed():
            if market.symbol in self.faults.halted:
                market.skip(at)
                continue
            trades, change = market.step(at, self._step_ms / SECOND)
            if trades:
                self._send_all_trades(market, trades)
            self._send_change(market, change, at)
            if candles:
                self.send_candles(market, at)
        if candles:
            self._candles_at = (at // CANDLE_EVERY + 1) * CANDLE_EVERY

    def _send_all_trades(self, market: SymbolMarket, trades: list[MarketTrade]) -> None:
        late = self.faults.late_trade.pop(market.symbol, None)
        if late is not None:
            self.loop.call_later(late, self._send_trade, market, trades[0])
            trades = trades[1:]
        for trade in trades:
            self._send_trade(market, trade)
            if self.faults.duplicates:
                self.faults.duplicates -= 1
                self._send_trade(market, trade)

    def _send_trade(self, market: SymbolMarket, trade: MarketTrade) -> None:
        self._trades_sent.setdefault((market.symbol, str(trade.id)), time.time_ns())
        self.send_trades(market, [trade])

    def _send_change(self, market: SymbolMarket, change: BookChange, at: int) -> None:
        symbol = market.symbol
        if not change.bids and not change.asks:
            return
        if symbol in self.faults.skip_update:
            self.faults.skip_update.discard(symbol)
            return
        if symbol in self.faults.lose_removal and not (all(change.bids.values()) and all(change.asks.values())):
            self.faults.lose_removal.discard(symbol)
            bids, asks = ({price: size for price, size in side.items() if size} for side in (change.bids, change.asks))
            change = BookChange(change.first, change.last, bids, asks)
        self.send_book(market, change, at)
