"""command: submit a command to the engine and print its result as JSON."""

from __future__ import annotations

import argparse
import getpass
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from threading import Event
from typing import Protocol

from engine.cli._frame import CliCommand, WrongUse, add_store, number, say, store_from
from engine.commands.reference import format_help
from engine.commands.router import find_command, read_arguments
from engine.domain.ports import Clock
from engine.domain.texts import shorten
from engine.domain.tuning import outcome_of
from engine.health import Vitals, judge
from engine.schema import SchemaError, find_near, join_names, parameters_of
from engine.shell.clock import WallClock, measure_process_age
from engine.shell.vitals import read_vitals
from engine.store.errors import StoreFailed
from engine.store.inbox import DONE, FAILED, RUNNING, Asked, Inbox

LOOK_SECONDS = 0.1
LOOK_BUSY_MS = 300  # that reading waits for a locked store
SHORTEST_BUSY, LONGEST_BUSY = 0.5, 5.0  # s that submitting waits for a locked store
UNKNOWN, GONE = "unknown", "gone"  # status of a command that could not be read, and of one that the store has dropped
OVER = frozenset({DONE, FAILED})
ABOUT = ("by", "reason")  # taken by every command, as key=value or as flags


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="one of the commands below")
    parser.add_argument("args", nargs="*", metavar="key=value", help="e.g. action=collect_garbage, signal=0")
    parser.add_argument("--wait", type=number(0, 86_400), default=30.0, metavar="S", help="seconds to wait for the result, 30 if not given")
    parser.add_argument("--by", default=None, metavar="WHO", help="who asks; your user name if not given")
    parser.add_argument("--reason", default="", metavar="WHY")
    add_store(parser)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = format_help().replace("%", "%%")


def _run(options: argparse.Namespace) -> int:
    args = arguments(options.name, options.args)
    url, clock = store_from(options), WallClock()
    age = measure_process_age()
    left = options.wait - (
        age if age < options.wait else 0.0
    )  # the wait includes the start of this process, which may take seconds on a busy machine
    until = clock.tick() + left
    by, reason = args.pop("by", None) or options.by or _user(), args.pop("reason", None) or options.reason
    inbox = _submitting(url, options.name, left)
    try:
        serial = _submit(inbox, options.name, args, by, reason, clock)
        progress = wait_for(inbox, serial, until, clock, Event().wait)
    finally:
        inbox.close()
    asked = progress.asked
    result = json.loads(asked.result) if asked and asked.result else None
    verdict = outcome_of(result) if options.name == "optimize" and isinstance(result, dict) else None
    first = {} if verdict is None else {"verdict": verdict}
    print(json.dumps({"id": serial, "name": options.name, **first, "args": args, "status": progress.status, "result": result}))
    if verdict is not None:
        say(f"podium: {args['action']}: {verdict}")
    if progress.status not in OVER:
        say(f"podium: {explain_wait(progress, serial, options.wait, lambda: read_vitals(url, clock.now()))}")
    return 0 if progress.status == DONE else 1


def _submitting(url: str, name: str, seconds: float) -> Inbox:
    """Open the inbox; a locked store is waited for no longer than the result."""
    try:
        return Inbox(url, busy_ms=round(1_000 * min(LONGEST_BUSY, max(SHORTEST_BUSY, seconds))))
    except StoreFailed as error:
        raise StoreFailed(f"{name} was not submitted: {error}") from error


def _submit(inbox: Inbox, name: str, args: Mapping[str, str], by: str, reason: str, clock: Clock) -> int:
    try:
        serial = inbox.submit(name, args, by, reason, clock.now())
    except StoreFailed as error:
        raise StoreFailed(f"{name} was not submitted: {error}") from error
    inbox.limit_wait(LOOK_BUSY_MS)
    return serial


@dataclass(frozen=True, slots=True)
class Waited:
    """The state of a command at the end of the wait."""

    asked: Asked | None  # as last read, None where it was not
    trouble: str | None = None  # why the last read failed

    @property
    def status(self) -> str:
        if self.asked is not None:
            return self.asked.status
        return UNKNOWN if self.trouble else GONE


class Reads(Protocol):
    """Reads one command."""

    def get(self, number: int) -> Asked | None: ...


def wait_for(inbox: Reads, serial: int, until: float, clock: Clock, pause: Callable[[float], object]) -> Waited:
    """Poll a command until it is over, or until `until` (s of the clock's tick); a store that cannot be read is polled again."""
    waited = _look_up(inbox, serial, Waited(None))
    while (waited.trouble or (waited.asked and not waited.asked.is_over)) and (left := until - clock.tick()) > 0.0:
        pause(min(LOOK_SECONDS, left))
        waited = _look_up(inbox, serial, waited)
    return waited


def _look_up(inbox: Reads, serial: int, before: Waited) -> Waited:
    try:
        return Waited(inbox.get(serial))
    except StoreFailed as error:
        return replace(before, trouble=str(error))


def explain_wait(waited: Waited, serial: int, seconds: float, vitals: Callable[[], Vitals]) -> str:
    """Explain why a command is not over yet, as far as is known, and how to look it up."""
    later = f"look it up with: python -m engine export commands --limit 20 (id {serial}), or on the page Control"
    if waited.asked is None and not waited.trouble:
        return f"command {serial} was submitted, and the store has dropped it since; {later}"
    still = f"still waiting: command {serial} was submitted and is {waited.status} after {seconds:g} s"
    if waited.trouble:
        return f"{still}, as last read: {waited.trouble}; {later}"
    if waited.status == RUNNING:
        return f"{still}: the engine is carrying it out; {later}"
    try:
        health = judge(vitals())
    except StoreFailed as error:
        return f"{still}: {error}; {later}"
    if not health.alive:
        return f"{still}: {health.reasons[0]}, and it is carried out as soon as an engine runs; {later}"
    return (
        f"{still}: the engine takes commands between two ticks, and the current tick takes long, for instance while it waits for a training; {later}"
    )


def arguments(name: str, words: list[str]) -> dict[str, str]:
    """Read key=value for a command; raises ValueError in one line for what its schema refuses."""
    parameters = parameters_of(find_command(name).arguments)
    given: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key or not value:
            raise WrongUse(f"{shorten(word)} is not key=value")
        if key not in parameters and key not in ABOUT:
            raise WrongUse(f"{name} takes {join_names(parameters) or 'no arguments'}, not {shorten(key)}{_near(key, parameters)}")
        given[key] = value
    try:
        read_arguments(name, {key: value for key, value in given.items() if key not in ABOUT})
    except SchemaError as error:
        raise WrongUse(str(error)) from None
    return given


def _near(word: str, known: Collection[str]) -> str:
    near = find_near(word, known)
    return f": did you mean {near}?" if near else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


COMMAND = CliCommand("command", "submit a command to the engine and print its result as JSON", _add, _run)
