"""replay: decides a stored tick again and says whether every bit is the same."""

from __future__ import annotations

import argparse

from engine.cli._bugs import keep
from engine.cli._frame import CliCommand, WrongUse, add_store, store_from, whole
from engine.shell.circuits import FAULTS
from engine.shell.jobs import in_one_line


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tick", type=whole(0, 2**62), metavar="TICK", help="the number of a stored tick")
    add_store(parser)


def _run(told: argparse.Namespace) -> int:
    from engine.replay import replay
    from engine.store.history import History

    history = History(store_from(told))
    try:
        verdict = replay(history, told.tick)
    except (ValueError, OSError):
        raise
    except FAULTS as error:  # a store from elsewhere may hold anything
        kept = keep(type(error), error, error.__traceback__)
        raise WrongUse(f"tick {told.tick} cannot be decided again: what the store holds of it does not fit ({in_one_line(error)}); {kept}") from error
    first = f"differs first in {verdict.first_difference}" if verdict.first_difference else "differs"
    print(f"tick {told.tick}: {'identical' if verdict.identical else first}" + (f" ({verdict.note})" if verdict.note else ""))
    return 0 if verdict.identical else 1


COMMAND = CliCommand("replay", "decides a stored tick again: exit 0 and identical, or exit 1 and the first phase that differs", _add, _run)
