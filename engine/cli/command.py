"""command: submits a command to the engine and prints what came of it as JSON."""

from __future__ import annotations

import argparse
import difflib
import getpass
import json
from threading import Event

from engine.cli._frame import CliCommand, WrongUse, add_store, number, say, store_from
from engine.domain.control import COMMANDS
from engine.domain.tuning import outcome_of
from engine.optimizer.rule_forms import WORDS as RULE_WORDS
from engine.shell import backtest_wish
from engine.shell.clock import WallClock
from engine.store.inbox import Asked, Inbox

LOOK_SECONDS = 0.1
NEEDED = {"set": "signal", "optimize": "action", "cancel_backtest": "id", "delete_backtest": "id",
          "ack": "id", "silence": "rule", "unsilence": "rule",
          "rule": "name", "mode": "mode", "licence": "licence", "approve": "id"}  # fmt: skip
KNOWN = {
    "set": {"signal"}, "optimize": {"action", "dry_run"}, "backtest": set(backtest_wish.KEYS), "cancel_backtest": {"id"}, "delete_backtest": {"id"},
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
    parser.add_argument("--wait", type=number(0, 86_400), default=30.0, metavar="S", help="seconds to wait for the result, 30 if not given")
    parser.add_argument("--by", default=None, metavar="WHO", help="who asks; your user name if not given")
    parser.add_argument("--reason", default="", metavar="WHY")
    add_store(parser)


def _run(told: argparse.Namespace) -> int:
    args = arguments(told.name, told.args)
    url = store_from(told)
    inbox = Inbox(url)
    try:
        by, reason = args.pop("by", None) or told.by or _user(), args.pop("reason", None) or told.reason
        serial = inbox.submit(told.name, args, by, reason, WallClock().now())
        asked = _wait(inbox, serial, told.wait)
    finally:
        inbox.close()
    status = asked.status if asked else "gone"
    result = json.loads(asked.result) if asked and asked.result else None
    verdict = outcome_of(result) if told.name == "optimize" and isinstance(result, dict) else None
    first = {} if verdict is None else {"verdict": verdict}
    print(json.dumps({"id": serial, "name": told.name, **first, "args": args, "status": status, "result": result}))
    if verdict is not None:
        say(f"podium: {args['action']}: {verdict}")
    if asked and not asked.is_over:
        say(f"podium: command {serial} is still {status} after {told.wait:g} s" + (": is the engine running?" if status == "queued" else ""))
    return 0 if status == "done" else 1


def _wait(inbox: Inbox, serial: int, seconds: float) -> Asked | None:
    """The command once it is over, or as it is after so many seconds."""
    clock, pause = WallClock(), Event()
    until = clock.tick() + seconds
    asked = inbox.get(serial)
    while asked is not None and not asked.is_over and clock.tick() < until:
        pause.wait(LOOK_SECONDS)
        asked = inbox.get(serial)
    return asked


def arguments(name: str, words: list[str]) -> dict[str, str]:
    """The command's arguments; raises WrongUse for what the engine could not follow."""
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        raise WrongUse(f"there is no command {name!r}: " + (f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}"))
    told: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key or not value:
            raise WrongUse(f"{word!r} is not key=value")
        if key not in KNOWN.get(name, set()) | ABOUT:
            raise WrongUse(f"{name} takes {' and '.join(sorted(KNOWN.get(name, set()))) or 'no arguments'}, not {key!r}")
        told[key] = value
    if name in NEEDED and NEEDED[name] not in told:
        raise WrongUse(f"{name} needs {EXAMPLES.get(name, 'id=..., as its page shows it')}")
    return told


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


COMMAND = CliCommand("command", "submits a command to the engine and prints its result as JSON", _add, _run)
