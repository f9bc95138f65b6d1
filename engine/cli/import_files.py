"""import: other people's files into a recording."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from engine import units
from engine.cli._arguments import EXIT_USAGE, Subcommand, UsageError, add_parent_option, follow_parent, print_notice
from engine.settings import parse_duration

if TYPE_CHECKING:
    from engine.importers._pipeline import ImportOptions


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="files or folders: CSV, JSON, Parquet, Feather; .gz, .zip, .zst too")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the recording to write: DIR/SYMBOL/bars.parquet, trades or books")
    parser.add_argument("--preview", action="store_true", help="read the beginning, say what it is taken for, and write nothing")
    parser.add_argument("--format", metavar="F", help="recognised from content and name if not given; an unknown name lists all")
    parser.add_argument("--symbol", metavar="S", help="from the file's name or its column symbol if not given")
    parser.add_argument("--interval", type=_seconds, metavar="I", help="length of the bars, checked; needed where only their ends are known")
    parser.add_argument("--timezone", metavar="Z", help="of times without one, e.g. Europe/Berlin")
    parser.add_argument("--columns", type=_columns, default={}, metavar="open=o,...", help="ours=theirs, by header or by number from 1")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    add_parent_option(parser)


def _seconds(text: str) -> int:
    return round(parse_duration(text) / 1e9)


def _columns(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(ours.strip() and theirs.strip() for ours, _, theirs in pairs):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is no list of columns: write it as ts=time,open=o,close=5")
    return {ours.strip().lower(): theirs for ours, _, theirs in pairs}


def _run(options: argparse.Namespace) -> int:
    follow_parent(options)
    if options.preview:
        return _preview(options)
    if options.out is None:
        raise UsageError("the following arguments are required: --out (see python -m engine import --help)")
    if options.out.exists() and not options.out.is_dir():
        raise UsageError(f"--out {options.out} is a file: give a folder")
    from engine.importers._pipeline import import_files

    report_bytes = _report_to_page if options.under else _report_to_terminal if sys.stderr.isatty() else None
    report = import_files(tuple(options.sources), _read_options(options, options.out), print_notice, report_bytes)
    if options.json:
        print(orjson.dumps(asdict(report)).decode())
    else:
        print_notice(f"next: python -m engine backtest {options.out}")
    return 0


def _preview(options: argparse.Namespace) -> int:
    from engine.importers._preview import describe_preview, preview_files

    preview = preview_files(tuple(options.sources), _read_options(options, Path()))
    print(orjson.dumps(asdict(preview)).decode() if options.json else describe_preview(preview))
    return 0 if preview.is_importable else EXIT_USAGE


def _read_options(options: argparse.Namespace, out: Path) -> ImportOptions:
    from engine.importers._pipeline import ImportOptions

    return ImportOptions(out, options.format, options.symbol, options.interval, options.timezone, options.columns)


def _report_to_page(done: int, total: int) -> None:
    from engine.service.backtests import report_progress

    report_progress(done, total)


def _report_to_terminal(done: int, total: int) -> None:
    print(f"\r{describe_bytes_read(done, total)}  ", end="\n" if done >= total else "\r", file=sys.stderr, flush=True)


def describe_bytes_read(done: int, total: int) -> str:
    """The share of the sources that is read, in a few words."""
    share = units.format_percent(done / total, 0) if total else units.format_bytes(done)
    return f"{share} of {units.format_bytes(total)} read" if total else f"{share} read"


COMMAND = Subcommand("import", "read other people's files into a recording", _add, _run)
