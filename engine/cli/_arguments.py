"""What every command is made of, and the forms its arguments are written in."""

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
from engine.service.clock import WallClock
from engine.service.settings_loader import load_settings
from engine.settings import Settings, SettingsError, parse_duration
from engine.store.database import path_from_url

MAX_DIGITS = 20  # digits
EXIT_USAGE = 64  # exit code of a wrong use or a failed wish, as in sysexits.h


class UsageError(ValueError):
    """The command line cannot be followed: one line with the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A command: its flags, and what it does; `run` gives the exit code."""

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    is_reserved: bool = False  # the name is kept for a later stage, whatever its flags will be


def reserve_subcommand(name: str, about: str) -> Subcommand:
    """A command that is not there yet."""

    def refuse(told: argparse.Namespace) -> int:
        raise UsageError(f"{name} is not there yet: the name is kept for a later stage")

    return Subcommand(name, f"{about} (not there yet)", lambda parser: None, refuse, is_reserved=True)


class OneLineParser(argparse.ArgumentParser):
    """argparse that tells an error in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{' '.join(message.split())} (see {self.prog} --help)")


def build_parser(commands: tuple[Subcommand, ...]) -> OneLineParser:
    """The whole command line."""
    parser = OneLineParser(prog="python -m engine", description="Podium: an ML trading engine on paper money that shows why.", allow_abbrev=False)
    below = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=OneLineParser)
    for command in commands:
        command.add_arguments(below.add_parser(command.name, help=command.summary, description=command.summary, allow_abbrev=False))
    return parser


def require_plain_text(words: list[str]) -> None:
    """Raises WrongUse where an argument has characters that are no text."""
    for place, word in enumerate(words, 1):
        fault = find_control_character(word)
        if fault is not None:
            raise UsageError(f"argument {place}, {shorten(word)}, has {fault}: give a text of one line without it")


def find_subcommand(commands: tuple[Subcommand, ...], name: str) -> Subcommand:
    """The command of that name; a name that is none raises WrongUse with the near miss."""
    for command in commands:
        if command.name == name:
            return command
    close = difflib.get_close_matches(name, [command.name for command in commands], n=1)
    remedy = f"did you mean {close[0]}?" if close else f"there are {', '.join(command.name for command in commands)}"
    raise UsageError(f"there is no command {shorten(name)}: {remedy}")


def resolve_settings(told: argparse.Namespace, *, headless: bool = True, **more: str | None) -> Settings:
    """The settings with this command's flags on top."""
    named = {key: getattr(told, key, None) for key in ("feed", "symbols", "interval", "seed")}
    return load_settings(os.environ, Path.cwd(), overrides=named | more, headless=headless)


def add_store_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", metavar="URL", help="another store than the settings' own, e.g. sqlite:////data/podium.db")


def resolve_store_url(told: argparse.Namespace) -> str:
    """The address of the store that is asked, which must be there."""
    url: str = told.store or resolve_settings(told).database_url
    path = path_from_url(url)
    if not path.is_file():
        raise UsageError(f"there is no store at {path} yet: start the engine (make run), or check PODIUM_DATABASE_URL")
    return url


def parse_time(text: str) -> int:
    """2024-01-31, 2024-01-31T12:00Z, or a span such as 2h (that long ago), as ns UTC."""
    try:
        return WallClock().now() - parse_duration(text)
    except SettingsError:
        pass
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{shorten(text)} is not a time: write it as 2024-01-31, 2024-01-31T12:00Z or 2h (ago)") from None
    at = round((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000
    if not 0 <= at < 2**63 - 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time this can count: give one from 1970 to 2261")
    return at


def integer_in_range(low: int, high: int = 2**31 - 1) -> Callable[[str], int]:
    """A reader of whole numbers in reach."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{shorten(text)} is not a whole number from {low} to {high}")
        return int(text)

    return read


def float_in_range(low: float, high: float) -> Callable[[str], float]:
    """A reader of numbers in reach."""

    def read(text: str) -> float:
        try:
            told = float(text)
        except ValueError:
            told = low - 1.0
        if not low <= told <= high:
            raise argparse.ArgumentTypeError(f"{shorten(text)} is not a number from {low:g} to {high:g}")
        return told

    return read


@contextmanager
def open_output(path: Path | None) -> Iterator[Path | None]:
    """A file to write to that becomes `path` only when all went well; None for the terminal. Its mode follows the user's umask."""
    if path is None:
        yield None
        return
    if not path.parent.is_dir():
        raise UsageError(f"--out {path}: the folder {path.parent} is not there")
    draft = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.draft")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))  # a name of its own: nobody's file is written over
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def print_notice(line: str) -> None:
    """A line for the person, apart from the result."""
    print(line, file=sys.stderr, flush=True)


def format_time_utc(at: int) -> str:
    """ns UTC as people read it."""
    return datetime.fromtimestamp(at / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
