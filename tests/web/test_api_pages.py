"""Filters, fields and cursors of every view that is read over HTTP, and what was known at a past tick."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from engine.domain.access import Visitor
from engine.domain.audit import AuditEntry
from engine.store.database import path_from_url
from engine.store.read.api_views import TIME_COLUMNS, list_api_views
from engine.store.read.past_ticks import find_past_tick
from engine.store.read.reader import Reader
from engine.store.views import list_views
from engine.store.write.audit import append_entry
from engine.web.access_guard import VISITOR
from engine.web.request_limit import READS
from tests.store import made
from tests.web.asked import Asked, Clock

TICKS = 90
VIEWS = tuple(list_api_views())
SPARSE = {"readings", "rules"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = made.filled(tmp_path_factory.mktemp("pages"), TICKS)
    with closing(sqlite3.connect(path_from_url(url))) as store, store:
        for number in range(7):
            append_entry(store, AuditEntry(made.WALL + number, "ada", "test", "export", f"view {number % 2}"))
    return url


@pytest.fixture(scope="module")
def asked(filled: str) -> Asked:
    return Asked(filled, Clock(made.WALL + TICKS * 2 * made.SECOND))


def walk(asked: Asked, view: str, query: str, limit: int) -> list[dict[str, Any]]:
    """All rows, page by page."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(20_000):
        answer = asked.get(f"/api/v1/{view}", f"limit={limit}{query}{cursor}")
        assert answer.code == 200, answer.body
        assert answer.json["count"] == len(answer.json["rows"]) <= limit
        rows += answer.json["rows"]
        if answer.json["next"] is None:
            return rows
        cursor = f"&cursor={answer.json['next']}"
    raise AssertionError(f"{view} has no end")


def test_every_view_of_the_store_is_served() -> None:
    assert {f"v_{view}" for view in VIEWS} - {"v_rules"} == set(list_views())


@pytest.mark.parametrize("view", [view for view in VIEWS if view not in SPARSE])
def test_pages_have_every_row_once_and_in_order(asked: Asked, filled: str, view: str) -> None:
    columns = [column.name for column in list_api_views()[view].columns]
    whole = Reader(filled).view(view)
    count = len(whole)
    limit = 1_000 if count > 5_000 else 37 if count > 200 else 3
    rows = walk(asked, view, "", limit)
    assert len(rows) == count
    in_order = walk(asked, view, "", 1_000)
    assert rows == in_order
    if "tick" in columns:
        assert [row["tick"] for row in rows] == sorted((row["tick"] for row in rows), reverse=True)
        assert {row["tick"] for row in rows} == set(whole["tick"])
    if view in {"fills", "decisions", "gates", "audit", "votes"}:
        assert count > 6


@pytest.mark.parametrize(
    ("view", "query", "where"),
    [
        ("decisions", "action=buy", "action = 'buy'"), ("decisions", "symbol=ETH&action=hold", "symbol = 'ETH' AND action = 'hold'"),
        ("decisions", "tick=7", "tick = 7"), ("decisions", "regime=none", "regime = 'none'"), ("gates", "gate=spread&passed=1&symbol=BTC",
        "gate = 'spread' AND passed = 1 AND symbol = 'BTC'"), ("gates", "rung=18", "rung = 18"),
        ("votes", "model=ridge&horizon=1", "model = 'ridge' AND horizon = 1"),
        ("fills", "side=buy", "side = 'buy'"), ("trials", "verdict=helped", "verdict = 'helped'"), ("alerts", "state=open", "state = 'open'"),
        ("components", "state=degraded", "state = 'degraded'"), ("commands", "by=ada&name=pause", "\"by\" = 'ada' AND name = 'pause'"),
        ("audit", "subject=view+1", "subject = 'view 1'"), ("spans", "phase=sizing&fallback=0", "phase = 'sizing' AND fallback = 0"),
    ],
)  # fmt: skip
def test_a_filter_gives_the_rows_with_that_value_and_no_others(asked: Asked, filled: str, view: str, query: str, where: str) -> None:
    with closing(sqlite3.connect(path_from_url(filled))) as store:
        (count,) = store.execute(f"SELECT count(*) FROM v_{view} WHERE {where}").fetchone()
    rows = walk(asked, view, f"&{query}", 100)
    assert len(rows) == count
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        assert {str(row[name]) for row in rows} <= {value.replace("+", " ")}


@pytest.mark.parametrize("view", VIEWS)
def test_fields_choose_the_columns_in_their_order(asked: Asked, view: str) -> None:
    columns = [column.name for column in list_api_views()[view].columns]
    chosen = columns[::-2]
    rows = asked.get(f"/api/v1/{view}", f"fields={','.join(chosen)}").json["rows"]
    times = [f"{name}_utc" for name in chosen if name in TIME_COLUMNS]
    assert all(list(row) == [*chosen, *times] for row in rows)
    assert asked.get(f"/api/v1/{view}", "fields=nonsense").code == 400


def test_a_cursor_holds_while_new_rows_are_stored(tmp_path: Path) -> None:
    url = made.copy_store(made.filled(tmp_path / "first", 20, evolves=False), tmp_path)
    asked = Asked(url)
    first = asked.get("/api/v1/decisions", "limit=6").json
    with closing(sqlite3.connect(path_from_url(url))) as store, store:
        for table in ("ticks", "decisions"):
            names = [row[1] for row in store.execute(f"PRAGMA table_info({table})") if row[1] != "tick"]
            columns = ", ".join(f'"{name}"' for name in names)
            store.execute(f"INSERT INTO {table} (tick, {columns}) SELECT tick + 1, {columns} FROM {table} WHERE tick = 19")
    following = asked.get("/api/v1/decisions", f"limit=6&cursor={first['next']}").json["rows"]
    pairs = [(row["tick"], row["symbol"]) for row in (*first["rows"], *following)]
    assert pairs == [(tick, symbol) for tick in (19, 18, 17) for symbol in sorted(made.SYMBOLS)]


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!", "AAAA", "bnVsbA", quote("[1]"), *(
        base64.urlsafe_b64encode(text).decode().rstrip("=")
        for text in (b"[]", b"[null]", b'["a"]', b"[1.5]", b"[true]", b"[1, 2, 3, 4, 5, 6]", b"[99999999999999999999]", b"{}", b"[[1]]", b"\xff")
    )]
)  # fmt: skip
def test_what_is_no_cursor_is_refused_in_a_line(asked: Asked, cursor: str) -> None:
    answer = asked.get("/api/v1/decisions", f"cursor={cursor}")
    assert (answer.code, "cursor=" in answer.json["detail"]) == (400, True)


def test_at_gives_what_was_known_then(asked: Asked, filled: str) -> None:
    at = made.Market().tick().inputs.at + 40 * made.MINUTE + 1
    answer = asked.get("/api/v1/decisions", f"at={at}&limit=4").json
    assert (answer["as_of"], answer["rows"][0]["tick"]) == ({"tick": 40, "at": at - 1}, 40)
    assert [row["outcome_bps"] for row in answer["rows"]] == [None] * 4  # not known before its horizon had passed
    assert any(row["outcome_bps"] is not None for row in asked.get("/api/v1/decisions", f"tick={40}").json["rows"])
    past = find_past_tick(Reader(filled), 40)
    for view in ("skill", "models", "evolutions", "equity"):
        known = Reader(filled, past=past).view(view)
        assert len(walk(asked, view, f"&at={at}", 1_000)) == len(known), view
    before = asked.get("/api/v1/decisions", "at=1971-01-01").json
    assert (before["as_of"], before["rows"], before["next"]) == ({"tick": None, "at": None}, [], None)
    assert asked.get("/api/v1/components", "at=2h").code == 400


def test_a_known_visitor_reads_so_often_and_a_local_one_as_often_as_it_likes(filled: str) -> None:
    clock = Clock()
    asked = Asked(filled, clock)
    plain = asked._app
    visitor: list[Visitor | None] = [Visitor("token:bot", "", scopes=("read",))]

    async def as_visitor(scope: Any, receive: Any, send: Any) -> None:
        await plain({**scope, **({} if visitor[0] is None else {VISITOR: visitor[0]})}, receive, send)

    asked._app = as_visitor
    codes = [asked.get("/api/v1/commands/none").code for _ in range(int(READS.burst) + 1)]
    assert (set(codes[:-1]), codes[-1]) == ({404}, 429)
    assert asked.get("/api/v1/openapi.json").code == asked.get("/api/v1/components").code == asked.get("/api/v1/status").code == 429
    clock.seconds += 1.0
    assert asked.get("/api/v1/status").code == 200
    visitor[0] = Visitor("token:other", "", scopes=("read",))
    assert asked.get("/api/v1/status").code == 200
    visitor[0] = None
    assert {asked.get("/api/v1/commands/none").code for _ in range(int(READS.burst) + 1)} == {404}
