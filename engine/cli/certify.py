"""certify: replace the future of a recording at random ticks and decide again; exit 1 where a digest moved."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine import libraries, units
from engine.cli._arguments import Subcommand, UsageError, format_time_utc, integer_in_range, print_notice, resolve_settings
from engine.files import temporary_files
from engine.files.owned_folders import FolderTaken
from engine.service.clock import WallClock

if TYPE_CHECKING:
    from engine.certify.certificate import Certificate

MAX_TICKS = 1_000
DEFAULT_TICKS = 4


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", metavar="RECORDING", help="the folder of a recording")
    parser.add_argument(
        "--ticks", type=integer_in_range(1, MAX_TICKS), default=DEFAULT_TICKS, metavar="N",
        help=f"number of random ticks after which the future is replaced, {DEFAULT_TICKS} if not given",
    )  # fmt: skip
    parser.add_argument("--symbols", metavar="A,B", help="some of its symbols")
    parser.add_argument("--interval", metavar="5m", help="bars of another length")
    parser.add_argument("--seed", metavar="N", help="another choice of ticks and futures")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _run(options: argparse.Namespace) -> int:
    libraries.require_libraries(dashboard=False)
    from engine.certify.certificate import certify_recording
    from engine.store.backtest_files import backtest_folder
    from engine.store.certificate_file import save_certificate

    if not Path(options.recording).is_dir():
        raise UsageError(f"{options.recording!r} is not a folder: give the folder of a recording")
    settings = resolve_settings(
        options, is_backtest=True, feed="recorded", feed_path=options.recording, tick_interval_seconds="0", warmup_bars="0", evolution="refresh"
    )
    with suppress(OSError, FolderTaken):  # left by killed processes
        temporary_files.sweep_at_start(settings.home)
    clock = WallClock()
    certificate = certify_recording(settings, options.ticks, clock=clock, report_progress=_report_progress)
    try:
        save_certificate(backtest_folder(Path(settings.home)), certificate.to_json(), clock.now())
    except (OSError, FolderTaken) as error:
        print_notice(f"podium: the certificate is not stored ({error}): set PODIUM_HOME to another folder")
    print(json.dumps(certificate.to_json(), allow_nan=False) if options.json else describe_certificate(certificate))
    return 0 if certificate.first is None else 1


def describe_certificate(certificate: Certificate) -> str:
    """The result in one line."""
    tried = f"{certificate.decisions:,} decisions tried, {certificate.changed:,} changed"
    first = certificate.first
    if first is None:
        return f"certified: {units.format_count(len(certificate.ticks), 'tick')} x {len(certificate.futures)} futures, {tried}"
    place = f"tick {first.tick:,} ({format_time_utc(first.at)}), {first.phase}, {first.part}" + (f", {first.column}" if first.column else "")
    if first.future == "none":
        return f"not certified: {place} differs where the same recording is decided twice, so nothing can be compared; {tried}"
    return f"looks ahead: {place} moved with the future ({first.future}); {tried}"


def _report_progress(done: int, total: int | None) -> None:
    if sys.stderr.isatty():
        print(f"\r{done}/{total} ticks", end="\n" if done == total else "", file=sys.stderr, flush=True)


COMMAND = Subcommand(
    "certify",
    "replace the future at random ticks and decide again: exit 0 when no digest moved, exit 1 and the first part that looked ahead",
    _add,
    _run,
)
