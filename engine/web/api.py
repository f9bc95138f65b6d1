"""The answers of /api/v1: the newest rows of a view as JSON, always bounded."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import lru_cache

import orjson
from starlette.requests import Request
from starlette.responses import Response

from engine.domain.ports import Clock
from engine.health import judge_health
from engine.service.health_inputs import format_health, read_health_inputs
from engine.store.errors import StoreError
from engine.store.read.api import NoSuchSymbol, ViewRows, read_view_rows
from engine.store.read.api_views import TIME_COLUMNS
from engine.store.read.past_ticks import find_past_tick, find_tick_by_time
from engine.store.read.reader import Reader
from engine.web import parameters
from engine.web.parameters import BadRequest
from engine.web.problems import problem

BUSY_MS = 300  # answer "locked" rather than wait


class Api:
    """Answers reads of one store."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url, self._clock = url, clock
        self._reader = Reader(url, busy_ms=BUSY_MS)

    def answer(self, name: str, request: Request) -> Response:
        """Answer 200 with JSON, 304 where the reader has it already, 400 in one line for a bad query, 503 while the store cannot be read."""
        try:
            body = self._status(request) if name == "status" else self._rows(name, request)
        except BadRequest as error:
            return problem(400, "Bad Request", str(error))
        except NoSuchSymbol as error:
            return problem(400, "Bad Request", f"there is no symbol {parameters.quote_value(request.query_params['symbol'])}: {error}")
        except StoreError as error:
            return problem(503, "Service Unavailable", str(error), {"Retry-After": "2"})
        return tag_answer(body, request.headers.get("if-none-match", ""))

    def _status(self, request: Request) -> bytes:
        parameters.read_names(request.query_params.multi_items(), ())
        vitals = read_health_inputs(self._url, self._clock.now())
        status = format_health(vitals, judge_health(vitals)) | {"now": vitals.now, "now_utc": format_timestamp(vitals.now)}
        return orjson.dumps(status)

    def _rows(self, view: str, request: Request) -> bytes:
        query = parameters.parse_query(request.query_params.multi_items(), view, self._clock.now())
        answer: dict[str, object] = {"view": view, "limit": query.rows.limit}
        reader, past = self._reader, None
        if query.at is not None:
            tick = find_tick_by_time(reader, query.at)
            past = None if tick is None else find_past_tick(reader, tick)
            answer["as_of"] = {"tick": None, "at": None} if past is None else {"tick": past.tick, "at": past.at}
            reader = reader if past is None else Reader(self._url, busy_ms=BUSY_MS, past=past)
        is_before_all = query.at is not None and past is None
        result = ViewRows((), ()) if is_before_all else read_view_rows(reader, view, query.rows)
        return orjson.dumps(answer | {"count": len(result.rows), "rows": name_rows(result), "next": parameters.write_cursor(result.following)})


@lru_cache(maxsize=4_096)
def format_timestamp(at: int) -> str:
    """Format ns UTC as ISO text, to the ns."""
    seconds, rest = divmod(at, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def name_rows(result: ViewRows) -> list[dict[str, object]]:
    """Rows as objects, each time in ns and as text; orjson writes NaN and infinity as null."""
    times = [place for place, name in enumerate(result.columns) if name in TIME_COLUMNS]
    names = (*result.columns, *(f"{result.columns[place]}_utc" for place in times))
    return [
        dict(zip(names, (*row, *(None if row[place] is None else format_timestamp(int(row[place])) for place in times)), strict=True))
        for row in result.rows
    ]


def tag_answer(body: bytes, known: str) -> Response:
    """Respond with an ETag of the content, so that a repeated request gets only what is new."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    head = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in (tag_given.strip().removeprefix("W/") for tag_given in known.split(",")):
        return Response(status_code=304, headers=head)
    return Response(body, media_type="application/json", headers=head)


def respond_json(content: dict[str, object], code: int, **head: str) -> Response:
    """Respond with a JSON object; NaN and infinity become null."""
    return Response(orjson.dumps(content), code, head, "application/json")
