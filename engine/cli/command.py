"""command: submits a command to the engine and prints what came of it as JSON."""

from __future__ import annotations

import argparse
import difflib
import getpass
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Event
from typing import Protocol

from engine.cli._arguments import Subcommand, UsageError, add_store_option, float_in_range, print_notice, resolve_store_url
from engine.commands.handlers import backtests
from engine.domain.optimization import manual_result
from engine.domain.ports import Clock
from engine.domain.trading_config import COMMANDS
from engine.health import HealthInputs, judge_health
from engine.optimizer.rule_schema import RULE_KEYS as RULE_WORDS
from engine.service.clock import WallClock, measure_process_age
from engine.service.health_inputs import read_health_inputs
from engine.store.errors import StoreError
from engine.store.inbox import DONE, FAILED, RUNNING, CommandRecord, Inbox

POLL_SECONDS = 0.1
POLL_BUSY_MS = 300  # that a look waits for a store that is locked
MIN_BUSY_SECONDS, MAX_BUSY_SECONDS = 0.5, 5.0  # s that submitting waits for it
UNKNOWN, PRUNED = "unknown", "gone"  # of a command that could not be looked up, and of one that is kept no longer
FINISHED = frozenset({DONE, FAILED})
NEEDED = {"set": "signal", "optimize": "action", "cancel_backtest": "id", "delete_backtest": "id",
          "ack": "id", "silence": "rule", "unsilence": "rule",
          "rule": "name", "mode": "mode", "licence": "licence", "approve": "id"}  # fmt: skip
KNOWN = {
    "set": {"signal"}, "optimize": {"action", "dry_run"}, "backtest": set(backtests.BACKTEST_ARGUMENTS), "cancel_backtest": {"id"}, "delete_backtest": {"id"},
    "ack": {"id"}, "silence": {"rule", "minutes"}, "unsilence": {"rule"},
    "rule": {"name", "reset", *RULE_WORDS}, "mode": {"action", "mode"}, "licence": {"action", "licence"}, "approve": {"id", "answer"},
}  # fmt: skip
EXAMPLES = {
    "silence": "rule=NAME or rule=all", "unsilence": "rule=NAME or rule=all", "set": "signal=X",
    "optimize": "action=NAME, such as action=collect_garbage", "rule": "name=NAME and what is to change, such as above=90, or reset=true",
    "mode": "action=NAME and mode=MODE", "licence": "action=NAME and licence=LICENCE", "approve": "id=N, as Optimizer shows it",
}  # fmt: skip
ABOUT = {"by", "reason"}  # who asks and why: every command takes them, as key=value or as flags


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(COMMANDS)}")
    parser.add_argument("args", nargs="*", metavar="key=value", help="e.g. action=collect_garbage, signal=0")
    parser.add_argument("--wait", type=float_in_range(0, 86_400), default=30.0, metavar="S", help="seconds to wait for the result, 30 if not given")
    parser.add_argument("--by", default=None, metavar="WHO", help="who asks; your user name if not given")
    parser.add_argument("--reason", default="", metavar="WHY")
    add_store_option(parser)


def _run(told: argparse.Namespace) -> int:
    args = parse_arguments(told.name, told.args)
    url, clock = resolve_store_url(told), WallClock()
    age = measure_process_age()
    left = told.wait - (age if age < told.wait else 0.0)  # the wait begins with the command, whose start may take seconds on a busy machine
    until = clock.tick() + left
    by, reason = args.pop("by", None) or told.by or _user(), args.pop("reason", None) or told.reason
    inbox = _submitting(url, told.name, left)
    try:
        serial = _submit(inbox, told.name, args, by, reason, clock)
        progress = wait_for_command(inbox, serial, until, clock, Event().wait)
    finally:
        inbox.close()
    asked = progress.record
    result = json.loads(asked.result) if asked and asked.result else None
    verdict = manual_result(result) if told.name == "optimize" and isinstance(result, dict) else None
    first = {} if verdict is None else {"verdict": verdict}
    print(json.dumps({"id": serial, "name": told.name, **first, "args": args, "status": progress.status, "result": result}))
    if verdict is not None:
        print_notice(f"podium: {args['action']}: {verdict}")
    if progress.status not in FINISHED:
        print_notice(f"podium: {explain_wait(progress, serial, told.wait, lambda: read_health_inputs(url, clock.now()))}")
    return 0 if progress.status == DONE else 1


def _submitting(url: str, name: str, seconds: float) -> Inbox:
    """The store's inbox, which is waited for no longer than the answer."""
    try:
        return Inbox(url, busy_ms=round(1_000 * min(MAX_BUSY_SECONDS, max(MIN_BUSY_SECONDS, seconds))))
    except StoreError as error:
        raise StoreError(f"{name} was not submitted: {error}") from error


def _submit(inbox: Inbox, name: str, args: Mapping[str, str], by: str, reason: str, clock: Clock) -> int:
    try:
        serial = inbox.submit(name, args, by, reason, clock.now())
    except StoreError as error:
        raise StoreError(f"{name} was not submitted: {error}") from error
    inbox.limit_busy_wait(POLL_BUSY_MS)
    return serial


@dataclass(frozen=True, slots=True)
class CommandWait:
    """How far a command was known to be when it was waited for no longer."""

    record: CommandRecord | None  # as it was last read, None where it never was
    read_error: str | None = None  # why it could not be read the last time

    @property
    def status(self) -> str:
        if self.record is not None:
            return self.record.status
        return UNKNOWN if self.read_error else PRUNED


class CommandReader(Protocol):
    """Where a command is looked up."""

    def get(self, number: int) -> CommandRecord | None: ...


def wait_for_command(inbox: CommandReader, serial: int, until: float, clock: Clock, pause: Callable[[float], object]) -> CommandWait:
    """Looks a command up until it is over, or until then (s of the clock's tick); a store that cannot be read is asked again."""
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
    """Why a command is not over yet, as far as that is known, and how to look it up."""
    later = f"look it up with: python -m engine export commands --limit 20 (id {serial}), or on the page Control"
    if waited.record is None and not waited.read_error:
        return f"command {serial} was submitted and is kept no longer; {later}"
    still = f"still waiting: command {serial} was submitted and is {waited.status} after {seconds:g} s"
    if waited.read_error:
        return f"{still}, as last read: {waited.read_error}; {later}"
    if waited.status == RUNNING:
        return f"{still}: the engine carries it out; {later}"
    try:
        health = judge_health(vitals())
    except StoreError as error:
        return f"{still}: {error}; {later}"
    if not health.alive:
        return f"{still}: {health.reasons[0]}, and it is carried out when an engine takes it (is the engine running?); {later}"
    return f"{still}: the engine takes commands between two ticks, and the tick in hand takes long, as while it waits for a training; {later}"


def parse_arguments(name: str, words: list[str]) -> dict[str, str]:
    """The command's arguments; raises WrongUse for what the engine could not follow."""
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        raise UsageError(f"there is no command {name!r}: " + (f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}"))
    told: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"{word!r} is not key=value")
        if key not in KNOWN.get(name, set()) | ABOUT:
            raise UsageError(f"{name} takes {' and '.join(sorted(KNOWN.get(name, set()))) or 'no arguments'}, not {key!r}")
        told[key] = value
    if name in NEEDED and NEEDED[name] not in told:
        raise UsageError(f"{name} needs {EXAMPLES.get(name, 'id=..., as its page shows it')}")
    return told


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


COMMAND = Subcommand("command", "submits a command to the engine and prints its result as JSON", _add, _run)
