"""Watches the trades and books of an exchange in a thread of its own, and redials streams that fail or fall silent."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine import units
from engine.domain.live import StreamEvent, StreamFault
from engine.domain.model import PLUGIN_ERRORS
from engine.domain.ports import Clock
from engine.feeds._contracts import Contract
from engine.live.book_checksums import check_books
from engine.live.clock_offset import ClockOffset
from engine.live.event_loops import DaemonThreads
from engine.live.exchange import describe_exchange_error, load_ccxt_errors
from engine.live.machine_clock import MachineClock
from engine.live.stream_messages import NS_PER_MS, TradeFilter, explain_book, read_book, read_trade
from engine.live.stream_statistics import SECOND, StreamStatistics
from engine.settings import Settings

KINDS = ("trades", "book")
FEW_LEVELS = 10  # that every exchange's default depth has
DEEP_LEVELS = 100  # that are requested where more are used: ccxt forgets what is beyond, so that a move of the price would lay bare missing levels
REFUSALS_OF_A_HALT = 3  # in a row
CCXT_LONGEST_PAUSE_MS = 30_000  # between dials without a request of the exchange for more
CLOCK_SECONDS = 60.3  # between measurements: at other parts of a second, for exchanges that give whole ones
WHOLE_SECONDS_PAUSE = 0.3  # between the first measurements of such an exchange


@dataclass(frozen=True, slots=True)
class StreamTimes:
    """The times that the watching depends on, in s; tests shorten them."""

    silence: float = 15.0  # the least after which a stream without messages is redialled
    trades_silence: float = 60.0  # the same for trades where bars are longer
    usual_gaps: float = 3.0  # times the longest of the last gaps
    settled: float = 5.0  # after which a subscription without messages and errors counts as connected
    first_pause: float = 0.5  # after a failure, doubled by each further one
    longest_pause: float = 10.0  # also between the dials of ccxt to a connection
    halt_pause: float = 60.0
    longest_silence: float = 600.0
    watchdog: float = 1.0  # between checks
    funding: float = 300.0  # between reads of the funding rates
    funding_again: float = 30.0  # and of those that could not be read


DEFAULT_TIMES = StreamTimes()


@dataclass(slots=True)
class _Stream:
    column: int
    kind: str  # of KINDS
    statistics: StreamStatistics
    trades: TradeFilter = field(default_factory=TradeFilter)
    call: asyncio.Future[Any] | None = None
    is_up: bool = False
    was_up: bool = False
    failures: int = 0  # in a row
    redials: int = 0  # for silence, in a row
    since: float = 0.0  # monotonic s of the last message or dial
    is_redialled: bool = False
    fault: str = ""  # the kind of the standing fault


class LiveStreams:
    """A stream of trades and of books for each symbol; `take` gets every message and fault in the order of arrival, in this thread."""

    def __init__(
        self, connect: Callable[[], Any], symbols: Sequence[str], contracts: Sequence[Contract], settings: Settings, interval: int,
        take: Callable[[StreamEvent], None], *, times: StreamTimes = DEFAULT_TIMES,
    ) -> None:  # fmt: skip
        """Prepare without a connection; `connect` makes an object of ccxt.pro and is called in the thread's loop."""
        self._connect, self._symbols, self._contracts, self._settings = connect, tuple(symbols), tuple(contracts), settings
        self._take, self._times = take, times
        self._floor = {"book": times.silence, "trades": max(times.silence, min(interval / SECOND, times.trades_silence))}
        self.streams = [
            _Stream(column, kind, StreamStatistics(symbol, kind)) for column, symbol in enumerate(self._symbols) for kind in KINDS
        ]  # fmt: skip
        self.clock = ClockOffset()
        self.exchanges: dict[str, Any] = {}
        self.jobs: list[Callable[[], Any]] = []  # coroutine functions that run beside the watchers
        self.timer: Clock = MachineClock()
        self.error: BaseException | None = None  # that ended the thread
        self._wall_base: int | None = None  # ns, the wall clock less the monotonic one at the last measurement of the exchange's clock
        self._stop, self._ended = threading.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(  # noqa: TID251 - the loop runs as long as the feed, and must not hold up the scheduler
            target=self._run, name="streams", daemon=True
        )
        self._redialled_at = dict.fromkeys(KINDS, -1e9)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self, timeout: float = 10.0) -> None:
        """End connections and the thread."""
        self._stop.set()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._ended.set)
        if self._thread.ident is not None:
            self._thread.join(timeout)

    @property
    def is_closing(self) -> bool:
        """Whether the streams are to end."""
        return self._stop.is_set()

    def exchange_time(self) -> int:
        """Return ns UTC by the exchange's clock; a step of this machine's clock since the last measurement does not change it."""
        now = self.timer.now() if self._wall_base is None else self._wall_base + round(self.timer.tick() * SECOND)
        return now + self.clock.offset

    def _run(self) -> None:
        try:
            asyncio.run(self._watch_all())
        except (*PLUGIN_ERRORS, load_ccxt_errors().BaseError) as error:
            self.error = error

    async def _watch_all(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(DaemonThreads())
        try:
            for kind in KINDS:
                self.exchanges[kind] = self._connect()
            check_books(self.exchanges["book"])
            await self._measure_clock()
            work = [self._watch(stream) for stream in self.streams] + [job() for job in self.jobs]
            tasks = [asyncio.ensure_future(part) for part in [*work, self._watch_silence(), self._keep_clock()]]
            ended = asyncio.ensure_future(self._ended.wait())
            pending, failed = {ended, *tasks}, None
            while failed is None and not (ended.done() or self._stop.is_set()):
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                failed = next((error for task in done if not task.cancelled() and (error := task.exception()) is not None), None)
            for task in (ended, *tasks):
                task.cancel()
            await asyncio.gather(ended, *tasks, return_exceptions=True)
            if failed is not None:
                raise RuntimeError(f"{type(failed).__name__}: {failed}") from failed
        finally:
            for exchange in self.exchanges.values():
                with contextlib.suppress(asyncio.TimeoutError, *PLUGIN_ERRORS, load_ccxt_errors().BaseError):
                    await asyncio.wait_for(exchange.close(), 5.0)

    async def _watch(self, stream: _Stream) -> None:
        errors = (load_ccxt_errors().BaseError, asyncio.TimeoutError, *PLUGIN_ERRORS)
        stream.since = self.timer.tick()
        while True:
            try:
                stream.call = asyncio.ensure_future(self._request(stream))
                self._receive(stream, await stream.call)
            except asyncio.CancelledError:
                if not stream.is_redialled:
                    raise
                stream.is_redialled = False
            except errors as error:
                stream.is_redialled = False
                await asyncio.sleep(self._fail(stream, error))

    async def _request(self, stream: _Stream) -> Any:
        exchange, symbol = self.exchanges[stream.kind], self._symbols[stream.column]
        if stream.kind == "trades":
            return await exchange.watch_trades(symbol)
        is_deep = self._settings.book_levels > FEW_LEVELS
        return await (exchange.watch_order_book(symbol, DEEP_LEVELS) if is_deep else exchange.watch_order_book(symbol))

    def _receive(self, stream: _Stream, message: Any) -> None:
        received, contract, statistics = self.timer.now(), self._contracts[stream.column], stream.statistics
        stream.since, stream.failures, stream.redials = self.timer.tick(), 0, 0
        if stream.kind == "book":
            update = read_book(message, stream.column, received, contract, self._settings.book_levels)
            statistics.add_message(received, update.at if update.at != received else None, self.clock.offset)
            self._take(update)
            self._resume(stream, received)
            self._check_book(stream, explain_book(update), received)
            return
        for row in message:
            trade = read_trade(row, stream.column, received, contract)
            if trade is not None and stream.trades.is_new(trade.id, is_up=stream.is_up):
                statistics.add_message(received, trade.at, self.clock.offset)
                if stream.trades.missing and stream.is_up:
                    statistics.gaps += 1
                    self._take(
                        StreamFault(stream.column, stream.kind, "gap", received, f"{stream.trades.missing} trades before {trade.id} are missing")
                    )
                self._take(trade)
        statistics.gaps += stream.trades.stepped_back
        stream.trades.stepped_back = 0
        self._resume(stream, received)

    def _check_book(self, stream: _Stream, problem: str | None, at: int) -> None:
        if problem is not None and stream.fault != "crossed":
            self._take(StreamFault(stream.column, stream.kind, "crossed", at, problem))
        if problem is not None or stream.fault == "crossed":
            stream.fault = "" if problem is None else "crossed"
            stream.statistics.set_state("ok", problem, at)

    def _resume(self, stream: _Stream, at: int) -> None:
        if stream.is_up:
            return
        kind = "resynced" if stream.fault in ("gap", "checksum") else "reconnected"
        stream.statistics.reconnects += stream.was_up and kind == "reconnected"
        stream.is_up = stream.was_up = True
        stream.fault = ""
        stream.statistics.set_state("ok", None, at)
        self._take(StreamFault(stream.column, stream.kind, kind, at, ""))

    def _interrupt(self, stream: _Stream, kind: str, state: str, detail: str) -> None:
        at = self.timer.now()
        if stream.fault != kind:
            self._take(StreamFault(stream.column, stream.kind, kind, at, detail))
        stream.is_up, stream.fault = False, kind
        stream.statistics.set_state(state, detail, at)

    def _fail(self, stream: _Stream, error: BaseException) -> float:
        """Note a failed watcher; returns the pause in s before the next dial."""
        kind = classify_error(error)
        stream.failures += 1
        stream.since = self.timer.tick()
        detail = describe_exchange_error(error, self._settings)
        if kind == "halted" and stream.failures < REFUSALS_OF_A_HALT:
            kind = "disconnected"  # a refusal may have been meant for another symbol of the same connection
        stream.statistics.gaps += kind in ("gap", "checksum")
        if not (kind == "disconnected" and stream.fault == "silent"):
            self._interrupt(stream, kind, "halted" if kind == "halted" else "reconnecting", detail)
        self._shorten_dial_pause(self.exchanges[stream.kind])
        if kind == "halted":
            return self._times.halt_pause
        if kind in ("gap", "checksum") and stream.failures == 1:
            return 0.0
        return float(min(self._times.first_pause * 2.0 ** min(stream.failures - 1, 16), self._times.longest_pause))

    def _shorten_dial_pause(self, exchange: Any) -> None:
        """Limit the pause of ccxt before its next dial, unless the exchange asked for a longer one."""
        for state in (getattr(exchange, "ws_dial_backoff", None) or {}).values():
            left = state["until"] - exchange.milliseconds()
            if self._times.longest_pause * 1_000 < left <= CCXT_LONGEST_PAUSE_MS:
                state["until"] -= left - round(self._times.longest_pause * 1_000)

    def _limit_of(self, stream: _Stream) -> float:
        """Seconds without a message after which a stream is silent."""
        longest = (stream.statistics.longest_gap or 0) / SECOND
        limit = max(self._floor[stream.kind], self._times.usual_gaps * longest) * 2.0 ** min(stream.redials, 16)
        return float(min(limit, max(self._times.longest_silence, self._floor[stream.kind])))

    async def _watch_silence(self) -> None:
        while True:
            await asyncio.sleep(self._times.watchdog)
            now = self.timer.tick()
            for stream in self.streams:
                waiting = stream.call is not None and not stream.call.done()
                if not waiting:
                    continue
                if now - stream.since > self._limit_of(stream) and (stream.statistics.messages or stream.kind == "book"):
                    await self._redial(stream, now)
                elif not stream.is_up and stream.fault != "silent" and now - stream.since > self._times.settled and self._is_connected(stream.kind):
                    self._resume(stream, self.timer.now())

    def _is_connected(self, kind: str) -> bool:
        clients = list(getattr(self.exchanges[kind], "clients", {}).values())
        return all(client.connected.done() and not client.closed() for client in clients)

    async def _redial(self, stream: _Stream, now: float) -> None:
        """Mark a silent stream stale and subscribe again; the connection is closed where no other stream of the kind is alive."""
        exchange, symbol, call = self.exchanges[stream.kind], self._symbols[stream.column], stream.call
        self._interrupt(stream, "silent", "stale", f"no message for {units.format_age(now - stream.since)}")
        stream.redials += 1
        others = [other for other in self.streams if other.kind == stream.kind and other is not stream]
        alive = any(other.is_up and now - other.since < self._limit_of(other) for other in others)
        stream.since = now
        unwatch = "unWatchTrades" if stream.kind == "trades" else "unWatchOrderBook"
        if alive and getattr(exchange, "has", {}).get(unwatch):
            request = exchange.un_watch_trades if stream.kind == "trades" else exchange.un_watch_order_book
            with contextlib.suppress(asyncio.TimeoutError, *PLUGIN_ERRORS, load_ccxt_errors().BaseError):
                await asyncio.wait_for(request(symbol), self._times.settled)
        elif not alive or now - self._redialled_at[stream.kind] > self._times.longest_silence:
            self._redialled_at[stream.kind] = now
            await self._close_connections(exchange)
        if call is not None and call is stream.call and not call.done():  # else the watcher has dialled again by itself
            stream.is_redialled = True
            call.cancel()

    async def _close_connections(self, exchange: Any) -> None:
        clients = getattr(exchange, "clients", {})
        for url, client in list(clients.items()):
            clients.pop(url, None)
            client.reset(load_ccxt_errors().NetworkError("the connection is closed because it is silent"))
            with contextlib.suppress(asyncio.TimeoutError, *PLUGIN_ERRORS):
                await asyncio.wait_for(client.close(), 2.0)

    async def _keep_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_SECONDS if self.clock.is_known else self._times.longest_pause)
            await self._measure_clock()

    async def _measure_clock(self) -> None:
        """Ask the exchange for its time; a change of more than the reported offset is a message."""
        exchange, before, known = self.exchanges["trades"], self.clock.offset, self.clock.is_known
        if not getattr(exchange, "has", {}).get("fetchTime"):
            return
        with contextlib.suppress(asyncio.TimeoutError, *PLUGIN_ERRORS, load_ccxt_errors().BaseError):
            for _ in range(1 if known else 3):
                sent, ticked = self.timer.now(), self.timer.tick()
                answer = await asyncio.wait_for(exchange.fetch_time(), 5.0)
                if isinstance(answer, int | float):
                    self._wall_base = sent - round(ticked * SECOND)
                    self.clock.add(sent, sent + round((self.timer.tick() - ticked) * SECOND), int(answer) * NS_PER_MS)
                    await asyncio.sleep(0.0 if known or int(answer) % 1_000 else WHOLE_SECONDS_PAUSE)
        if self.clock.is_known and (not known or abs(self.clock.offset - before) > SECOND):
            self._take(StreamFault(-1, "trades", "clock", self.timer.now(), f"{self.clock.offset} ns"))


def classify_error(error: BaseException) -> str:
    """The kind of a fault, of domain.live.FAULTS."""
    errors = load_ccxt_errors()
    if isinstance(error, errors.InvalidNonce):  # ChecksumError is one: ccxt raises it for lost sequence numbers, too
        return "checksum" if "checksum" in str(error).lower() else "gap"
    if isinstance(error, errors.RateLimitExceeded):
        return "rate_limited"
    if isinstance(error, errors.OnMaintenance):
        return "maintenance"
    return "halted" if isinstance(error, errors.BadRequest | errors.NotSupported) else "disconnected"
