"""replay: decide a stored tick again and report whether every bit is the same."""

from __future__ import annotations

import argparse

from engine.cli._bugs import keep
from engine.cli._frame import CliCommand, WrongUse, add_store, store_from, whole
from engine.shell.circuits import FAULTS
from engine.shell.jobs import in_one_line


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tick", type=whole(0, 2**62), metavar="TICK", help="the number of a stored tick")
    add_store(parser)


def _run(options: argparse.Namespace) -> int:
    from engine.replay import replay
    from engine.store.history import History

    history = History(store_from(options))
    try:
        verdict = replay(history, options.tick)
    except (ValueError, OSError):
        raise
    except FAULTS as error:  # a store of unknown origin may hold anything
        saved = keep(type(error), error, error.__traceback__)
        raise WrongUse(f"tick {options.tick} cannot be decided again: its stored rows do not fit ({in_one_line(error)}); {saved}") from error
    first = f"differs first in {verdict.first_difference}" if verdict.first_difference else "differs"
    print(f"tick {options.tick}: {'identical' if verdict.identical else first}" + (f" ({verdict.note})" if verdict.note else ""))
    return 0 if verdict.identical else 1


COMMAND = CliCommand("replay", "decides a stored tick again: exit 0 and identical, or exit 1 and the first phase that differs", _add, _run)
