"""run: the engine without a dashboard."""

from __future__ import annotations

import argparse
import signal
from types import FrameType
from typing import TYPE_CHECKING

from engine import libraries
from engine.cli._arguments import Subcommand, add_evolution_option, add_feed_options, print_notice, require_server, resolve_feed_settings
from engine.live.exchange import ExchangeUnreachable
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.service.supervisor import Supervisor

POLL_SECONDS = 0.25  # between two looks for a signal
STOP_SECONDS = 30.0


def _add(parser: argparse.ArgumentParser) -> None:
    add_feed_options(parser, ticks="stop after N ticks")
    parser.add_argument("--pace", metavar="S", help=argparse.SUPPRESS)  # the name of --tick-interval until version 0.4
    add_evolution_option(parser)


def _run(options: argparse.Namespace) -> int:
    settings = resolve_feed_settings(options, pace_seconds=options.pace)
    require_server(settings, "run")
    return run_engine(settings, options.ticks)


def run_engine(settings: Settings, ticks: int | None) -> int:
    """Run the engine until its ticks are done, the recording ends or a signal arrives."""
    libraries.require_libraries(dashboard=False)
    from engine.service.supervisor import Supervisor

    signals: list[int] = []
    opened = False

    def stop(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        if not opened:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    host = Supervisor(settings, ticks=ticks)
    try:
        _open(host)
        shown = host.error
        opened = True
        host.start()
        for note in host.data_notes:
            print_notice(f"podium: {note}")
        print_notice(f"podium: deciding on the {settings.feed} market, store {settings.database_url}; Ctrl-C stops it after the current tick")
        while not signals and not host.ended.wait(POLL_SECONDS):
            if host.error not in {None, shown}:
                print_notice(f"podium: {host.error}")
            shown = host.error
    finally:
        opened = True  # a second signal must not interrupt the stop
        clean = host.stop(STOP_SECONDS)
        for number, handler in before.items():
            signal.signal(number, handler)
    print_notice(f"podium: stopped after {host.ticks_decided} ticks" + (f": {host.error}" if host.error else ""))
    return 0 if clean and host.error is None else 1


def _open(host: Supervisor) -> None:
    """Open the engine; where the exchange does not answer, the host tries again once it is started."""
    from engine.service.scheduler import describe_error

    try:
        host.open()
    except ExchangeUnreachable as error:
        print_notice(f"podium: {error}; it is tried again until it answers")
        host.report_absence(describe_error(error))


COMMAND = Subcommand("run", "run the engine without a dashboard", _add, _run)
