"""serve: the dashboard with the engine inside, as `make run` starts it."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import socket
import sys
from pathlib import Path

from engine.cli._arguments import Subcommand, UsageError, add_changes_option, add_evolution_option, print_notice, resolve_settings
from engine.live.exchange import require_exchange
from engine.service.access_settings import TRUSTED_PROXIES
from engine.service.logging import open_log
from engine.service.process_memory import ONE_ARENA
from engine.settings import Settings

ROOT = Path(__file__).parent.parent.parent
FLAGS = {"feed": "PODIUM_FEED", "path": "PODIUM_FEED_PATH", "exchange": "PODIUM_EXCHANGE", "symbols": "PODIUM_SYMBOLS",
         "interval": "PODIUM_INTERVAL", "seed": "PODIUM_SEED", "signal": "PODIUM_SIM_SIGNAL", "changes": "PODIUM_SIM_CHANGES",
         "evolution": "PODIUM_EVOLUTION", "port": "PODIUM_PORT", "address": "PODIUM_ADDRESS"}  # fmt: skip


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--feed", metavar="FEED", help="simulated, recorded, live or push")
    parser.add_argument("--path", metavar="DIR", help="the folder of a recording")
    parser.add_argument("--exchange", metavar="NAME", help="the exchange of the live market, by its name in ccxt")
    parser.add_argument("--symbols", metavar="A,B")
    parser.add_argument("--interval", metavar="5m")
    parser.add_argument("--seed", metavar="N")
    parser.add_argument("--signal", metavar="X", help="signal of the simulated market; 0 is a martingale")
    add_changes_option(parser)
    add_evolution_option(parser)
    parser.add_argument("--port", metavar="N")
    parser.add_argument("--address", metavar="IP", help="other than loopback only with log-in and TLS (docs/access.md)")


def _run(options: argparse.Namespace) -> int:
    with contextlib.redirect_stderr(io.StringIO()):  # the server reads the settings again, and names the old names among them
        settings = resolve_settings(
            options,
            headless=False,
            feed_path=options.path,
            exchange=options.exchange,
            sim_signal=options.signal,
            sim_changes=options.changes,
            port=options.port,
            address=options.address,
        )
    if settings.feed == "live":
        require_exchange(settings)  # a wrong name is refused, and ccxt installed, before the server starts
    _demand_free(settings)
    open_log(Path(settings.home))
    os.environ.update({FLAGS[flag]: str(getattr(options, flag)) for flag in FLAGS if getattr(options, flag) is not None})
    if settings.feed_path:
        os.environ["PODIUM_FEED_PATH"] = settings.feed_path
    os.environ.setdefault(*ONE_ARENA)
    os.environ[TRUSTED_PROXIES] = ",".join(settings.behind_proxy)  # uvicorn reads it before app.py; without it, it believes loopback
    host = f"[{settings.address}]" if ":" in settings.address else settings.address
    print_notice(
        f"Podium on {'https' if settings.tls_cert else 'http'}://{host}:{settings.port} ({settings.feed} market, store and log in {settings.home})"
    )
    sys.stdout.flush()
    # the server replaces this process, so signals reach it
    tls = [] if settings.tls_cert is None else ["--server.sslCertFile", settings.tls_cert, "--server.sslKeyFile", str(settings.tls_key)]
    os.execv(sys.executable, [
        sys.executable, "-m", "engine.cli._streamlit", "run", str(ROOT / "app.py"), "--server.port", str(settings.port),
        "--server.address", settings.address, "--server.headless", "true", *tls,
    ])  # fmt: skip


def _demand_free(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.address, settings.port))
        except OSError as error:
            raise UsageError(f"port {settings.port} on {settings.address} cannot be used ({error.strerror}): set PODIUM_PORT to another") from None


COMMAND = Subcommand("serve", "run the dashboard with the engine inside, as make run does", _add, _run)
