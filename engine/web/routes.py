"""The addresses of the server besides its pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from engine.domain.ports import Clock, Feed
from engine.health import judge_health
from engine.service.health_inputs import format_health, read_health_inputs
from engine.store.errors import StoreError
from engine.store.read.api_views import list_api_views
from engine.web.access_guard import find_scope_visitor
from engine.web.api import Api, tag_answer
from engine.web.api_routes import PREFIX, ApiRoute, ReadLimit, Schema, refuse_unknown
from engine.web.commands_api import build_command_routes
from engine.web.intents_api import build_intent_routes
from engine.web.market_api import build_market_routes
from engine.web.metrics import CONTENT_TYPE, StoreCollector
from engine.web.openapi import build_document, describe_object, describe_view
from engine.web.stream import build_stream_route

ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]


def build_routes(
    address: Callable[[], str], clock: Clock, has_login: Callable[[], bool] = lambda: False, feed: Callable[[], Feed | None] = lambda: None
) -> list[BaseRoute]:
    """Build every route; `address` gives that of the store, on the first request, `feed` that of the engine in this process."""

    @cache
    def metrics() -> StoreCollector:
        return StoreCollector(address(), clock)

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

    served = build_api_routes(address, clock, has_login, feed)

    async def refuse(request: Request) -> Response:
        return refuse_unknown(request, served)

    return [
        Route("/healthz", healthz),
        Route("/metrics", scrape),
        *served,
        Route("/api/{rest:path}", refuse, methods=ALL_METHODS),
    ]


def acknowledge_use(request: Request) -> Response:  # noqa: ARG001 - as Starlette calls it
    """Answer a page that reports a person's use; the guard has noted it already."""
    return Response(status_code=204)


def build_api_routes(address: Callable[[], str], clock: Clock, has_login: Callable[[], bool], feed: Callable[[], Feed | None]) -> list[ApiRoute]:
    """Build the routes under /api/v1, each with its description."""

    @cache
    def api() -> Api:
        return Api(address(), clock)

    limit = ReadLimit(clock)

    def read(name: str, operation: Schema) -> ApiRoute:
        return ApiRoute(f"{PREFIX}/{name}", limit.guard(lambda request: api().answer(name, request)), operation)

    @cache
    def document() -> bytes:
        return orjson.dumps(build_document(served, has_login=has_login()))

    def describe(request: Request) -> Response:
        return tag_answer(document(), request.headers.get("if-none-match", ""))

    served = [
        read("status", describe_object("The state of the engine", "The object of /healthz, with the time of the answer.")),
        *(read(view.name, describe_view(view)) for view in list_api_views().values()),
        *build_command_routes(address, clock, limit),
        *build_market_routes(address, clock, feed),
        *build_intent_routes(address, clock),
        build_stream_route(address, clock, limit),
        ApiRoute(f"{PREFIX}/openapi.json", limit.guard(describe), describe_object("This document", "OpenAPI 3.1.")),
    ]
    return served
