"""replay: decides a stored tick again and says whether every bit is the same."""

from __future__ import annotations

import argparse

from engine.cli._frame import CliCommand, add_store, store_from, whole


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tick", type=whole(0, 2**62), metavar="TICK", help="the number of a stored tick")
    add_store(parser)


def _run(told: argparse.Namespace) -> int:
    from engine.replay import replay
    from engine.store.history import History

    verdict = replay(History(store_from(told)), told.tick)
    first = f"differs first in {verdict.first_difference}" if verdict.first_difference else "differs"
    print(f"tick {told.tick}: {'identical' if verdict.identical else first}" + (f" ({verdict.note})" if verdict.note else ""))
    return 0 if verdict.identical else 1


COMMAND = CliCommand("replay", "decides a stored tick again: exit 0 and identical, or exit 1 and the first phase that differs", _add, _run)
