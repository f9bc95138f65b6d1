"""The server's addresses besides pages."""

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
    """Every route; `address` tells the store's, once it is asked for the first time."""

    @cache
    def metrics() -> Metrics:
        return Metrics(address(), clock)

    @cache
    def api() -> Api:
        return Api(address(), clock)

    def healthz(request: Request) -> JSONResponse:
        """200 while an engine holds the store and its ticks are not stalled, else 503; who holds it does not matter."""
        del request
        try:
            vitals = read_vitals(address(), clock.now())
        except StoreFailed as error:
            return JSONResponse({"state": "down", "reasons": [str(error)]}, 503)
        health = judge(vitals)
        return JSONResponse(as_json(vitals, health), 200 if health.alive else 503)

    def scraped(request: Request) -> Response:
        del request
        return Response(metrics().text(), media_type=CONTENT_TYPE)

    def told(request: Request) -> Response:
        return api().answer(request)

    return [
        Route("/healthz", healthz),
        Route("/metrics", scraped),
        *(Route(f"/api/v1/{name}", told) for name in NAMES),
        Route("/api/v1/commands", later, methods=["POST"]),
        Route("/api/{rest:path}", unknown, methods=ANY),
    ]


def later(request: Request) -> JSONResponse:
    """For the addresses that are kept for a later stage."""
    return JSONResponse({"error": f"{request.scope['path']} is not there yet: the address is kept for a later stage"}, 501)


def unknown(request: Request) -> JSONResponse:
    return JSONResponse({"error": f"there is nothing at {request.scope['path']}"}, 404)
