"""command: submit a command to the engine and print its result as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Event
from typing import Protocol

from engine import units
from engine.cli._arguments import Subcommand, UsageError, add_store_option, float_in_range, print_notice, resolve_store_url
from engine.cli._exports import find_user
from engine.commands.reference import format_help
from engine.commands.router import find_command, read_arguments
from engine.domain.audit import LOCAL
from engine.domain.optimization import manual_result
from engine.domain.ports import Clock
from engine.domain.texts import shorten
from engine.health import HealthInputs, judge_health
from engine.schema import SchemaError, find_near, join_names, parameters_of
from engine.service.clock import WallClock, measure_process_age
from engine.service.health_inputs import read_health_inputs
from engine.store.errors import StoreError
from engine.store.inbox import DONE, FAILED, RUNNING, CommandRecord, Inbox

POLL_SECONDS = 0.1
POLL_BUSY_MS = 300  # that reading waits for a locked store
MIN_BUSY_SECONDS, MAX_BUSY_SECONDS = 0.5, 5.0  # s that submitting waits for a locked store
UNKNOWN, PRUNED = "unknown", "gone"  # status of a command that could not be read, and of one that the store has dropped
FINISHED = frozenset({DONE, FAILED})
ABOUT = ("by", "reason")  # taken by every command, as key=value or as flags


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="one of the commands below")
    parser.add_argument("args", nargs="*", metavar="key=value", help="e.g. action=collect_garbage, signal=0")
    parser.add_argument("--wait", type=float_in_range(0, 86_400), default=30.0, metavar="S", help="seconds to wait for the result, 30 if not given")
    parser.add_argument("--by", default=None, metavar="WHO", help="who asks; your user name if not given")
    parser.add_argument("--reason", default="", metavar="WHY")
    add_store_option(parser)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = format_help().replace("%", "%%")


def _run(options: argparse.Namespace) -> int:
    args = parse_arguments(options.name, options.args)
    url, clock = resolve_store_url(options), WallClock()
    age = measure_process_age()
    left = options.wait - (
        age if age < options.wait else 0.0
    )  # the wait includes the start of this process, which may take seconds on a busy machine
    until = clock.tick() + left
    by, reason = args.pop("by", None) or options.by or find_user(), args.pop("reason", None) or options.reason
    inbox = _submitting(url, options.name, left)
    try:
        serial = _submit(inbox, options.name, args, by, reason, clock)
        progress = wait_for_command(inbox, serial, until, clock, Event().wait)
    finally:
        inbox.close()
    record = progress.record
    result = json.loads(record.result) if record and record.result else None
    verdict = manual_result(result) if options.name == "optimize" and isinstance(result, dict) else None
    first = {} if verdict is None else {"verdict": verdict}
    print(json.dumps({"id": serial, "name": options.name, **first, "args": args, "status": progress.status, "result": result}))
    if verdict is not None:
        print_notice(f"podium: {args['action']}: {verdict}")
    if progress.status not in FINISHED:
        print_notice(f"podium: {explain_wait(progress, serial, options.wait, lambda: read_health_inputs(url, clock.now()))}")
    return 0 if progress.status == DONE else 1


def _submitting(url: str, name: str, seconds: float) -> Inbox:
    """Open the inbox; a locked store is waited for no longer than the result."""
    try:
        return Inbox(url, busy_ms=round(1_000 * min(MAX_BUSY_SECONDS, max(MIN_BUSY_SECONDS, seconds))))
    except StoreError as error:
        raise StoreError(f"{name} was not submitted: {error}") from error


def _submit(inbox: Inbox, name: str, args: Mapping[str, str], by: str, reason: str, clock: Clock) -> int:
    try:
        serial = inbox.submit(name, args, by, reason, clock.now(), LOCAL)
    except StoreError as error:
        raise StoreError(f"{name} was not submitted: {error}") from error
    inbox.limit_busy_wait(POLL_BUSY_MS)
    return serial


@dataclass(frozen=True, slots=True)
class CommandWait:
    """The state of a command at the end of the wait."""

    record: CommandRecord | None  # as last read, None where it was not
    read_error: str | None = None  # why the last read failed

    @property
    def status(self) -> str:
        if self.record is not None:
            return self.record.status
        return UNKNOWN if self.read_error else PRUNED


class CommandReader(Protocol):
    """Reads one command."""

    def get(self, number: int) -> CommandRecord | None: ...


def wait_for_command(inbox: CommandReader, serial: int, until: float, clock: Clock, pause: Callable[[float], object]) -> CommandWait:
    """Poll a command until it is over, or until `until` (s of the clock's tick); a store that cannot be read is polled again."""
    waited = _look_up(inbox, serial, CommandWait(None))
    while (waited.read_error or (waited.record and not waited.record.is_finished)) and (left := until - clock.tick()) > 0.0:
        pause(min(POLL_SECONDS, left))
        waited = _look_up(inbox, serial, waited)
    return waited


def _look_up(inbox: CommandReader, serial: int, before: CommandWait) -> CommandWait:
    try:
        return CommandWait(inbox.get(serial))
    except StoreError as error:
        return replace(before, read_error=str(error))


def explain_wait(waited: CommandWait, serial: int, seconds: float, vitals: Callable[[], HealthInputs]) -> str:
    """Explain why a command is not over yet, as far as is known, and how to look it up."""
    later = f"look it up with: python -m engine export commands --limit 20 (id {serial}), or on the page Control"
    if waited.record is None and not waited.read_error:
        return f"command {serial} was submitted, and the store has dropped it since; {later}"
    still = f"still waiting: command {serial} was submitted and is {waited.status} after {units.format_setting(seconds, 's')}"
    if waited.read_error:
        return f"{still}, as last read: {waited.read_error}; {later}"
    if waited.status == RUNNING:
        return f"{still}: the engine is carrying it out; {later}"
    try:
        health = judge_health(vitals())
    except StoreError as error:
        return f"{still}: {error}; {later}"
    if not health.alive:
        return f"{still}: {health.reasons[0]}, and it is carried out as soon as an engine runs; {later}"
    return (
        f"{still}: the engine takes commands between two ticks, and the current tick takes long, for instance while it waits for a training; {later}"
    )


def parse_arguments(name: str, pairs: list[str]) -> dict[str, str]:
    """Read key=value for a command; raises ValueError in one line for what its schema refuses."""
    parameters = parameters_of(find_command(name).arguments)
    given: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"{shorten(pair)} is not key=value")
        if key not in parameters and key not in ABOUT:
            near = find_near(key, parameters)
            remedy = f"did you mean {near}?" if near else f"it takes {join_names(parameters) or 'none'}"
            raise UsageError(f"{name} takes no argument {shorten(key)}: {remedy}")
        given[key] = value
    try:
        read_arguments(name, {key: value for key, value in given.items() if key not in ABOUT})
    except SchemaError as error:
        raise UsageError(str(error)) from None
    return given


COMMAND = Subcommand("command", "submit a command to the engine and print its result as JSON", _add, _run)
