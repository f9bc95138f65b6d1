"""Commands over HTTP: accepted once by their key, carried out by the engine, and a resource to poll."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import msgspec
import orjson
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engine.commands.router import find_command, read_arguments
from engine.domain.access import VIEW, Visitor, judge_access
from engine.domain.ports import Clock
from engine.domain.texts import find_control_character
from engine.schema import SchemaError
from engine.store.errors import StoreError
from engine.store.inbox import CommandRecord, Inbox, KeyReused
from engine.web.access_guard import find_scope_visitor
from engine.web.api_routes import ApiRoute, ReadLimit
from engine.web.openapi import describe_command_read, describe_submission
from engine.web.problems import describe_failure, problem
from engine.web.request_body import find_address, limit_requests, read_body, read_media_type
from engine.web.request_limit import RequestLimit

BUSY_MS = 2_000  # that a request waits for a locked store
MAX_BODY, MAX_KEY, MAX_REASON = 16_000, 100, 500  # bytes, characters
PATH = "/api/v1/commands"


class CommandRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request."""

    name: str
    args: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
    reason: str = ""


class CommandsApi:
    """Submits and reads commands of one store."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url, self._clock, self._limit = url, clock, RequestLimit(clock)

    async def submit(self, request: Request) -> Response:
        """Answer 202 with the command, the same one for the same key; else the problem."""
        visitor = find_scope_visitor(request.scope)
        refusal = limit_requests(self._limit, visitor, "commands")
        if refusal is not None:
            return refusal
        body = await read_body(request, MAX_BODY, "give name, args and reason only")
        if isinstance(body, Response):
            return body
        if read_media_type(request) != "application/json":
            return problem(415, "Unsupported Media Type", "send application/json")
        try:
            sent = msgspec.json.decode(body, type=CommandRequest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return problem(400, "Bad Request", f'this is no command: {" ".join(str(error).split())[:200]}; send {{"name", "args", "reason"}}')
        key = request.headers.get("idempotency-key", "")
        if not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
            return problem(400, "Bad Request", f"give an Idempotency-Key of 1 to {MAX_KEY} characters, a new one for each command")
        return await to_thread.run_sync(self._submit, sent, key, visitor, find_address(request))

    def read(self, request: Request) -> Response:
        """Answer 200 with a command and its result; 404 where there is none that this visitor may see."""
        return self._read(str(request.path_params["number"]), find_scope_visitor(request.scope))

    def _submit(self, sent: CommandRequest, key: str, visitor: Visitor | None, address: str) -> Response:
        values = {name: _write_value(value) for name, value in sent.args.items()}
        try:
            command = find_command(sent.name)
            _require_plain(sent.reason, *values.values())
            read_arguments(sent.name, values)
        except (SchemaError, ValueError) as error:
            return problem(422, "Unprocessable Content", str(error))
        origin = f"API, {address}"
        inbox = Inbox(self._url, busy_ms=BUSY_MS)
        try:
            refusal = judge_access(visitor, command.right, sent.name)
            if refusal is not None or visitor is None:
                inbox.enter_refusal(sent.name, "nobody" if visitor is None else visitor.name, str(refusal), self._clock.now(), origin)
                return problem(403, "Forbidden", str(refusal))
            account = visitor.name if visitor.is_known else None
            number = inbox.submit(sent.name, values, account or "API", sent.reason, self._clock.now(), origin, account, key)
            record = inbox.get(number)
        except KeyReused as error:
            return problem(422, "Unprocessable Content", str(error))
        except StoreError as error:
            return describe_failure(error, "commands can neither be sent nor read")
        finally:
            inbox.close()
        return JSONResponse(_describe(record), 202, {"Location": f"{PATH}/{number}"})

    def _read(self, text: str, visitor: Visitor | None) -> Response:
        record = None
        if text.isascii() and text.isdigit() and len(text) < 19:
            inbox = Inbox(self._url, busy_ms=BUSY_MS)
            try:
                record = inbox.get(int(text))
            except StoreError as error:
                return describe_failure(error, "commands can neither be sent nor read")
            finally:
                inbox.close()
        is_sender = record is not None and visitor is not None and record.command.by == visitor.name
        refusal = None if is_sender else judge_access(visitor, VIEW)
        if refusal is not None:
            return problem(403, "Forbidden", refusal)
        if record is None:
            return problem(404, "Not Found", f"there is no command {text[:20]}")
        return JSONResponse(_describe(record))


def build_command_routes(address: Callable[[], str], clock: Clock, limit: ReadLimit) -> list[ApiRoute]:
    """Build the routes; `address` gives that of the store, on the first request."""

    @cache
    def api() -> CommandsApi:
        return CommandsApi(address(), clock)

    async def submit(request: Request) -> Response:
        return await api().submit(request)

    return [
        ApiRoute(PATH, submit, describe_submission(), "POST"),
        ApiRoute(f"{PATH}/{{number}}", limit.guard(lambda request: api().read(request)), describe_command_read()),
    ]


def _describe(record: CommandRecord | None) -> Mapping[str, object]:
    if record is None:  # deleted by retention since
        return {}
    command = record.command
    return {
        "id": command.id, "name": command.name, "args": dict(command.args), "by": command.by, "reason": command.reason, "at": record.at,
        "status": record.status, "started_at": record.started_at, "finished_at": record.finished_at, "progress": record.progress,
        "result": None if record.result is None else orjson.loads(record.result),
    }  # fmt: skip


def _write_value(value: str | float | bool) -> str:
    """An argument as people write it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:.17g}" if isinstance(value, float) else str(value)


def _require_plain(*texts: str) -> None:
    for text in texts:
        fault = find_control_character(text)
        if fault is not None:
            raise ValueError(f"a text has {fault}: give texts of one line without it")
    if len(texts[0]) > MAX_REASON:
        raise ValueError(f"the reason has {len(texts[0])} characters: give at most {MAX_REASON}")
