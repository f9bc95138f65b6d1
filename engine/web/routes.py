"""The addresses of the server besides its pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engine.domain.ports import Clock
from engine.health import judge
from engine.shell.vitals import as_json, read_vitals
from engine.store.errors import StoreFailed
from engine.web.api import NAMES, Api
from engine.web.metrics import CONTENT_TYPE, Metrics

ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def routes(address: Callable[[], str], clock: Clock) -> list[Route]:
    """Build every route; `address` gives that of the store, on the first request."""

    @cache
    def metrics() -> Metrics:
        return Metrics(address(), clock)

    @cache
    def api() -> Api:
        return Api(address(), clock)

    def healthz(request: Request) -> JSONResponse:
        """Answer 200 while an engine, of any process, holds the store and its ticks are not stalled; else 503."""
        del request
        try:
            vitals = read_vitals(address(), clock.now())
        except StoreFailed as error:
            return JSONResponse({"state": "down", "reasons": [str(error)]}, 503)
        health = judge(vitals)
        return JSONResponse(as_json(vitals, health), 200 if health.alive else 503)

    def scrape(request: Request) -> Response:
        del request
        return Response(metrics().text(), media_type=CONTENT_TYPE)

    def answer(request: Request) -> Response:
        return api().answer(request)

    return [
        Route("/healthz", healthz),
        Route("/metrics", scrape),
        *(Route(f"/api/v1/{name}", answer) for name in NAMES),
        Route("/api/v1/commands", later, methods=["POST"]),
        Route("/api/v1/market", later, methods=["POST"]),
        Route("/api/v1/stream", later),
        Route("/api/v1/openapi.json", later),
        Route("/api/{rest:path}", unknown, methods=ANY),
    ]


def later(request: Request) -> JSONResponse:
    """Answer 501 for an address that is reserved for a later version."""
    return JSONResponse({"error": f"{request.scope['path']} is not there yet: the address is reserved for a later version"}, 501)


def unknown(request: Request) -> JSONResponse:
    return JSONResponse({"error": f"there is nothing at {request.scope['path']}"}, 404)
