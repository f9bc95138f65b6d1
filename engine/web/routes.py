"""The addresses of the server besides its pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engine.domain.ports import Clock
from engine.health import judge_health
from engine.service.health_inputs import format_health, read_health_inputs
from engine.store.errors import StoreError
from engine.web.access_guard import find_scope_visitor
from engine.web.api import ENDPOINTS, Api
from engine.web.commands_api import build_command_routes
from engine.web.metrics import CONTENT_TYPE, StoreCollector

ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def build_routes(address: Callable[[], str], clock: Clock) -> list[Route]:
    """Build every route; `address` gives that of the store, on the first request."""

    @cache
    def metrics() -> StoreCollector:
        return StoreCollector(address(), clock)

    @cache
    def api() -> Api:
        return Api(address(), clock)

    def healthz(request: Request) -> JSONResponse:
        """Answer 200 while an engine, of any process, holds the store and its ticks are not stalled; else 503. Nobody gets more than the state."""
        is_known = find_scope_visitor(request.scope) is not None
        try:
            vitals = read_health_inputs(address(), clock.now())
        except StoreError as error:
            return JSONResponse({"state": "down", "reasons": [str(error)] if is_known else []}, 503)
        health = judge_health(vitals)
        return JSONResponse(format_health(vitals, health) if is_known else {"state": health.state}, 200 if health.alive else 503)

    def scrape(request: Request) -> Response:
        del request
        return Response(metrics().text(), media_type=CONTENT_TYPE)

    def answer(request: Request) -> Response:
        return api().answer(request)

    return [
        Route("/healthz", healthz),
        Route("/metrics", scrape),
        *(Route(f"/api/v1/{name}", answer) for name in ENDPOINTS),
        *build_command_routes(address, clock),
        Route("/api/v1/market", refuse_reserved, methods=["POST"]),
        Route("/api/v1/stream", refuse_reserved),
        Route("/api/v1/openapi.json", refuse_reserved),
        Route("/api/{rest:path}", refuse_unknown, methods=ALL_METHODS),
    ]


def acknowledge_use(request: Request) -> Response:  # noqa: ARG001 - as Starlette calls it
    """Answer a page that reports a person's use; the guard has noted it already."""
    return Response(status_code=204)


def refuse_reserved(request: Request) -> JSONResponse:
    """Answer 501 for an address that is reserved for a later version."""
    return JSONResponse({"error": f"{request.scope['path']} is not there yet: the address is reserved for a later version"}, 501)


def refuse_unknown(request: Request) -> JSONResponse:
    return JSONResponse({"error": f"there is nothing at {request.scope['path']}"}, 404)
