"""The parts that every subcommand shares: its record, the parser, and readers of arguments."""

from __future__ import annotations

import argparse
import difflib
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from engine.domain.texts import find_control_character, shorten
from engine.plugins import discover_plugins
from engine.service.clock import WallClock
from engine.service.settings_loader import load_settings
from engine.settings import Settings, SettingsError, parse_duration
from engine.store.database import path_from_url

RESERVED = {  # subcommands of later versions
    "copy-store": "move a store between SQLite and PostgreSQL",
}
MAX_DIGITS = 20  # digits
EXIT_USAGE = 64  # EX_USAGE of sysexits.h


class UsageError(ValueError):
    """A command line that cannot be carried out: one line with the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A subcommand: its flags and the function that runs it, which gives the exit code."""

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    is_reserved: bool = False  # the name is reserved for a later version, whatever its flags


def list_subcommands() -> tuple[Subcommand, ...]:
    """Every subcommand, the reserved ones last."""
    return (*discover_plugins("engine.cli", "COMMAND"), *(_reserve(name, summary) for name, summary in RESERVED.items()))


def _reserve(name: str, summary: str) -> Subcommand:
    """The name of a subcommand that is not there yet."""

    def refuse(options: argparse.Namespace) -> int:
        raise UsageError(f"{name} is not there yet: the name is reserved for a later version")

    return Subcommand(name, f"{summary} (not there yet)", lambda parser: None, refuse, is_reserved=True)


class OneLineParser(argparse.ArgumentParser):
    """argparse with errors in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{' '.join(message.split())} (see {self.prog} --help)")


def build_parser(commands: tuple[Subcommand, ...]) -> OneLineParser:
    """Build the parser of the whole command line."""
    parser = OneLineParser(prog="python -m engine", description="Podium: an ML trading engine on paper money that shows why.", allow_abbrev=False)
    below = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=OneLineParser)
    for command in commands:
        command.add_arguments(below.add_parser(command.name, help=command.summary, description=command.summary, allow_abbrev=False))
    return parser


def require_plain_text(argv: list[str]) -> None:
    """Raise UsageError for an argument with control characters."""
    for place, word in enumerate(argv, 1):
        fault = find_control_character(word)
        if fault is not None:
            raise UsageError(f"argument {place}, {shorten(word)}, has {fault}: give a text of one line without it")


def find_subcommand(commands: tuple[Subcommand, ...], name: str) -> Subcommand:
    """Find the subcommand of that name; raises UsageError with the near miss."""
    for command in commands:
        if command.name == name:
            return command
    close = difflib.get_close_matches(name, [command.name for command in commands], n=1)
    remedy = f"did you mean {close[0]}?" if close else f"there are {', '.join(command.name for command in commands)}"
    raise UsageError(f"there is no command {shorten(name)}: {remedy}")


def resolve_settings(options: argparse.Namespace, *, headless: bool = True, is_backtest: bool = False, **more: str | None) -> Settings:
    """Load the settings with the flags of this command on top."""
    named = {key: getattr(options, key, None) for key in ("feed", "symbols", "interval", "seed", "evolution")}
    return load_settings(os.environ, Path.cwd(), overrides=named | more, headless=headless, is_backtest=is_backtest)


def add_feed_options(parser: argparse.ArgumentParser, *, ticks: str) -> None:
    """Add the flags that choose a market and its pace; `ticks` describes --ticks."""
    parser.add_argument("--feed", metavar="FEED", help="simulated, recorded, live or push")
    parser.add_argument("--path", metavar="DIR", help="the folder of a recording")
    parser.add_argument("--exchange", metavar="NAME", help="the exchange of the live market, by its name in ccxt")
    parser.add_argument("--symbols", metavar="A,B", help="some of the feed's symbols")
    parser.add_argument("--interval", metavar="5m", help="bars of another length")
    parser.add_argument("--seed", metavar="N", help="another simulated market, or other random draws")
    parser.add_argument("--tick-interval", metavar="S", help="seconds between ticks, 0 for as fast as possible")
    add_changes_option(parser)
    parser.add_argument("--ticks", type=integer_in_range(1), metavar="N", help=ticks)


def resolve_feed_settings(options: argparse.Namespace, **more: str | None) -> Settings:
    """Load the settings with the flags of add_feed_options on top; a path means a recording, an exchange a live market."""
    feed = options.feed or ("recorded" if options.path else "live" if options.exchange else None)
    return resolve_settings(
        options, feed=feed, feed_path=options.path, exchange=options.exchange, sim_changes=options.changes,
        tick_interval_seconds=options.tick_interval, headless=True, is_backtest=False, **more,
    )  # fmt: skip


def require_server(settings: Settings, command: str) -> None:
    """Raise UsageError where the market is posted to the server, which this command does not have."""
    if settings.feed == "push":
        more = " (record = DIR in podium.toml records it)" if command == "record" else ""
        raise UsageError(f"{command} has no server that bars could be posted to: start the push feed by `python -m engine serve --feed push`{more}")


def add_evolution_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--evolution", metavar="MODE", help="off, refresh or full: whether models are trained again, and other recipes searched")


def add_changes_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--changes", metavar="BAR:KIND,...", help="simulated: flip, none, interaction or other, each from a bar on")


def add_store_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", metavar="URL", help="a store other than that of the settings, e.g. sqlite:////data/podium.db")


def add_parent_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--under", type=integer_in_range(1), metavar="PID", help=argparse.SUPPRESS)  # started by the dashboard of that process


def follow_parent(options: argparse.Namespace) -> None:
    """Lower the priority of this process and end it with the dashboard that started it, where there is one."""
    if options.under is not None:
        from engine.service.backtests import bind_to_parent

        bind_to_parent(options.under)


def begin_slow_answer(options: argparse.Namespace) -> Callable[[int, int], None] | None:
    """Give way to the engine, and return what reports progress to the dashboard that started this process, where there is one."""
    from engine.service.backtests import NICENESS, report_progress
    from engine.service.process_memory import lower_priority

    if options.under is None:
        lower_priority(NICENESS)
        return None
    follow_parent(options)
    return report_progress


def resolve_store_url(options: argparse.Namespace) -> str:
    """Resolve the address of the store, which must exist."""
    url: str = options.store or resolve_settings(options).database_url
    path = path_from_url(url)
    if not path.is_file():
        raise UsageError(f"there is no store at {path} yet: start the engine (make run), or check PODIUM_DATABASE_URL")
    return url


def parse_time(text: str) -> int:
    """Parse 2024-01-31, 2024-01-31T12:00Z or a duration such as 2h (ago) as ns UTC."""
    try:
        return WallClock().now() - parse_duration(text)
    except SettingsError:
        pass
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{shorten(text)} is not a time: write it as 2024-01-31, 2024-01-31T12:00Z or 2h (ago)") from None
    at = round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000
    if not 0 <= at < 2**63 - 1:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range: give a time from 1970 to 2261")
    return at


def integer_in_range(low: int, high: int = 2**31 - 1) -> Callable[[str], int]:
    """Build a reader of whole numbers within bounds."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{shorten(text)} is not a whole number from {low} to {high}")
        return int(text)

    return read


def float_in_range(low: float, high: float) -> Callable[[str], float]:
    """Build a reader of numbers within bounds."""

    def read(text: str) -> float:
        try:
            parsed = float(text)
        except ValueError:
            parsed = low - 1.0
        if not low <= parsed <= high:
            raise argparse.ArgumentTypeError(f"{shorten(text)} is not a number from {low:g} to {high:g}")
        return parsed

    return read


@contextmanager
def open_output(path: Path | None) -> Iterator[Path | None]:
    """Open a file that becomes `path` only on success; None for the terminal. Its mode follows the user's umask."""
    if path is None:
        yield None
        return
    if not path.parent.is_dir():
        raise UsageError(f"--out {path}: the folder {path.parent} is not there")
    draft = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.draft")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))  # an unused name: no file is overwritten
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def print_notice(line: str) -> None:
    """Print a line for the person on stderr, apart from the result."""
    print(line, file=sys.stderr, flush=True)


def format_time_utc(at: int) -> str:
    """Format ns UTC as text."""
    return datetime.fromtimestamp(at / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
