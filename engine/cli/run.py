"""run: the engine without a dashboard."""

from __future__ import annotations

import argparse
import signal
from types import FrameType

from engine import libraries
from engine.cli._frame import CliCommand, say, settings_from, whole
from engine.settings import Settings

LOOK_SECONDS = 0.25  # between two looks for a signal
STOP_SECONDS = 30.0


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--feed", metavar="FEED", help="simulated or recorded")
    parser.add_argument("--path", metavar="DIR", help="the folder of a recording")
    parser.add_argument("--symbols", metavar="A,B", help="some of the feed's symbols")
    parser.add_argument("--interval", metavar="5m", help="bars of another length")
    parser.add_argument("--seed", metavar="N")
    parser.add_argument("--pace", metavar="S", help="seconds between ticks, 0 for as fast as it goes")
    parser.add_argument("--ticks", type=whole(1), metavar="N", help="stop after so many ticks")


def _run(options: argparse.Namespace) -> int:
    feed = options.feed or ("recorded" if options.path else None)
    return drive(settings_from(options, feed=feed, feed_path=options.path, pace_seconds=options.pace), options.ticks)


def drive(settings: Settings, ticks: int | None) -> int:
    """Run the engine until its ticks are done, the recording ends or a signal arrives."""
    libraries.demand(dashboard=False)
    from engine.shell.host import Host

    signals: list[int] = []
    opened = False

    def stop(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        if not opened:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    host = Host(settings, ticks=ticks)
    try:
        host.open()
        opened = True
        host.start()
        for note in host.notes:
            say(f"podium: {note}")
        say(f"podium: deciding on the {settings.feed} market, store {settings.database_url}; Ctrl-C stops it after the current tick")
        shown = None
        while not signals and not host.ended.wait(LOOK_SECONDS):
            if host.trouble not in {None, shown}:
                say(f"podium: {host.trouble}")
            shown = host.trouble
    finally:
        opened = True  # a second signal must not interrupt the stop
        clean = host.stop(STOP_SECONDS)
        for number, handler in before.items():
            signal.signal(number, handler)
    say(f"podium: stopped after {host.decided} ticks" + (f": {host.trouble}" if host.trouble else ""))
    return 0 if clean and host.trouble is None else 1


COMMAND = CliCommand("run", "run the engine without a dashboard", _add, _run)
