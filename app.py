"""The dashboard with the engine inside: the server's lifespan owns the engine, and each page run draws the requested page."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path

from engine import libraries

try:
    from anyio import to_thread
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
    from streamlit import config
    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.runtime.scriptrunner import get_script_run_ctx
    from streamlit.starlette import App

    from engine.access.desk import FrontDesk
    from engine.domain.ports import Feed
    from engine.service.access_settings import require_own_tls, require_safe_address, require_trusted_proxies
    from engine.service.caches import ClearableCache
    from engine.service.clock import WallClock
    from engine.service.logging import LOG, open_log
    from engine.service.process_memory import share_one_arena
    from engine.service.settings_loader import load_settings
    from engine.service.supervisor import Supervisor
    from engine.settings import Settings, SettingsError
    from engine.store.errors import StoreError
    from engine.web.access_guard import USE, AccessGuard
    from engine.web.guard import Guard, internal_error
    from engine.web.routes import acknowledge_use, build_routes
    from pages.ui import cache_stats, plotly_library, scripts, session_owners, wire
    from pages.ui.base_url import BaseUrlMiddleware
    from pages.ui.navigation import NotFoundMiddleware
    from pages.ui.static_files import StaticFilesMiddleware
except (ImportError, OSError) as error:
    libraries.exit_with_remedy(error)

STOP_SECONDS = 20.0
RUNNING: list[Supervisor] = []  # that of this server, while it serves


@asynccontextmanager
async def lifespan(_: App) -> AsyncIterator[None]:
    """Start the engine with the server, not with the first browser, and stop it after its last tick before the server ends."""
    if SETTINGS.provider is not None:
        await to_thread.run_sync(_renew_roles)
    supervisor = Supervisor(SETTINGS, caches=(ClearableCache("the pages' results", cache_stats.measure_cache, cache_stats.clear_cache),))
    RUNNING.append(supervisor)
    await to_thread.run_sync(supervisor.start)
    try:
        yield
    finally:
        RUNNING.remove(supervisor)
        await to_thread.run_sync(supervisor.stop, STOP_SECONDS)


def _settings() -> Settings:
    """Return the settings; a bad setting or an address that others could reach ends the server with one line."""
    try:
        _allow_own_address()
        libraries.require_libraries(dashboard=True)
        settings = load_settings(os.environ, Path.cwd())
        require_safe_address("the server's address", _address(), asdict(settings))
        require_own_tls(settings.tls_cert, config.get_option("server.sslCertFile"), os.environ, sys.argv[1:])
        _trust_proxies(settings)
        open_log(Path(settings.home))
        _report_unused_settings(settings)
        return settings
    except (SettingsError, libraries.LibraryError) as error:
        print(f"podium: {error}", file=sys.stderr)
        raise SystemExit(64) from None


def _allow_own_address() -> None:
    """Allow browsers to connect under the address the server listens on, such as ::1 or 127.1.2.3; Streamlit refuses unknown hosts."""
    names, own = config.get_option("server.allowedHosts"), _address()
    if names and own not in names:
        config.set_option("server.allowedHosts", [*names, own])


def _trust_proxies(settings: Settings) -> None:
    """Demand that the server takes a visitor's address and scheme from the proxies of the settings, and from nobody else; tell pages about log-in."""
    if settings.login != "off":
        os.environ["PODIUM_LOGIN"] = settings.login  # an edit of podium.toml changes it for guard and pages together, at the next start
        require_trusted_proxies(settings.behind_proxy, os.environ, sys.argv[1:])


def _has_login() -> bool:
    return SETTINGS.login != "off"


def _has_proxy() -> bool:
    return bool(SETTINGS.behind_proxy)


@cache
def _front_desk() -> FrontDesk:
    """Return the desk that knows who a cookie or a token belongs to."""
    return FrontDesk(SETTINGS, WallClock())


def _renew_roles() -> None:
    """Apply the rules of [auth] as they are now to everybody who was logged in under others."""
    try:
        _front_desk().renew_roles()
    except (StoreError, OSError, ValueError) as error:
        LOG.warning("the roles of the provider's people were not renewed, and hold until their next log-in: %s", error)


def _report_unused_settings(settings: Settings) -> None:
    """Report a port or address from our settings that was read too late: Streamlit chooses both before it reads this file."""
    if not sys.argv[0].endswith("app.py"):  # another server, with flags of its own
        return
    defaults = {field.name: field.default for field in fields(Settings)}
    for name, wanted in (("port", settings.port), ("address", settings.address)):
        used = config.get_option(f"server.{name}")
        if wanted not in {used, defaults[name]}:
            text = (
                f"the {name} of PODIUM_{name.upper()} or podium.toml, {wanted}, is not used: streamlit run took {used}; add --server.{name} {wanted}"
            )
            LOG.warning(text)
            print(f"podium: {text}", file=sys.stderr)


def _store() -> str:
    return SETTINGS.database_url


def _feed() -> Feed | None:
    """Return the feed of the engine that runs in this server."""
    return RUNNING[-1].feed if RUNNING else None


def _serve_updates(request: Request) -> Response:
    """Answer what has changed on a page; the pages are loaded with the first question, when Streamlit runs."""
    from pages import update_route  # noqa: PLC0415 - its caches need the runtime, which begins after this file

    return update_route.serve_updates(_store(), request)


def _address() -> str:
    """Return the address to listen on: uvicorn's flag or variable, else Streamlit's setting, by default every interface."""
    words = iter(sys.argv[1:])
    for word in words:
        if word == "--host":
            return next(words, "")
        if word.startswith("--host="):
            return word.removeprefix("--host=")
    return os.environ.get("UVICORN_HOST") or config.get_option("server.address") or "0.0.0.0"


if get_script_run_ctx(suppress_warning=True) is None:
    app = App(
        Path(__file__).absolute(),
        lifespan=lifespan,
        routes=[
            *build_routes(_store, WallClock(), _has_login, _feed),
            plotly_library.library_route(),
            wire.payload_route(),
            Route("/podium/updates/{title}.json", _serve_updates),
            scripts.script_route(),
            Route(USE, acknowledge_use, methods=["POST"]),
        ],
        middleware=[
            Middleware(Guard, config.get_option("server.allowedHosts") or (), _has_login, _has_proxy),
            Middleware(AccessGuard, _front_desk, _has_login, session_owners.may_resume),
            Middleware(NotFoundMiddleware),
            Middleware(StaticFilesMiddleware),
            Middleware(BaseUrlMiddleware),
        ],
        exception_handlers={500: internal_error},
    )
    share_one_arena()
    SETTINGS = _settings()
    PagesManager.uses_pages_directory = False  # else a first visit by a link runs the page's script without its frame
else:  # Streamlit runs this file again for each page: it draws, and starts nothing
    from pages.ui import frame

    frame.run_page(load_settings(os.environ, Path.cwd()).database_url)
