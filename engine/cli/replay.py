"""replay: decide a stored tick again and report whether every bit is the same."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from engine.cli._arguments import Subcommand, UsageError, add_store_option, integer_in_range, open_output, print_notice, resolve_store_url
from engine.cli._crash_log import save_traceback
from engine.cli._exports import add_sender_options, record_export
from engine.domain.model import PLUGIN_ERRORS
from engine.service.scheduler import describe_error

if TYPE_CHECKING:
    from engine.domain.story import DecidedSummary
    from engine.replay import RollForward
    from engine.store.read.history import TickHistory


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tick", type=integer_in_range(0, 2**62), metavar="TICK", help="the number of a stored tick")
    parser.add_argument("--json", action="store_true", help="the result and every symbol's decision as one JSON object")
    parser.add_argument("--bundle", type=Path, metavar="FILE", help="also write the evidence bundle: a zip that verifies itself against a checkout")
    add_store_option(parser)
    add_sender_options(parser)


def _run(options: argparse.Namespace) -> int:
    from engine.replay import judge_replay, roll_to_tick
    from engine.store.read.history import TickHistory

    url = resolve_store_url(options)
    history = TickHistory(url)
    try:
        rolled = roll_to_tick(history, options.tick)
        verdict = judge_replay(history, rolled, options.tick)
        if options.bundle is not None:
            record_export(url, "evidence bundle", {"tick": options.tick}, options)
            _write_bundle(url, options.tick, options.bundle)
        decisions = _summarise(history, rolled, options.tick) if options.json else {}
    except (ValueError, OSError):
        raise
    except PLUGIN_ERRORS as error:  # a store of unknown origin may hold anything
        saved = save_traceback(type(error), error, error.__traceback__)
        raise UsageError(f"tick {options.tick} cannot be decided again: its stored rows do not fit ({describe_error(error)}); {saved}") from error
    if options.json:
        print(orjson.dumps(asdict(verdict) | {"decisions": decisions}).decode())
        return 0 if verdict.identical else 1
    first = f"differs first in {verdict.first_difference}" if verdict.first_difference else "differs"
    print(f"tick {options.tick}: {'identical' if verdict.identical else first}" + (f" ({verdict.note})" if verdict.note else ""))
    return 0 if verdict.identical else 1


def _write_bundle(url: str, tick: int, path: Path) -> None:
    from engine.story.bundle import build_bundle

    with open_output(path) as draft:
        assert draft is not None  # only the terminal has none
        draft.write_bytes(build_bundle(url, tick).data)
    print_notice(f"the evidence of tick {tick} is in {path}; unpack it and run: python verify.py --checkout DIR")


def _summarise(history: TickHistory, rolled: RollForward, tick: int) -> dict[str, DecidedSummary]:
    from engine.story.basis import describe_rolled, summarise_tick

    return summarise_tick(describe_rolled(history, rolled, tick))


COMMAND = Subcommand("replay", "decide a stored tick again: exit 0 and identical, or exit 1 and the first phase that differs", _add, _run)
