"""run: the engine without a dashboard."""

from __future__ import annotations

import argparse
import signal
from types import FrameType

from engine import libraries
from engine.cli._arguments import (
    Subcommand,
    add_changes_option,
    add_evolution_option,
    integer_in_range,
    print_notice,
    resolve_settings,
)
from engine.settings import Settings

POLL_SECONDS = 0.25  # between two looks for a signal
STOP_SECONDS = 30.0


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--feed", metavar="FEED", help="simulated, recorded or live")
    parser.add_argument("--path", metavar="DIR", help="the folder of a recording")
    parser.add_argument("--exchange", metavar="NAME", help="the exchange of the live market, by its name in ccxt")
    parser.add_argument("--symbols", metavar="A,B", help="some of the feed's symbols")
    parser.add_argument("--interval", metavar="5m", help="bars of another length")
    parser.add_argument("--seed", metavar="N")
    parser.add_argument("--tick-interval", metavar="S", help="seconds between ticks, 0 for as fast as possible")
    parser.add_argument("--pace", metavar="S", help=argparse.SUPPRESS)  # its name until version 0.4
    add_changes_option(parser)
    add_evolution_option(parser)
    parser.add_argument("--ticks", type=integer_in_range(1), metavar="N", help="stop after N ticks")


def _run(options: argparse.Namespace) -> int:
    feed = options.feed or ("recorded" if options.path else "live" if options.exchange else None)
    return run_engine(
        resolve_settings(
            options,
            feed=feed,
            feed_path=options.path,
            exchange=options.exchange,
            sim_changes=options.changes,
            tick_interval_seconds=options.tick_interval,
            pace_seconds=options.pace,
        ),
        options.ticks,
    )


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
        host.open()
        opened = True
        host.start()
        for note in host.data_notes:
            print_notice(f"podium: {note}")
        print_notice(f"podium: deciding on the {settings.feed} market, store {settings.database_url}; Ctrl-C stops it after the current tick")
        shown = None
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


COMMAND = Subcommand("run", "run the engine without a dashboard", _add, _run)
