"""replay: decide a stored tick again and report whether every bit is the same."""

from __future__ import annotations

import argparse

from engine.cli._arguments import Subcommand, UsageError, add_store_option, integer_in_range, resolve_store_url
from engine.cli._crash_log import save_traceback
from engine.domain.model import PLUGIN_ERRORS
from engine.service.scheduler import describe_error


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tick", type=integer_in_range(0, 2**62), metavar="TICK", help="the number of a stored tick")
    add_store_option(parser)


def _run(options: argparse.Namespace) -> int:
    from engine.replay import replay_tick
    from engine.store.read.history import TickHistory

    history = TickHistory(resolve_store_url(options))
    try:
        verdict = replay_tick(history, options.tick)
    except (ValueError, OSError):
        raise
    except PLUGIN_ERRORS as error:  # a store of unknown origin may hold anything
        saved = save_traceback(type(error), error, error.__traceback__)
        raise UsageError(f"tick {options.tick} cannot be decided again: its stored rows do not fit ({describe_error(error)}); {saved}") from error
    first = f"differs first in {verdict.first_difference}" if verdict.first_difference else "differs"
    print(f"tick {options.tick}: {'identical' if verdict.identical else first}" + (f" ({verdict.note})" if verdict.note else ""))
    return 0 if verdict.identical else 1


COMMAND = Subcommand("replay", "decide a stored tick again: exit 0 and identical, or exit 1 and the first phase that differs", _add, _run)
