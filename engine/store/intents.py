"""The intents of outside bots: each is stamped on arrival and accepted once, or its sender learns in one line why it was not."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import Any

import orjson

from engine.domain.record import Record
from engine.domain.trading_config import TradingConfig
from engine.schema import suggest
from engine.settings import LIVE_FEEDS
from engine.store import codec
from engine.store.connection import Store, driver_connection

MAX_BOTS = 16  # of a session that are judged at once
IDLE_DAYS = 7  # without an intent after which a bot gives up its place to another
MAX_WAITING = 10_000  # intents that wait for their bar
DAY = 86_400 * 10**9  # ns
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_INSERT = "INSERT INTO bot_intents (bot, symbol, target, bar, sent_for, at, sender, request_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_NEW_BOT = """
INSERT INTO bots (session, name, sender, state, added_at, last_at, intents, late, refused, pairs, verdict)
VALUES (?, ?, ?, 'active', ?, ?, 0, 0, 0, 0, 'running')
"""


class IntentRefused(ValueError):
    """An intent that does not count: one line with what is wrong and the remedy."""


class IntentConflicts(IntentRefused):
    """An intent at a time at which it does not count."""


class IntentLate(IntentConflicts):
    """An intent whose bar has closed."""


class IntentTooEarly(IntentRefused):
    """An intent that cannot count yet, because the engine has not begun: it can be sent again."""


@dataclass(frozen=True, slots=True)
class IntentDraft(Record):
    """An intent as its sender wrote it."""

    bot: str
    symbol: str
    target: float  # share of equity
    bar: int | None  # ns UTC, close of the bar; None for the one that is open
    counts_for_next: bool  # where it is late


@dataclass(frozen=True, slots=True)
class IntentReceipt(Record):
    """An intent that counts."""

    id: int
    bot: str
    symbol: str
    target: float
    bar: int  # ns UTC, close of the bar that it came before
    received_at: int  # ns UTC
    was_late: bool  # for the bar that it named


@dataclass(frozen=True, slots=True)
class _OpenBar:
    session: int
    symbols: tuple[str, ...]
    interval: int
    close: int  # ns UTC
    last: int  # ns UTC, the newest bar that was decided on
    is_live: bool
    config: TradingConfig


class IntentBox:
    """Accepts intents, in one transaction each. `close` it after use."""

    def __init__(self, url: str, *, busy_ms: int = 5000) -> None:
        self._store = Store(url, None, busy_ms=busy_ms)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def submit(self, draft: IntentDraft, sender: str, request_key: str, now: int) -> IntentReceipt:
        """Accept an intent at `now` (ns UTC); the same one under the same key gives the same receipt. Raises IntentRefused, StoreError."""
        refusal: IntentRefused | None = None
        with self._store.write(fenced=False) as connection:
            driver = driver_connection(connection)
            try:
                return _submit(driver, draft, sender, request_key, now)
            except IntentRefused as error:  # what it was refused for is counted
                refusal = error
                column = "late" if isinstance(error, IntentLate) else "refused"
                driver.execute(
                    f"UPDATE bots SET {column} = {column} + 1 WHERE id = (SELECT max(id) FROM bots WHERE name = ? AND sender = ?)",
                    (draft.bot, sender),
                )
        raise refusal


def _submit(driver: sqlite3.Connection, draft: IntentDraft, sender: str, request_key: str, now: int) -> IntentReceipt:
    earlier = _find_request(driver, draft, sender, request_key)
    if earlier is not None:
        return earlier
    _require_name(draft.bot)
    now_open = _read_open_bar(driver, now)
    _require_target(draft, now_open)
    bar, was_late = _choose_bar(draft, now_open, now)
    (waiting,) = driver.execute("SELECT count(*) FROM bot_intents WHERE tick IS NULL").fetchone()
    if waiting >= MAX_WAITING:
        raise IntentTooEarly(f"{waiting:,} intents wait for their bar: send this one again when that has closed")
    number = _find_bot(driver, draft.bot, sender, now_open.session, now)
    sent_for = bar if draft.bar is None else draft.bar
    cursor = driver.execute(_INSERT, (number, draft.symbol, draft.target, bar, sent_for, now, sender, request_key))
    driver.execute("UPDATE bots SET intents = intents + 1, late = late + ?, last_at = ? WHERE id = ?", (int(was_late), now, number))
    return IntentReceipt(int(cursor.lastrowid or 0), draft.bot, draft.symbol, draft.target, bar, now, was_late)


def _find_request(driver: sqlite3.Connection, draft: IntentDraft, sender: str, request_key: str) -> IntentReceipt | None:
    sql = (
        "SELECT i.id, b.name, i.symbol, i.target, i.bar, i.at, i.sent_for FROM bot_intents i JOIN bots b ON b.id = i.bot "
        "WHERE i.sender = ? AND i.request_key = ?"
    )
    row: tuple[Any, ...] | None = driver.execute(sql, (sender, request_key)).fetchone()
    if row is None:
        return None
    receipt = IntentReceipt(row[0], row[1], row[2], row[3], row[4], row[5], row[4] != row[6])
    wanted = row[6] if draft.bar is None else draft.bar
    if (draft.bot, draft.symbol, draft.target, wanted) != (receipt.bot, receipt.symbol, receipt.target, row[6]):
        raise IntentRefused(f"the key {request_key} belongs to intent {receipt.id}, which is another one: give a new key")
    return receipt


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise IntentRefused(f"{name[:40]!r} is no name of a bot: give 1 to 40 letters, digits, points, - or _, the first a letter or digit")


def _read_open_bar(driver: sqlite3.Connection, now: int) -> _OpenBar:
    """The bar that is open now: by this machine's clock on a live market, else the one after the newest that was decided on."""
    session = driver.execute("SELECT id, feed, symbols, interval_ns FROM sessions ORDER BY id DESC LIMIT 1").fetchone()
    tick = driver.execute(
        "SELECT t.session, t.at, t.warm, c.data FROM ticks t JOIN trading_configs c ON c.digest = t.config_digest ORDER BY t.tick DESC LIMIT 1"
    ).fetchone()
    if session is None or tick is None or tick[0] != session[0] or tick[2]:
        raise IntentTooEarly("the engine has not begun to trade yet: send the intent again once the warm-up is over")
    halt = driver.execute("SELECT value FROM meta WHERE key = ?", (f"halt of session {session[0]}",)).fetchone()
    if halt is not None and any(orjson.loads(halt[0])):
        raise IntentConflicts("the engine is paused, and so are the bots: the intent does not count; send one after Resume")
    is_live, interval, last = session[1] in LIVE_FEEDS, int(session[3]), int(tick[1])
    close = max(last, now // interval * interval) + interval if is_live else last + interval
    return _OpenBar(session[0], tuple(orjson.loads(session[2])), interval, close, last, is_live, codec.unpack(TradingConfig, tick[3]))


def _require_target(draft: IntentDraft, now_open: _OpenBar) -> None:
    if draft.symbol not in now_open.symbols:
        raise IntentRefused(f"there is no symbol {draft.symbol[:40]!r}: {suggest(draft.symbol, now_open.symbols[:12], 'there are')}")
    most, shorts = now_open.config.max_position, now_open.config.rules.shorts
    if not -most <= draft.target <= most:
        raise IntentRefused(f"the target is {draft.target:g}: give a share of equity from {-most:g} to {most:g}, the limit that the engine has")
    if shorts and not shorts[now_open.symbols.index(draft.symbol)] and draft.target < 0.0:
        raise IntentRefused(f"the target is {draft.target:g} and {draft.symbol} cannot be sold short: give 0 or more")


def _choose_bar(draft: IntentDraft, now_open: _OpenBar, now: int) -> tuple[int, bool]:
    """The bar that an intent counts for, and whether it is late for the one that it names."""
    if draft.bar is None:
        return now_open.close, False
    if (draft.bar - now_open.last) % now_open.interval:
        raise IntentRefused(f"no bar closes at {draft.bar}: bars close every {now_open.interval} ns, the open one at {now_open.close}")
    if draft.bar > now_open.close:
        raise IntentRefused(
            f"the bar that closes at {draft.bar} is not open yet: send the intent while it is; the open one closes at {now_open.close}"
        )
    if draft.bar > now_open.last and not (now_open.is_live and draft.bar <= now):
        return draft.bar, False
    if draft.counts_for_next:
        return now_open.close, True
    remedy = f'send it before its bar closes, or with "if_late": "next" for the bar that closes at {now_open.close}'
    raise IntentLate(f"the bar that closed at {draft.bar} has closed: the intent is late and does not count; {remedy}")


def _find_bot(driver: sqlite3.Connection, name: str, sender: str, session: int, now: int) -> int:
    """The number of the bot, which begins with its first intent. A bot that was idle for a week gives up its place where there is none left."""
    row = driver.execute("SELECT id, sender, state FROM bots WHERE session = ? AND name = ?", (session, name)).fetchone()
    if row is not None and row[1] != sender:
        raise IntentRefused(f"the bot {name} belongs to another sender: choose another name")
    if row is not None and row[2] != "active":
        raise IntentRefused(f"the bot {name} was retired after {IDLE_DAYS} days without an intent: choose another name")
    if row is not None:
        return int(row[0])
    (active,) = driver.execute("SELECT count(*) FROM bots WHERE session = ? AND state = 'active'", (session,)).fetchone()
    if active >= MAX_BOTS:
        idle = "SELECT id FROM bots WHERE session = ? AND state = 'active' AND last_at < ? ORDER BY last_at LIMIT 1"
        freed = driver.execute(f"UPDATE bots SET state = 'retired' WHERE id = ({idle})", (session, now - IDLE_DAYS * DAY)).rowcount
        if not freed:
            raise IntentRefused(
                f"{active} bots are judged already, at most {MAX_BOTS} are: one gives up its place after {IDLE_DAYS} days without intents"
            )
    return int(driver.execute(_NEW_BOT, (session, name, sender, now, now)).lastrowid or 0)
