"""The intents of outside bots over HTTP: accepted once by their key, or refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engine.domain.ports import Clock
from engine.health import judge_health
from engine.service.health_inputs import read_health_inputs
from engine.store.errors import StoreError
from engine.store.intents import IntentBox, IntentConflicts, IntentDraft, IntentReceipt, IntentRefused, IntentTooEarly
from engine.web.access_guard import find_scope_visitor
from engine.web.api import format_timestamp
from engine.web.api_routes import ApiRoute
from engine.web.openapi_posts import describe_intent
from engine.web.parameters import BadRequest, parse_time
from engine.web.problems import describe_failure, problem
from engine.web.request_body import find_address, limit_requests, read_body, read_media_type, refuse_push
from engine.web.request_limit import Rate, RequestLimit

PATH = "/api/v1/intents"
MAX_BODY, MAX_KEY, BUSY_MS = 4_000, 100, 2_000  # bytes, characters, ms
INTENTS = Rate(100.0, 10.0)  # of a visitor
SHAPE = '{"bot", "symbol", "target", "bar", "if_late"}'


class IntentRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request."""

    bot: str
    symbol: str
    target: float
    bar: int | str | None = None
    if_late: str = "refuse"


class IntentsApi:
    """Takes the intents of one store."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url, self._clock, self._limit = url, clock, RequestLimit(clock, INTENTS)

    async def submit(self, request: Request) -> Response:
        """Answer 201 with the intent as it was stamped, the same one for the same key; else the problem."""
        visitor, received_at = find_scope_visitor(request.scope), self._clock.now()
        refusal = limit_requests(self._limit, visitor, "intents")
        if refusal is None:
            refusal = await to_thread.run_sync(refuse_push, self._url, visitor, "intent", received_at, find_address(request))
        if refusal is not None or visitor is None:
            return refusal or problem(403, "Forbidden", "log in first")
        body = await read_body(request, MAX_BODY, f"give {SHAPE} only")
        if isinstance(body, Response):
            return body
        if read_media_type(request) != "application/json":
            return problem(415, "Unsupported Media Type", "send application/json")
        key = request.headers.get("idempotency-key", "")
        if not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
            return problem(400, "Bad Request", f"give an Idempotency-Key of 1 to {MAX_KEY} characters, a new one for each intent")
        try:
            sent = msgspec.json.decode(body, type=IntentRequest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return problem(400, "Bad Request", f"this is no intent: {' '.join(str(error).split())[:200]}; send {SHAPE}")
        return await to_thread.run_sync(self._submit, sent, key, visitor.name, received_at)

    def _submit(self, sent: IntentRequest, key: str, sender: str, received_at: int) -> Response:
        try:
            if not judge_health(read_health_inputs(self._url, self._clock.now())).alive:
                return problem(503, "Service Unavailable", "the engine is down: the intent does not count; send it again", {"Retry-After": "5"})
            draft = _read_draft(sent, received_at)
            box = IntentBox(self._url, busy_ms=BUSY_MS)
            try:
                receipt = box.submit(draft, sender, key, received_at)
            finally:
                box.close()
        except IntentConflicts as error:
            return problem(409, "Conflict", str(error))
        except IntentTooEarly as error:
            return problem(503, "Service Unavailable", str(error), {"Retry-After": "5"})
        except (IntentRefused, BadRequest) as error:
            return problem(422, "Unprocessable Content", str(error))
        except StoreError as error:
            return describe_failure(error, "no intent can be taken")
        return JSONResponse(_describe_receipt(receipt), 201)


def _read_draft(sent: IntentRequest, now: int) -> IntentDraft:
    if sent.if_late not in {"refuse", "next"}:
        raise IntentRefused(f"if_late is {sent.if_late[:20]!r}: give refuse, or next for the bar after a bar that has closed")
    try:
        bar = sent.bar if sent.bar is None or isinstance(sent.bar, int) else parse_time(sent.bar, now, "bar")
    except BadRequest as error:
        raise IntentRefused(str(error)) from None
    if bar is not None and not 0 < bar < 2**63:
        raise IntentRefused(f"bar={bar} is no time: give the close of the bar in ns since 1970, or as 2026-01-05T14:31:00Z")
    return IntentDraft(sent.bot, sent.symbol, sent.target, bar, sent.if_late == "next")


def _describe_receipt(receipt: IntentReceipt) -> dict[str, object]:
    return {
        "id": receipt.id, "bot": receipt.bot, "symbol": receipt.symbol, "target": receipt.target, "bar": receipt.bar,
        "bar_utc": format_timestamp(receipt.bar), "received_at": receipt.received_at, "received_at_utc": format_timestamp(receipt.received_at),
        "was_late": receipt.was_late,
    }  # fmt: skip


def build_intent_routes(address: Callable[[], str], clock: Clock) -> list[ApiRoute]:
    """Build the route; `address` gives that of the store, on the first request."""

    @cache
    def intents() -> IntentsApi:
        return IntentsApi(address(), clock)

    async def submit(request: Request) -> Response:
        return await intents().submit(request)

    return [ApiRoute(PATH, submit, describe_intent(), "POST")]
