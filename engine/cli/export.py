"""export: a view of the store as CSV, Parquet or JSON."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING

from engine.cli._arguments import Subcommand, UsageError, add_store_option, integer_in_range, open_output, parse_time, resolve_store_url
from engine.cli._exports import add_sender_options, record_export

if TYPE_CHECKING:
    import pandas as pd

    from engine.store.read.history_tables import HistoryTable

CHUNK = 5_000  # rows read at a time
FORMATS = ("csv", "parquet", "json")
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # first characters of a formula, in full width too


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="a view: decisions, gates, votes, fills, equity, trials ...")
    parser.add_argument("--since", type=parse_time, metavar="T", help="only rows from this time on: 2024-01-31, 2024-01-31T12:00Z or 2h (ago)")
    parser.add_argument("--symbol", metavar="S")
    parser.add_argument("--limit", type=integer_in_range(1), metavar="N", help="the newest N rows only")
    parser.add_argument(
        "--address",
        metavar="TEXT",
        help="rows, order and columns of a page's table: its address after the question mark; newest first (see docs/views.md)",
    )
    parser.add_argument(
        "--format", choices=FORMATS, help="csv unless --out ends in another; in csv a ' stands before text that a spreadsheet would run"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write to FILE; to the terminal if not given")
    add_store_option(parser)
    add_sender_options(parser)


def _run(options: argparse.Namespace) -> int:
    form = options.format or (options.out.suffix.lstrip(".") if options.out and options.out.suffix.lstrip(".") in FORMATS else "csv")
    if form == "parquet" and options.out is None:
        raise UsageError("parquet is not for the terminal: give --out FILE")
    if options.address is not None:
        return _export_address(options, form)
    from engine.store.read.reader import Reader

    url = resolve_store_url(options)
    frame = Reader(url, busy_ms=5000).view(options.table, since=options.since, symbol=options.symbol, limit=options.limit)
    wanted = {"since": options.since, "symbol": options.symbol, "limit": options.limit, "format": form, "rows": len(frame)}
    record_export(url, options.table.removeprefix("v_"), wanted, options)
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
        with _open_text(draft) as out:
            _write_csv(frame, out)


def _export_address(options: argparse.Namespace, form: str) -> int:
    """Write what a page's table shows at an address, a chunk of rows at a time."""
    from engine.store.read import history_address, keyset
    from engine.store.read.history_tables import HISTORY_TABLES
    from engine.store.read.reader import Reader

    table = HISTORY_TABLES.get(options.table.removeprefix("v_"))
    if table is None or options.since is not None or options.symbol is not None:
        raise UsageError(f"--address is for {', '.join(HISTORY_TABLES)}, without --since and --symbol")
    query, columns = history_address.parse_query_string(table, options.address)
    fields = list_fields(table, columns)
    url = resolve_store_url(options)
    reader = Reader(url, busy_ms=5000)
    record_export(url, table.name, {"address": options.address, "columns": fields, "limit": options.limit, "format": form}, options)
    chunks = keyset.iterate_history(reader, table, query, chunk=CHUNK, most=options.limit or keyset.LARGEST)
    with open_output(options.out) as draft:
        _write_chunks((chunk[fields] for chunk in chunks), table, fields, form, draft)
    return 0


def list_fields(table: HistoryTable, columns: Sequence[str]) -> list[str]:
    """The stored fields that columns show, each once."""
    chosen = [column for name in columns if (column := table.find_column(name)) is not None]
    return list(dict.fromkeys(field for column in chosen for field in column.parts or ((column.name,) if column.sql else ())))


def _write_chunks(chunks: Iterator[pd.DataFrame], table: HistoryTable, fields: list[str], form: str, draft: Path | None) -> None:
    import pandas as pd

    if form == "csv":
        with _open_text(draft) as out:
            csv.writer(out, lineterminator="\n").writerow(fields)
            for chunk in chunks:
                _write_csv(chunk, out, header=False)
    elif form == "json":
        _write(pd.concat([pd.DataFrame(columns=fields), *chunks], ignore_index=True), form, draft)
    elif draft is not None:
        _write_parquet(chunks, table, fields, draft)


def _write_parquet(chunks: Iterator[pd.DataFrame], table: HistoryTable, fields: list[str], draft: Path) -> None:
    """Write a row group per chunk; types are those of the store, so that an empty chunk changes none."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    kinds = {"int": pa.int64(), "float": pa.float64(), "str": pa.string()}
    schema = pa.schema([(field, kinds[table.find_kind(field)]) for field in fields])
    with ParquetWriter(draft, schema) as writer:
        for chunk in chunks:
            writer.write_table(pa.Table.from_pandas(chunk, schema=schema, preserve_index=False))


def _open_text(draft: Path | None) -> AbstractContextManager[IO[str]]:
    return nullcontext(sys.stdout) if draft is None else draft.open("w", encoding="utf-8", newline="")


def _write_csv(frame: pd.DataFrame, out: IO[str], *, header: bool = True) -> None:
    """Write CSV; texts are quoted where one holds a carriage return, which most readers take for the end of a row."""
    returns = any(isinstance(cell, str) and "\r" in cell for name in _texts(frame) for cell in frame[name])
    escape_formulas(frame).to_csv(out, index=False, quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL, header=header)


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
