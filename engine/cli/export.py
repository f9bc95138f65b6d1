"""export: a view of the store as CSV, Parquet or JSON."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli._frame import CliCommand, WrongUse, add_store, moment, store_from, to_file, whole

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "parquet", "json")


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="a view: decisions, gates, votes, fills, equity, trials ...")
    parser.add_argument("--since", type=moment, metavar="T", help="rows from then on: 2024-01-31, 2024-01-31T12:00Z or 2h (ago)")
    parser.add_argument("--symbol", metavar="S")
    parser.add_argument("--limit", type=whole(1), metavar="N", help="the newest N rows only")
    parser.add_argument("--format", choices=FORMATS, help="csv unless --out ends in another")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the terminal if not given")
    add_store(parser)


def _run(told: argparse.Namespace) -> int:
    form = told.format or (told.out.suffix.lstrip(".") if told.out and told.out.suffix.lstrip(".") in FORMATS else "csv")
    if form == "parquet" and told.out is None:
        raise WrongUse("parquet is not for the terminal: give --out FILE")
    from engine.store.reader import Reader

    frame = Reader(store_from(told), busy_ms=5000).view(told.table, since=told.since, symbol=told.symbol, limit=told.limit)
    with to_file(told.out) as draft:
        _write(frame, form, draft)
    return 0


def _write(frame: pd.DataFrame, form: str, draft: Path | None) -> None:
    if form == "parquet":
        frame.to_parquet(draft, index=False)
    elif form == "json":
        text = frame.to_json(orient="records", double_precision=15, date_unit="ns")
        draft.write_text(f"{text}\n", encoding="utf-8") if draft else print(text)
    else:
        frame.to_csv(draft or sys.stdout, index=False)


COMMAND = CliCommand("export", "writes a view of the store as CSV, Parquet or JSON", _add, _run)
