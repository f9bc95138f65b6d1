"""What a program posts is read as it stands or refused in one line, whatever it is."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.feeds import _push_posts
from engine.feeds._push_posts import PostRefused, parse_arrow_post, parse_json_post
from tests.feeds.posting import SECOND, START, Posts, Row, bar, book, trade


def to_stream(rows: list[Row]) -> bytes:
    table, out = pa.Table.from_pylist(rows), io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


@pytest.mark.parametrize("rows", [[bar("A", START), bar("B", START)], [trade("A", START)], [book("B", START)]])
def test_an_arrow_stream_is_the_same_post_as_json(rows: list[Row]) -> None:
    posts = Posts("trades+books")
    kind = next(name for name, column in _push_posts.KINDS.items() if column in rows[0])
    from_json = posts.feed.parse_post(parse_json_post(json.dumps({kind: rows}).encode()))
    assert posts.feed.parse_post(parse_arrow_post(to_stream(rows))).key == from_json.key


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "this is no Arrow stream"),
        (b"x" * 500, "this is no Arrow stream"),
        (to_stream([{"symbol": "A", "ts": START}]), "the columns 'symbol', 'ts' are not those of bars, trades or books alone"),
        (to_stream([bar("A", START)])[:-90], "this is no Arrow stream"),
        (to_stream([bar("A", START)] * (_push_posts.MAX_ROWS + 1)), "more than 100,000 rows"),
    ],
)
def test_what_is_no_stream_of_a_market_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(PostRefused, match=message):
        Posts().feed.parse_post(parse_arrow_post(body))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"bars": [{"symbol": "A", "open": NaN}]}', "this is no JSON"),
        (b"[]", "the body is no object"),
        (b'{"bars": 5}', "bars is no list of objects"),
        (b'{"bars": [5]}', "bars is no list of objects"),
        (b'{"bars": [{"symbol": "A", "open": 1}, {"symbol": "A", "open": [1]}]}', "the values of 'open' are of several kinds"),
        (b'{"bars": [{"symbol": "A", "ts": 1, "open": 1}]}', "bars of A lacks high, low, close: its columns are ts, open"),
        (b'{"bars": [{"ts": 1, "open": 1}]}', "bars lacks symbol: its columns are 'ts', 'open'"),
        (b'{"bars": [{"symbol": {"x": 1}, "open": 1}]}', "symbol is struct"),
        (b'{"bars": [{"symbol": "A", "ts": 99999999999999999999999999, "open": 1}]}', "several kinds|cannot be read|this is no JSON|lacks"),
    ],
)
def test_what_is_no_document_of_a_market_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(PostRefused, match=message):
        Posts().feed.parse_post(parse_json_post(body))


TEXTS = st.text(max_size=8) | st.sampled_from(["A", "B", "NaN", "inf", "2024-01-01", "<b>", "\x00", "1e999", "-1"])
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.lists(st.integers(), max_size=2)
NAMES = st.sampled_from(["symbol", "ts", "open", "high", "low", "close", "volume", "price", "size", "side", "id", *book("A", 0)]) | TEXTS
ROWS = st.lists(st.dictionaries(NAMES, VALUES, max_size=9), max_size=3)


@given(st.dictionaries(st.sampled_from(["bars", "trades", "books", "x"]), ROWS | VALUES, max_size=3))
@settings(max_examples=400, deadline=None)
def test_whatever_is_posted_is_taken_or_refused_in_one_line(document: dict[str, Any]) -> None:
    posts = Posts("trades+books")
    posts.clock.at = START + SECOND
    line = refusal_of(lambda: posts.feed.take(posts.feed.parse_post(parse_json_post(json.dumps(document).encode()))))
    assert len(line.splitlines()) <= 1
    assert len(line) < 2_000


def refusal_of(act: Callable[[], object]) -> str:
    """The message of a refusal; "" where all was taken."""
    try:
        act()
    except PostRefused as error:
        return str(error)
    return ""


@given(st.binary(max_size=200), st.integers(0, 600), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_whatever_bytes_are_no_stream_are_refused(noise: bytes, place: int, value: int) -> None:
    stream = bytearray(to_stream([bar("A", START), trade("A", START)]))
    stream[place % len(stream)] = value
    feed = Posts().feed
    for body in (noise, bytes(stream)):
        assert len(refusal_of(lambda sent=body: feed.parse_post(parse_arrow_post(sent))).splitlines()) <= 1  # type: ignore[misc]
