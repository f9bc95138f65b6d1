"""The answers of /api/v1: the newest rows of a view as JSON, always bounded."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import orjson
from starlette.requests import Request
from starlette.responses import Response

from engine.domain.ports import Clock
from engine.health import judge_health
from engine.service.health_inputs import format_health, read_health_inputs
from engine.store.errors import StoreError
from engine.store.read import api
from engine.store.read.api import NoSuchSymbol, ViewRows
from engine.store.read.reader import Reader
from engine.web import parameters
from engine.web.parameters import BadRequest

ENDPOINTS = ("status", *api.API_VIEWS)
TIME_COLUMNS = ("at", "since", "changed_at", "bar", "last_at")  # columns in ns UTC; each is repeated as text
BUSY_MS = 300  # answer "locked" rather than wait


class Api:
    """Answers reads of one store."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url, self._clock = url, clock
        self._reader = Reader(url, busy_ms=BUSY_MS)

    def answer(self, request: Request) -> Response:
        """Answer 200 with JSON, 304 where the reader has it already, 400 in one line for a bad query, 503 while the store cannot be read."""
        name = str(request.scope["path"]).rsplit("/", 1)[-1]
        try:
            body = self._status(request) if name == "status" else self._rows(name, request)
        except BadRequest as error:
            return respond_json({"error": str(error)}, 400)
        except NoSuchSymbol as error:
            return respond_json({"error": f"there is no symbol {parameters.quote_value(request.query_params['symbol'])}: {error}"}, 400)
        except StoreError as error:
            return respond_json({"error": str(error)}, 503, **{"Retry-After": "2"})
        return _tagged(body, request.headers.get("if-none-match", ""))

    def _status(self, request: Request) -> bytes:
        parameters.parse_query(request.query_params.multi_items(), (), self._clock.now())
        vitals = read_health_inputs(self._url, self._clock.now())
        status = format_health(vitals, judge_health(vitals)) | {"now": vitals.now, "now_utc": format_timestamp(vitals.now)}
        return orjson.dumps(status)

    def _rows(self, view: str, request: Request) -> bytes:
        query = parameters.parse_query(request.query_params.multi_items(), api.list_parameters(view), self._clock.now())
        result = api.read_newest_rows(self._reader, view, symbol=query.symbol, since=query.since, limit=query.limit)
        return orjson.dumps({"view": view, "limit": query.limit, "count": len(result.rows), "rows": name_rows(result)})


def format_timestamp(at: int) -> str:
    """Format ns UTC as ISO text, to the ns."""
    seconds, rest = divmod(at, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def name_rows(result: ViewRows) -> list[dict[str, object]]:
    """Return rows as objects, each time in ns and as text; orjson writes NaN and infinity as null."""
    times = [(place, f"{name}_utc") for place, name in enumerate(result.columns) if name in TIME_COLUMNS]
    return [
        dict(zip(result.columns, row, strict=True))
        | {name: None if row[place] is None else format_timestamp(int(row[place])) for place, name in times}
        for row in result.rows
    ]


def _tagged(body: bytes, known: str) -> Response:
    """Respond with an ETag of the content, so that a repeated request gets only what is new."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    head = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in (tag_given.strip().removeprefix("W/") for tag_given in known.split(",")):
        return Response(status_code=304, headers=head)
    return Response(body, media_type="application/json", headers=head)


def respond_json(content: dict[str, object], code: int, **head: str) -> Response:
    """Respond with a JSON object; NaN and infinity become null."""
    return Response(orjson.dumps(content), code, head, "application/json")
