"""Compares the local books of ccxt with the checksums that an exchange sends, where ccxt does not."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from engine.domain.model import PLUGIN_ERRORS
from engine.live.exchange import load_ccxt_errors

CHECKED_LEVELS = 10  # on each side


def check_books(exchange: Any) -> None:
    """Have every book of an exchange compared with its checksum from now on: of Kraken; other exchanges stay as they are."""
    if exchange.id == "kraken":
        exchange.handle_order_book = KrakenBooks(exchange, exchange.handle_order_book).handle


class KrakenBooks:
    """Takes the book messages of Kraken's WebSocket v2 in the place of ccxt's handler.

    A book that differs from its checksum is an error of ccxt's kind ChecksumError; the subscription is renewed, and updates are ignored until the
    snapshot. A symbol whose snapshot differs is not checked further: its decimals are not those that are documented.
    """

    def __init__(self, exchange: Any, handle: Any) -> None:
        """Prepare; `handle` is ccxt's handler."""
        self._exchange, self._handle = exchange, handle
        self._damaged: set[str] = set()
        self._unchecked: set[str] = set()
        self._sending: set[asyncio.Future[Any]] = set()

    def handle(self, client: Any, message: Mapping[str, Any]) -> None:
        """Apply a message to the book, and give it to whoever waits for it where it agrees with its checksum."""
        row = (message.get("data") or [{}])[0]
        symbol, is_snapshot = str(row.get("symbol")), message.get("type") == "snapshot"
        if is_snapshot:
            self._damaged.discard(symbol)
        elif symbol in self._damaged:
            return
        held = _HeldClient(client)
        self._handle(held, message)
        if self._is_right(symbol, row.get("checksum")):
            held.release()
        elif is_snapshot:
            self._unchecked.add(symbol)
            held.release()
        else:
            self._damaged.add(symbol)
            self._renew(client, symbol)

    def _is_right(self, symbol: str, checksum: object) -> bool:
        book, market = self._exchange.orderbooks.get(symbol), (self._exchange.markets or {}).get(symbol)
        if symbol in self._unchecked or not isinstance(checksum, int) or book is None or market is None:
            return True
        info = market.get("info") or {}
        try:
            decimals = int(info["pair_decimals"]), int(info["lot_decimals"])
        except (KeyError, TypeError, ValueError):
            return True
        return compute_checksum(book["asks"], book["bids"], *decimals) == checksum

    def _renew(self, client: Any, symbol: str) -> None:
        name = f"orderbook@{symbol}"  # of ccxt
        subscription = client.subscriptions.pop(name, None)
        depth = subscription.get("limit") if isinstance(subscription, dict) else None
        request = {"method": "unsubscribe", "params": {"channel": "book", "symbol": [symbol], "depth": depth or CHECKED_LEVELS}}
        sending = asyncio.ensure_future(_send(client, request))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        client.reject(load_ccxt_errors().ChecksumError(f"{self._exchange.id} book of {symbol}: its checksum differs"), name)


class _HeldClient:
    """A client of ccxt whose results are held back."""

    def __init__(self, client: Any) -> None:
        self._client, self.results = client, list[tuple[Any, str]]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def resolve(self, result: Any, name: str) -> Any:
        """Hold a result back."""
        self.results.append((result, name))
        return result

    def release(self) -> None:
        """Give out what was held back."""
        for result, name in self.results:
            self._client.resolve(result, name)


def compute_checksum(asks: Sequence[Sequence[float]], bids: Sequence[Sequence[float]], price_decimals: int, size_decimals: int) -> int:
    """CRC32 over the ten best asks, then the ten best bids: price and size with all decimals, without the point and leading zeros."""
    levels = [side[place] for side in (asks, bids) for place in range(min(CHECKED_LEVELS, len(side)))]
    digits = (
        f"{level[0]:.{price_decimals}f}".replace(".", "").lstrip("0") + f"{level[1]:.{size_decimals}f}".replace(".", "").lstrip("0")
        for level in levels
    )
    return zlib.crc32("".join(digits).encode())


async def _send(client: Any, request: Mapping[str, Any]) -> None:
    with contextlib.suppress(asyncio.TimeoutError, *PLUGIN_ERRORS, load_ccxt_errors().BaseError):
        await client.send(request)
