"""A route of the API together with its description, so that the OpenAPI document has every route and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from engine.domain.ports import Clock
from engine.web.access_guard import find_scope_visitor
from engine.web.problems import problem
from engine.web.request_limit import READS, RequestLimit

Schema = dict[str, Any]  # of JSON, as OpenAPI 3.1 has it
Handler = Callable[[Request], Awaitable[Response]]
PREFIX = "/api/v1"


class ApiRoute(Route):
    """A route for one method, with its operation in OpenAPI's form."""

    def __init__(self, path: str, endpoint: Handler, operation: Mapping[str, Any], method: str = "GET") -> None:
        super().__init__(path, endpoint, methods=[method])
        self.operation, self.method = dict(operation), method


class ReadLimit:
    """Limits how often each person or program that is known reads; whoever reaches a Podium without log-in is not limited."""

    def __init__(self, clock: Clock) -> None:
        self._limit = RequestLimit(clock, READS)

    def guard(self, answer: Callable[[Request], Response]) -> Handler:
        """Answer in a thread, or 429 while a visitor has asked too often."""

        async def answer_in_thread(request: Request) -> Response:
            refusal = self.refuse(request)
            return refusal if refusal is not None else await to_thread.run_sync(answer, request)

        return answer_in_thread

    def refuse(self, request: Request) -> Response | None:
        """The answer to a visitor who has asked too often; None where they have not."""
        visitor = find_scope_visitor(request.scope)
        wait = self._limit.take(visitor.name) if visitor is not None and visitor.is_known else 0
        if not wait:
            return None
        return problem(429, "Too Many Requests", f"too many requests at once: send the next one in {wait} s", {"Retry-After": str(wait)})


def refuse_unknown(request: Request, routes: Sequence[ApiRoute]) -> Response:
    """Answer 405 with the methods that an address takes, and 404 where there is nothing."""
    path = str(request.scope["path"])
    methods = sorted({
        method
        for route in routes
        if route.matches({**request.scope, "root_path": ""})[0] is Match.PARTIAL
        for method in route.methods or ()
    })  # fmt: skip
    if methods:
        allowed = ", ".join(methods)
        return problem(405, "Method Not Allowed", f"{path} takes {allowed} and not {request.method}", {"Allow": allowed})
    return problem(404, "Not Found", f"there is nothing at {path}")
