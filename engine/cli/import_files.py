"""import: other people's files into a recording."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import orjson

from engine.cli._arguments import Subcommand, UsageError, print_notice
from engine.settings import parse_duration


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="files or folders: CSV, JSON, Parquet, Feather; .gz, .zip, .zst too")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the recording to write: DIR/SYMBOL/bars.parquet, trades or books")
    parser.add_argument("--format", metavar="F", help="recognised from content and name if not given; an unknown name lists all")
    parser.add_argument("--symbol", metavar="S", help="from the file's name or its column symbol if not given")
    parser.add_argument("--interval", type=_seconds, metavar="I", help="length of the bars, checked; needed where only their ends are known")
    parser.add_argument("--timezone", metavar="Z", help="of times without one, e.g. Europe/Berlin")
    parser.add_argument("--columns", type=_columns, default={}, metavar="open=o,...", help="ours=theirs, by header or by number from 1")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _seconds(text: str) -> int:
    return round(parse_duration(text) / 1e9)


def _columns(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(ours.strip() and theirs.strip() for ours, _, theirs in pairs):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is no list of columns: write it as ts=time,open=o,close=5")
    return {ours.strip().lower(): theirs for ours, _, theirs in pairs}


def _run(options: argparse.Namespace) -> int:
    if options.out.exists() and not options.out.is_dir():
        raise UsageError(f"--out {options.out} is a file: give a folder")
    from engine.importers._pipeline import ImportOptions, import_files

    choices = ImportOptions(options.out, options.format, options.symbol, options.interval, options.timezone, options.columns)
    report = import_files(tuple(options.sources), choices, print_notice)
    if options.json:
        print(orjson.dumps(asdict(report)).decode())
    else:
        print_notice(f"next: python -m engine backtest {options.out}")
    return 0


COMMAND = Subcommand("import", "read other people's files into a recording", _add, _run)
