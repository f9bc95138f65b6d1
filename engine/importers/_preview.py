"""Shows what an import would do: what each table is taken for, its first rows as read, and what would be left out. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine import units
from engine.domain.record import Record
from engine.importers._format import Format, ImportFault
from engine.importers._lobster import join_lobster
from engine.importers._pipeline import ImportOptions, check_options, plan_source, require_readable, split_symbols
from engine.importers._recognition import list_formats
from engine.importers._rows import RowCounts, read_rows
from engine.importers._sample import Sample, take_sample
from engine.importers._sources import Member, expand_sources, list_skipped
from engine.importers._yfinance import split_tickers

MAX_TABLES = 12  # that are read
MAX_ROWS = 100_000  # read of each
MAX_CELLS = 24  # of a row as it is written


@dataclass(frozen=True, slots=True)
class TablePreview(Record):
    """A table as it would be imported."""

    source: str
    format: str  # "" where it is not recognised
    label: str
    kind: str  # bars, trades or books
    dialect: str
    times: str
    symbols: tuple[str, ...]  # in the rows that were read
    columns: tuple[tuple[str, str], ...]  # ours, and theirs by name or number
    header: tuple[str, ...]  # as it is written; () without
    raw_rows: tuple[tuple[str, ...], ...]  # as they are written
    first_rows: tuple[str, ...]  # as read
    rows: int  # read
    is_whole: bool  # whether these are all
    left_out: tuple[tuple[str, int], ...]  # reasons and rows
    remarks: tuple[tuple[str, int], ...]  # rows that stay, by what is unclear
    fault: str | None  # why it cannot be imported


@dataclass(frozen=True, slots=True)
class ImportPreview(Record):
    """What an import of some files and folders would do."""

    tables: tuple[TablePreview, ...]  # the first MAX_TABLES
    count: int  # of all tables
    skipped: tuple[str, ...]  # entries of folders that are no tables
    formats: tuple[tuple[str, str], ...]  # names and labels of every format

    @property
    def is_importable(self) -> bool:
        """Whether no table is refused."""
        return all(table.fault is None for table in self.tables)


def preview_files(paths: tuple[Path, ...], options: ImportOptions) -> ImportPreview:
    """Read the beginning of every table. A table that would be refused says why; ImportFault is raised for the options and for missing files."""
    wanted = check_options(options)
    members = join_lobster(expand_sources(paths))
    tables = tuple(table for member in members[:MAX_TABLES] for table in _preview_member(member, wanted, options))[:MAX_TABLES]
    return ImportPreview(tables, len(members), list_skipped(paths), tuple((entry.name, entry.label) for entry in list_formats()))


def describe_preview(preview: ImportPreview) -> str:
    """The preview as lines."""
    lines = []
    for table in preview.tables:
        if table.fault is not None:
            lines.append(table.fault)
            continue
        lines.append(
            f"{table.source}: {table.label} ({table.format}), {table.kind} of {', '.join(table.symbols[:6])}; {table.dialect}; {table.times}"
        )
        lines += [f"  {row}" for row in table.first_rows]
        lines += [f"  {units.format_count(count, 'row')} of {table.rows:,} with {reason}" for reason, count in table.left_out]
    lines += [f"{preview.count - len(preview.tables):,} more tables are not shown"] if preview.count > len(preview.tables) else []
    return "\n".join([*lines, *(f"{name} is left out: it is no table by its name" for name in preview.skipped)])


def _preview_member(member: Member, wanted: Format | None, options: ImportOptions) -> tuple[TablePreview, ...]:
    try:
        samples = split_tickers(take_sample(member))
    except ImportFault as fault:
        return (TablePreview(member.title, "", "", "", "", "", (), (), (), (), (), 0, False, (), (), str(fault)),)
    return tuple(_preview_table(sample, wanted, options) for sample in samples)


def _preview_table(sample: Sample, wanted: Format | None, options: ImportOptions) -> TablePreview:
    title = sample.member.title
    raw = tuple(row[:MAX_CELLS] for row in sample.rows[:3])
    try:
        return _read_beginning(sample, raw, wanted, options)
    except ImportFault as fault:
        return TablePreview(title, "", "", "", sample.describe(), "", (), (), sample.header[:MAX_CELLS], raw, (), 0, False, (), (), str(fault))


def _read_beginning(sample: Sample, raw: tuple[tuple[str, ...], ...], wanted: Format | None, options: ImportOptions) -> TablePreview:
    plan = plan_source(sample, wanted, options)
    entry, names = plan.recognised.format, plan.recognised.names
    counts, symbols, is_whole = RowCounts(), dict[str, None](), True
    for table in read_rows(sample, plan.recognised, plan.style, plan.shift, counts):
        symbols |= dict.fromkeys(name for name, _ in split_symbols(table, plan.symbol)) if table.num_rows else {}
        if counts.read >= MAX_ROWS:
            is_whole = False
            break
    fault = None
    try:
        require_readable(sample.member.title, counts)
    except ImportFault as refused:
        fault = str(refused)
    columns = tuple((ours, names[place]) for ours, place in sorted(plan.recognised.columns.items(), key=lambda pair: pair[1]))
    return TablePreview(
        sample.member.title, entry.name, entry.label, entry.kind, sample.describe(), plan.style.words, tuple(symbols), columns[:MAX_CELLS],
        sample.header[:MAX_CELLS], raw, tuple(counts.first_rows), counts.read, is_whole,
        tuple((reason, count) for reason, count in counts.left_out.items() if count), tuple(counts.remarks.items()), fault,
    )  # fmt: skip
