"""export: a view of the store as CSV, Parquet or JSON."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli._arguments import Subcommand, UsageError, add_store_option, integer_in_range, open_output, parse_time, resolve_store_url

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "parquet", "json")
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # first characters of a formula, in full width too


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="a view: decisions, gates, votes, fills, equity, trials ...")
    parser.add_argument("--since", type=parse_time, metavar="T", help="only rows from this time on: 2024-01-31, 2024-01-31T12:00Z or 2h (ago)")
    parser.add_argument("--symbol", metavar="S")
    parser.add_argument("--limit", type=integer_in_range(1), metavar="N", help="the newest N rows only")
    parser.add_argument(
        "--format", choices=FORMATS, help="csv unless --out ends in another; in csv a ' stands before text that a spreadsheet would run"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write to FILE; to the terminal if not given")
    add_store_option(parser)


def _run(options: argparse.Namespace) -> int:
    form = options.format or (options.out.suffix.lstrip(".") if options.out and options.out.suffix.lstrip(".") in FORMATS else "csv")
    if form == "parquet" and options.out is None:
        raise UsageError("parquet is not for the terminal: give --out FILE")
    from engine.store.read.reader import Reader

    frame = Reader(resolve_store_url(options), busy_ms=5000).view(options.table, since=options.since, symbol=options.symbol, limit=options.limit)
    with open_output(options.out) as draft:
        _write(frame, form, draft)
    return 0


def _write(frame: pd.DataFrame, form: str, draft: Path | None) -> None:
    if form == "parquet":
        frame.to_parquet(draft, index=False)
    elif form == "json":
        text = frame.to_json(orient="records", double_precision=15, date_unit="ns")
        draft.write_text(f"{text}\n", encoding="utf-8") if draft else print(text)
    else:
        _write_csv(frame, draft)


def _write_csv(frame: pd.DataFrame, draft: Path | None) -> None:
    """Write CSV; texts are quoted where one holds a carriage return, which most readers take for the end of a row."""
    returns = any(isinstance(cell, str) and "\r" in cell for name in _texts(frame) for cell in frame[name])
    escape_formulas(frame).to_csv(draft or sys.stdout, index=False, quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL)


def escape_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Put a ' before each text that a spreadsheet would run as a formula; numbers stay as they are."""
    escape_text = frame.copy(deep=False)
    for name in _texts(frame):
        escape_text[name] = frame[name].map(_as_text)
    return escape_text


def _texts(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name, dtype in frame.dtypes.items() if dtype.kind == "O"]


def _as_text(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_PREFIXES) else cell


COMMAND = Subcommand("export", "write a view of the store as CSV, Parquet or JSON", _add, _run)
