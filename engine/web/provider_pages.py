"""The two pages of a log-in at an identity provider: the one that leads there, and the one that it leads back to."""

from __future__ import annotations

from functools import cache

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from engine.access.accounts import LoginResult
from engine.access.desk import FrontDesk
from engine.access.provider_accounts import LoginRefused
from engine.web.login_form import CALLBACK, LOGIN, choose_target, find_address, set_cookie, show_login

PENDING_COOKIE = "podium_provider"
PENDING_SECONDS = 600
MAX_ANSWER = 4_000  # letters of a code or a state


async def leave(desk: FrontDesk, request: Request) -> Response:
    """Lead somebody to the provider's page."""
    refusal = _refuse_method(request)
    if refusal is not None or desk.provider_desk is None:
        return refusal or PlainTextResponse("Not Found\n", 404)
    target = choose_target(request.query_params.get("next", "/"))
    try:
        url, cookie = await to_thread.run_sync(desk.provider_desk.begin, _own_address(request) + CALLBACK, target, limiter=_asking())
    except LoginRefused as refused:
        return show_login(desk, request, target, words=str(refused), code=refused.code)
    response = RedirectResponse(url, 303)
    set_cookie(response, request, PENDING_COOKIE, cookie, PENDING_SECONDS, path=LOGIN)
    return response


async def take_answer(desk: FrontDesk, request: Request) -> tuple[LoginResult, str] | Response:
    """Take what the provider sent somebody back with: the result and the page to open, or the form with the reason why there is none."""
    refusal = _refuse_method(request)
    if refusal is not None or desk.provider_desk is None:
        return refusal or PlainTextResponse("Not Found\n", 404)
    answer = {name: value for name, value in request.query_params.items() if len(value) <= MAX_ANSWER}
    cookie, address = request.cookies.get(PENDING_COOKIE), find_address(request)
    try:
        return await to_thread.run_sync(desk.provider_desk.finish, cookie, answer, address, limiter=_asking())
    except LoginRefused as refused:
        return show_login(desk, request, "/", words=str(refused), code=refused.code)


async def find_logout(desk: FrontDesk, request: Request) -> str | None:
    """The provider's page that ends the log-in there; None where there is none."""
    if desk.provider_desk is None:
        return None
    return await to_thread.run_sync(desk.provider_desk.provider.find_logout, _own_address(request) + LOGIN, limiter=_asking())


@cache
def _asking() -> CapacityLimiter:
    """The threads that may wait for the provider at the same time, and none of those that answer who is logged in."""
    return CapacityLimiter(4)


def _refuse_method(request: Request) -> Response | None:
    if request.method not in {"GET", "HEAD"}:
        return PlainTextResponse("Method Not Allowed\n", 405, {"Allow": "GET"})
    return None


def _own_address(request: Request) -> str:
    """The address that the browser has opened; the guard has checked its host, and the provider knows the addresses that it leads back to."""
    return f"{request.url.scheme}://{request.url.netloc}"
