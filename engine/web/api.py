"""The answers of /api/v1: the newest rows of a view as JSON, bounded whatever is asked."""

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
TIME_COLUMNS = ("at", "since", "changed_at")  # columns in ns UTC; each is told as text beside
BUSY_MS = 300  # rather "locked" than a wait


class Api:
    """Answers reads of one store."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url, self._clock = url, clock
        self._reader = Reader(url, busy_ms=BUSY_MS)

    def answer(self, request: Request) -> Response:
        """200 with JSON, 304 where the reader has it, 400 in one line for what cannot be asked, 503 while the store cannot be read."""
        name = str(request.scope["path"]).rsplit("/", 1)[-1]
        try:
            told = self._status(request) if name == "status" else self._rows(name, request)
        except BadRequest as error:
            return _json({"error": str(error)}, 400)
        except NoSuchSymbol as error:
            return _json({"error": f"there is no symbol {parameters.quote_value(request.query_params['symbol'])}: {error}"}, 400)
        except StoreError as error:
            return _json({"error": str(error)}, 503, **{"Retry-After": "2"})
        return _tagged(told, request.headers.get("if-none-match", ""))

    def _status(self, request: Request) -> bytes:
        parameters.parse_query(request.query_params.multi_items(), (), self._clock.now())
        vitals = read_health_inputs(self._url, self._clock.now())
        told = format_health(vitals, judge_health(vitals)) | {"now": vitals.now, "now_utc": format_timestamp(vitals.now)}
        return orjson.dumps(told)

    def _rows(self, view: str, request: Request) -> bytes:
        asked = parameters.parse_query(request.query_params.multi_items(), api.list_parameters(view), self._clock.now())
        told = api.read_newest_rows(self._reader, view, symbol=asked.symbol, since=asked.since, limit=asked.limit)
        return orjson.dumps({"view": view, "limit": asked.limit, "count": len(told.rows), "rows": _named(told)})


def format_timestamp(at: int) -> str:
    """ns UTC as ISO text, to the ns."""
    seconds, rest = divmod(at, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _named(told: ViewRows) -> list[dict[str, object]]:
    """A row as an object, each time in ns and as text; NaN and infinity become null with orjson."""
    times = [(place, f"{name}_utc") for place, name in enumerate(told.columns) if name in TIME_COLUMNS]
    return [
        dict(zip(told.columns, row, strict=True)) | {name: None if row[place] is None else format_timestamp(int(row[place])) for place, name in times}
        for row in told.rows
    ]


def _tagged(body: bytes, known: str) -> Response:
    """With a tag of what it says, so that who asks again is told only what is new."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    head = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in (one.strip().removeprefix("W/") for one in known.split(",")):
        return Response(status_code=304, headers=head)
    return Response(body, media_type="application/json", headers=head)


def _json(told: dict[str, object], code: int, **head: str) -> Response:
    return Response(orjson.dumps(told), code, head, "application/json")
