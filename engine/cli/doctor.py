"""doctor: report what is missing or wrong on this machine and what to do, line by line."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from engine import units
from engine.cli._arguments import Subcommand, UsageError, resolve_settings
from engine.files import owned_folders
from engine.files.owned_folders import LOGS, FolderTaken
from engine.libraries import find_broken_libraries
from engine.live.installation import INSTALL_LIVE, find_missing_package
from engine.settings import Settings, SettingsError
from engine.store.errors import StoreError

ROOT = Path(__file__).parent.parent.parent
MIN_FREE_BYTES = 1_000_000_000  # bytes; below this the store soon cannot grow
Finding = tuple[str, str]  # ok, note or wrong; and a sentence


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="print only what is wrong")
    parser.add_argument(
        "--repair", action="store_true", help="repair the store as far as that is safe, while no engine runs; its earlier state is kept in a copy"
    )


def _run(options: argparse.Namespace) -> int:
    if options.repair:
        _repair(resolve_settings(options, headless=False).database_url)
    findings = list(_look(options))
    for level, sentence in findings:
        if level == "wrong" or not options.quiet:
            print(f"{level:<6} {sentence}")
    return 1 if any(level == "wrong" for level, _ in findings) else 0


def _look(options: argparse.Namespace) -> Iterator[Finding]:
    yield _python(sys.version_info[:3])
    yield from check_packages(ROOT / "requirements.txt")
    yield _live_packages()
    yield from _libraries()
    yield _chart_library()
    yield _browser()
    try:
        settings = resolve_settings(options, headless=False)
    except SettingsError as error:
        yield "wrong", f"settings: {error}"
        return
    yield "ok", f"settings: {settings.feed} feed, store {settings.database_url}"
    yield _home(Path(settings.home))
    yield from _open_to_others(settings)
    yield _room(Path(settings.home))
    yield _store(settings)
    yield from _damage(settings)
    yield from _access(settings)
    yield from _webhook_secrets(settings)
    yield from _webhook_queues(settings)
    yield _port(settings)


def _repair(url: str) -> None:
    from engine.resilience.repair import repair_store
    from engine.service.clock import WallClock
    from engine.store.database import path_from_url

    if not path_from_url(url).exists():
        raise UsageError(f"there is no store at {path_from_url(url)} to repair")
    for line in repair_store(url, WallClock()):
        print(f"repair {line}")


def _python(version: tuple[int, ...]) -> Finding:
    text = ".".join(str(part) for part in version)
    return ("ok", f"Python {text}") if version >= (3, 11) else ("wrong", f"Python {text} is too old: Podium needs 3.11 or newer")


def check_packages(requirements: Path) -> Iterator[Finding]:
    """Report every package that is missing or outside its range, or that all are there."""
    wrong = 0
    names = 0
    for line in requirements.read_text(encoding="utf-8").splitlines():
        match = re.match(r"([A-Za-z0-9_.-]+)(\[[^]]*\])?(.*)", line.split("#")[0].strip())
        if not match:
            continue
        names += 1
        trouble = _package(match[1], match[3].strip())
        if trouble:
            wrong += 1
            yield "wrong", trouble
    if not wrong:
        yield "ok", f"all {names} packages of {requirements.name} are there in their ranges"


def _live_packages() -> Finding:
    missing = find_missing_package()
    if missing is None:
        return "ok", "live markets: ccxt is installed"
    return "note", f"live markets: {missing} is not installed; only --feed live needs it and installs it ({INSTALL_LIVE})"


def _libraries() -> Iterator[Finding]:
    """Report every library that cannot be loaded, for instance because a system library is missing."""
    failures = find_broken_libraries()
    yield from (("wrong", line) for line in failures)
    if not failures:
        yield "ok", "every required library can be loaded"


def _package(name: str, wanted: str) -> str | None:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"the package {name} is missing: pip install -r requirements.txt (make run does it)"
    from packaging.specifiers import SpecifierSet

    if SpecifierSet(wanted).contains(version, prereleases=True):
        return None
    return f"{name} {version} is outside {wanted}: pip install -r requirements.txt"


def _chart_library() -> Finding:
    try:
        from pages.ui import plotly_library
    except ImportError as error:  # of a library that comes with Streamlit
        return "wrong", f"charts: they cannot be served ({error}): pip install -r requirements.txt"
    if plotly_library.library_file() is not None:
        return "ok", "charts: their browser library is there"
    return "wrong", "charts: plotly.min.js is missing from the plotly package: pip install --force-reinstall plotly"


def _browser() -> Finding:
    browser = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    return (
        ("ok", f"browser for the tests: {browser}")
        if browser
        else ("note", "no Chromium: only the browser tests need it (make test installs it as root)")
    )


def _home(home: Path) -> Finding:
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return "wrong", f"{home} cannot be written: give another folder in PODIUM_HOME"
    try:
        for folder in owned_folders.FOLDERS:
            owned_folders.refuse_foreign_files(home / folder.name, folder)
    except FolderTaken as error:
        return "wrong", str(error)
    return "ok", f"data folder {home}" + ("" if home.exists() else " (made at the first start)")


def _open_to_others(settings: Settings) -> Iterator[Finding]:
    """Note files of an earlier version that other users of this machine can read."""
    from engine.store.database import path_from_url

    store = path_from_url(settings.database_url)
    collect_store_readable = [
        path for path in (store, Path(settings.home) / LOGS.name / "podium.log") if path.is_file() and path.stat().st_mode & 0o077
    ]
    if collect_store_readable:
        names = " ".join(f"{path}*" for path in collect_store_readable)
        yield "note", f"other users of this machine can read files of an earlier version: chmod 600 {names}"


def _room(home: Path) -> Finding:
    free = shutil.disk_usage(next(folder for folder in (home, *home.parents) if folder.is_dir())).free
    text = f"{units.format_bytes(free)} free on the disk of {home}"
    return ("ok", text) if free > MIN_FREE_BYTES else ("wrong", f"only {text}: free space or lower PODIUM_RETENTION")


def _store(settings: Settings) -> Finding:
    from engine.health import judge_health
    from engine.service.clock import WallClock
    from engine.service.health_inputs import read_health_inputs
    from engine.store.database import path_from_url

    path = path_from_url(settings.database_url)
    if not path.exists():
        return "ok", "the store is made at the first start"
    try:
        health = judge_health(read_health_inputs(settings.database_url, WallClock().now()))
    except StoreError as error:
        return "wrong", str(error)
    return "ok", f"the store can be read; engine: {health.state}" + (f" ({health.reasons[0]})" if health.reasons else "")


def _damage(settings: Settings) -> Iterator[Finding]:
    from engine.store.database import path_from_url
    from engine.store.integrity import find_damage

    path = path_from_url(settings.database_url)
    if not path.exists():
        return
    try:
        damage = find_damage(settings.database_url).describe()
    except StoreError as error:
        yield "wrong", str(error)
        return
    yield from (("wrong", f"{line}: stop Podium and run python -m engine doctor --repair") for line in damage)
    if not damage:
        yield "ok", "every page, index and checkpoint of the store is sound"
    for copy in sorted((*path.parent.glob(f"{path.name}.rescued-*"), *path.parent.glob(f"{path.name}.before-repair-*"))):
        yield "note", f"{copy} holds an earlier state of the store ({units.format_bytes(copy.stat().st_size)}): delete it once it is not needed"


def _access(settings: Settings) -> Iterator[Finding]:
    """Who may use the dashboard, and what is missing for others than those on this machine."""
    from dataclasses import asdict

    from engine.access.accounts import list_accounts
    from engine.service.access_settings import find_missing_access

    if settings.login == "off":
        missing = find_missing_access("0.0.0.0", asdict(settings))
        yield "ok", f"log-in is off: whoever uses this machine is an administrator; for other machines {missing}"
        return
    try:
        known = list_accounts(settings.database_url)
    except StoreError as error:
        yield "wrong", f"log-in: the accounts cannot be read: {error}"
        return
    known = tuple(account for account in known if account.is_local == (settings.login != "oidc") or settings.login == "both")
    admins = sum(account.role == "admin" for account in known)
    yield from _provider(settings)
    if not admins and settings.provider is not None and (settings.provider.admins or settings.provider.default_role == "admin"):
        yield "ok", f"log-in is on: {units.format_count(len(known), 'account')}, and [auth] names admins of the provider"
    elif not admins:
        who = "no account" if not known else "no admin among the accounts"
        yield "wrong", f"log-in is on and there is {who}: python -m engine user add NAME --role admin"
    else:
        yield "ok", f"log-in is on: {units.format_count(len(known), 'account')}, {units.format_count(admins, 'admin')}"
    if settings.tls_cert is None and not settings.behind_proxy:
        yield "note", "log-in without TLS works on this machine only: give tls_cert and tls_key, or behind_proxy, for others"


def _webhook_secrets(settings: Settings) -> Iterator[Finding]:
    """Whether the secret of each webhook can be read here."""
    from engine.service.webhook_settings import SecretUnset, read_secret

    for webhook in settings.webhooks:
        try:
            read_secret(webhook)
        except SecretUnset as error:  # a service of systemd has what a shell has not
            yield "note", f"{error}; that is for this process, the engine may have it"
        except ValueError as error:
            yield "wrong", str(error)
        else:
            yield "ok", f"webhook {webhook.name}: its secret can be read here; it is sent {', '.join(webhook.events)}"


def _webhook_queues(settings: Settings) -> Iterator[Finding]:
    """What webhooks were not sent."""
    from engine.store.database import path_from_url
    from engine.store.read.reader import Reader
    from engine.store.read.webhooks import read_webhooks

    if not path_from_url(settings.database_url).exists():
        return
    try:
        states = read_webhooks(Reader(settings.database_url), limit=1).webhooks
    except StoreError:  # named already, or a store of an earlier version
        return
    for state in states:
        if state.error is not None:
            yield "wrong", f"webhook {state.name}: {units.format_count(state.waiting, 'event')} waiting: {state.error}"
        if state.dead:
            yield "note", f"webhook {state.name}: {units.format_count(state.dead, 'dead letter')}: send them again on the page Alerts"


def _provider(settings: Settings) -> Iterator[Finding]:
    """What is missing for people to log in at the provider."""
    if settings.provider is None:
        return
    from engine.access.oidc import IdentityProvider
    from engine.access.provider_accounts import LoginRefused
    from engine.service.access_settings import SECRET_SOURCES
    from engine.service.clock import WallClock
    from engine.web.login_form import CALLBACK

    if not settings.provider.client_secret:
        yield "note", f"log-in: no client secret, so the provider must know Podium as a public client: else give {SECRET_SOURCES}"
    try:
        IdentityProvider(settings.provider, WallClock()).check()
    except LoginRefused as refused:
        yield "wrong", f"log-in: {refused}"
        return
    scheme = "https" if settings.tls_cert or settings.behind_proxy else "http"
    own = f"{scheme}://{'HOST' if settings.behind_proxy else settings.address}{'' if settings.behind_proxy else f':{settings.port}'}"
    yield "ok", f"log-in: the provider {settings.provider.host} answers; it must lead back to {own}{CALLBACK} and, after a log-out, to {own}/login"


def _port(settings: Settings) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in settings.address else socket.AF_INET) as probe:
        probe.settimeout(1.0)
        if probe.connect_ex((settings.address, settings.port)) != 0:
            return "ok", f"port {settings.port} is free"
    return "note", f"port {settings.port} is in use: Podium may be running there already; another port is set by PODIUM_PORT"


COMMAND = Subcommand("doctor", "report what is missing or wrong on this machine and what to do", _add, _run)
