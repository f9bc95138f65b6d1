"""Imports sources into a recording: recognise, read, merge, write; everything that is left out is in the report."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from zoneinfo import available_timezones

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from engine import units
from engine.domain.texts import shorten
from engine.feeds._recording_folder import MAX_EXTREME_SHARE, SETTINGS_FILE
from engine.feeds._timestamps import SECOND, format_time
from engine.files.import_folders import open_workspace, sweep_workspaces
from engine.importers._format import Format, ImportFault
from engine.importers._lobster import join_lobster
from engine.importers._progress import ReadProgress
from engine.importers._recognition import Recognised, find_format, recognise
from engine.importers._rows import EMPTY, RowCounts, count_rows, read_rows
from engine.importers._sample import Sample, take_sample
from engine.importers._sources import expand_sources, hash_source, list_skipped
from engine.importers._staging import Staged
from engine.importers._times import AMBIGUOUS, TimeStyle, convert_times, find_style
from engine.importers._yfinance import split_tickers

READER_VERSION = "1"
REPORT_FILE = "import.json"
_MIN_REFUSED = 3  # rows left out, apart from all of them, that refuse a table
_INTERVALS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "": 60, "t": 1}  # s; kraken and TradingView write minutes without a unit
_SUFFIXES = re.compile(r"(?i)\.(csv|txt|tsv|json|prn|parquet|feather)$")
_NAME_PARTS = re.compile(r"(?i)[-_ ,]*(\d{4}-\d\d(-\d\d)?|\d+(s|m|min|h|d|w)|[mhd]\d+|daily|hourly|bars?|klines?|ohlcv?|trades?)$")


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the user says of the sources."""

    out: Path
    format: str | None = None
    symbol: str | None = None
    interval: int | None = None  # s
    zone: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What a table was taken for, and its rows."""

    source: str
    sha256: str  # of the file as it is
    format: str
    label: str
    dialect: str
    times: str
    symbols: tuple[str, ...]
    rows: int
    left_out: Mapping[str, int]
    remarks: Mapping[str, int]
    first_rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SymbolReport:
    """A file of the recording."""

    file: str
    rows: int
    first: str
    last: str
    spacing_seconds: float | None  # most common, of bars
    left_out: Mapping[str, int]  # where sources meet


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was imported."""

    recording: str
    reader: str
    sources: tuple[SourceReport, ...]
    symbols: tuple[SymbolReport, ...]
    skipped: tuple[str, ...]  # entries of folders that are no tables


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """How a table will be read."""

    recognised: Recognised
    style: TimeStyle
    shift: int  # ns that each time is moved back: the length of bars that bear the time of their end
    symbol: str | None  # None where each row names its own
    words: str  # what the table was taken for, in one line


def import_files(
    paths: tuple[Path, ...], options: ImportOptions, notify: Callable[[str], None], report_bytes: Callable[[int, int], None] | None = None
) -> ImportReport:
    """Import files and folders into the recording at `options.out`. Raises ImportFault; then a folder that was made for it is deleted.

    `notify` receives a line for the reader each, `report_bytes` the bytes of the sources that are read so far, and those of all.
    """
    existed = options.out.exists()
    try:
        return _import_all(paths, options, notify, ReadProgress(report_bytes))
    except (ImportFault, OSError):
        if not existed:
            with suppress(OSError):  # not empty, or never made
                options.out.rmdir()
        raise


def _import_all(paths: tuple[Path, ...], options: ImportOptions, notify: Callable[[str], None], progress: ReadProgress) -> ImportReport:
    wanted = check_options(options)
    options.out.mkdir(parents=True, exist_ok=True)
    swept = sweep_workspaces(options.out)
    if swept:
        notify(f"what {units.format_count(swept, 'killed import')} left in {options.out} is deleted")
    with open_workspace(options.out) as folder:
        staged: dict[tuple[str, str], Staged] = {}
        sources: list[SourceReport] = []
        skipped = list_skipped(paths)
        for name in skipped:
            notify(f"{name} is left out: it is no table by its name")
        for index, member in enumerate(join_lobster(expand_sources(paths, progress))):
            samples = split_tickers(take_sample(member))
            sources += [_read_source(index, sample, wanted, options, staged, folder, notify, progress) for sample in samples]
        progress.finish()
        symbols = [_write_symbol(part, folder, options, notify) for part in staged.values()]
        if not symbols:
            raise ImportFault("no row could be imported: see the reasons above")
        for part in staged.values():
            target = options.out / part.symbol
            target.mkdir(exist_ok=True)
            (folder / f"{part.symbol}.{part.kind}").replace(target / f"{part.kind}.parquet")
    report = ImportReport(str(options.out), f"engine.importers {READER_VERSION}, pyarrow {pa.__version__}", tuple(sources), tuple(symbols), skipped)
    _write_provenance(options.out, report)
    return report


def check_options(options: ImportOptions) -> Format | None:
    """The format that the options name, None where it is to be recognised. Raises ImportFault for options that cannot be."""
    _require_zone(options.zone)
    return find_format(options.format) if options.format else None


def plan_source(sample: Sample, wanted: Format | None, options: ImportOptions) -> SourcePlan:
    """Recognise a table and decide how to read it. Raises ImportFault."""
    recognised = recognise(sample, wanted, options.columns)
    entry, title = recognised.format, sample.member.title
    style = _find_style(sample, recognised, options)
    interval = options.interval or _parse_interval(recognised.interval)
    shift = _find_shift(sample, recognised, style, interval) if entry.is_stamped_at_close else 0
    symbol = None if "symbol" in recognised.columns and not options.symbol else _name_symbol(sample, recognised, options)
    remark = f"; {entry.remark}" if entry.remark else ""
    remark += "; without volume" if entry.kind == "bars" and "volume" not in recognised.columns else ""
    words = f"{title}: {entry.label} ({entry.name}), {entry.kind}; {sample.describe()}; {style.words}{remark}"
    return SourcePlan(recognised, style, shift, symbol, words)


def _read_source(
    index: int, sample: Sample, wanted: Format | None, options: ImportOptions, staged: dict[tuple[str, str], Staged], folder: Path,
    notify: Callable[[str], None], progress: ReadProgress,
) -> SourceReport:  # fmt: skip
    plan = plan_source(sample, wanted, options)
    entry, title, style = plan.recognised.format, sample.member.title, plan.style
    notify(plan.words)
    counts, symbols, total = RowCounts(), set(), count_rows(sample)
    for table in read_rows(sample, plan.recognised, style, plan.shift, counts):
        if total:
            progress.note_share(sample.member.source, counts.read / total)
        progress.publish()
        for name, rows in split_symbols(table, plan.symbol) if table.num_rows else ():
            symbols.add(name)
            if (name, entry.kind) not in staged:
                _require_absent(options.out, name, entry.kind)
                staged[name, entry.kind] = Staged(name, entry.kind, folder)
            staged[name, entry.kind].add(rows, index)
    for line in counts.first_rows:
        notify(f"  {line}")
    for reason, count in [*counts.left_out.items(), *counts.remarks.items()]:
        if count:
            notify(f"  {units.format_count(count, 'row')} of {counts.read:,} {'has' if count == 1 else 'have'} {reason}")
    require_readable(title, counts)
    left_out = {reason: count for reason, count in counts.left_out.items() if count}
    return SourceReport(
        title, hash_source(sample.member.source), entry.name, entry.label, sample.describe(), style.words, tuple(sorted(symbols)), counts.read,
        left_out, dict(counts.remarks), tuple(counts.first_rows),
    )  # fmt: skip


def _find_style(sample: Sample, recognised: Recognised, options: ImportOptions) -> TimeStyle:
    places, entry = recognised.columns, recognised.format
    texts = [f"{row[places['ts']]} {row[places['clock']]}" if "clock" in places else row[places["ts"]] for row in sample.rows]
    if sample.has_decimal_comma:
        texts = [re.sub(r"^(\d+),(\d+)$", r"\1.\2", text) for text in texts]
    return find_style(sample.member.title, texts, options.zone or entry.zone, is_day_first=entry.is_day_first)


def _find_shift(sample: Sample, recognised: Recognised, style: TimeStyle, interval: int | None) -> int:
    """The length (ns) of bars that bear the time of their end."""
    if interval is not None:
        return interval * SECOND
    ts, _ = convert_times(pa.array([row[recognised.columns["ts"]] for row in sample.rows]), style)
    steps = Counter(np.abs(np.diff(ts)).tolist())
    if not steps:
        raise ImportFault(f"{sample.member.title} has the ends of bars and does not say how long they are: give --interval 1m")
    return int(steps.most_common(1)[0][0])


def require_readable(title: str, counts: RowCounts) -> None:
    """Refuse a table of which more than 1 % of the rows are left out: it is read wrongly, or it is something else."""
    bad = counts.left_out.total()
    bad -= counts.left_out[AMBIGUOUS] + counts.left_out[EMPTY] if bad < counts.read else 0  # an hour per year, minutes without trades
    if bad and (bad == counts.read or bad > max(_MIN_REFUSED - 1, MAX_EXTREME_SHARE * counts.read)):
        reason, count = counts.left_out.most_common(1)[0]
        raise ImportFault(
            f"{title}: {bad:,} of {counts.read:,} rows cannot be used, {count:,} with {reason}: correct them, or its --format or --columns"
        )


def split_symbols(table: pa.Table, symbol: str | None) -> list[tuple[str, pa.Table]]:
    """The rows of each symbol; `symbol` is the name where the rows do not name their own."""
    if symbol is not None:
        return [(symbol, table.drop_columns(["symbol"]) if "symbol" in table.column_names else table)]
    rows = table.drop_columns(["symbol"])
    names = pc.fill_null(table["symbol"], "unknown")
    return [(clean_symbol(name), rows.filter(pc.equal(names, name))) for name in sorted(pc.unique(names).to_pylist())]


def clean_symbol(name: str) -> str:
    """A symbol as the name of a folder: BTC/USDT becomes BTC-USDT."""
    plain = re.sub(r"[^\w.+=-]+", "-", name.strip()).strip("-.")
    return plain or "unknown"


def _read_ticker(sample: Sample) -> str | None:
    """The ticker that yfinance writes into a second line of the header; None without one."""
    return next((row[1] for row in sample.extra if row[0].lower() == "ticker" and len(row) > 1), None)


def _name_symbol(sample: Sample, recognised: Recognised, options: ImportOptions) -> str:
    """The symbol from --symbol, the header, the file's name or its beginning."""
    ticker = _read_ticker(sample)
    named = options.symbol or ticker or recognised.symbol
    if named:
        return clean_symbol(named)
    stem = _SUFFIXES.sub("", sample.member.name)
    while (shorter := _NAME_PARTS.sub("", stem)) != stem and shorter:
        stem = shorter
    if stem.lower() in {"bars", "trades", "books", "data"}:  # as in BTCUSDT/bars.csv
        stem = sample.member.source.resolve().parent.name
    if not re.search(r"[^\W\d_]", stem):
        raise ImportFault(f"{sample.member.title} does not say its symbol: give --symbol")
    return clean_symbol(stem)


def _require_absent(out: Path, symbol: str, kind: str) -> None:
    for suffix in (".parquet", ".csv"):
        if (out / symbol / f"{kind}{suffix}").exists():
            raise ImportFault(f"{out / symbol / f'{kind}{suffix}'} is there already: remove it, or give another --out")


def _write_symbol(part: Staged, folder: Path, options: ImportOptions, notify: Callable[[str], None]) -> SymbolReport:
    part.write(folder / f"{part.symbol}.{part.kind}")
    assert part.first is not None
    assert part.last is not None
    spacing = part.steps.most_common(1)[0][0] / SECOND if part.steps else None
    if options.interval and spacing and spacing != options.interval:
        length = units.format_setting(spacing, "s")
        raise ImportFault(f"{part.symbol}: its bars are {length} apart and not {options.interval} s: correct --interval or leave it out")
    left_out = {reason: count for reason, count in part.left_out.items() if count}
    report = SymbolReport(
        f"{part.symbol}/{part.kind}.parquet", part.rows, format_time(np.int64(part.first)), format_time(np.int64(part.last)), spacing, left_out
    )
    apart = f", {units.format_setting(spacing, 's')} apart" if spacing else ""
    notify(f"{report.file}: {units.format_count(part.rows, part.kind.removesuffix('s'))}, {report.first} to {report.last}{apart}")
    for reason, count in left_out.items():
        notify(f"  {units.format_count(count, 'row')} left out: {reason}")
    return report


def _require_zone(zone: str | None) -> None:
    if zone is None or zone in available_timezones():
        return
    close = difflib.get_close_matches(zone, available_timezones(), n=1)
    raise ImportFault(f"--timezone {shorten(zone)} is no zone: {f'did you mean {close[0]}?' if close else 'write it as UTC or Europe/Berlin'}")


def _parse_interval(text: str | None) -> int | None:
    """Seconds of an interval as in 1m, 60, M5, H1 or 1d; None where there is none."""
    match = re.fullmatch(r"(\d+)([smhdwt]?)", text.lower()) or re.fullmatch(r"([mhd])(\d+)", text.lower()) if text else None
    if match is None:
        return None
    count, unit = match.groups() if match[1].isdecimal() else reversed(match.groups())
    return int(count) * _INTERVALS[unit]


def _write_provenance(out: Path, report: ImportReport) -> None:
    """Write import.json (added to what earlier imports into the recording wrote) and, where there is none, recording.toml."""
    file = out / REPORT_FILE
    earlier = orjson.loads(file.read_bytes()) if file.is_file() else []
    draft = out / f".{REPORT_FILE}.draft"
    draft.write_bytes(orjson.dumps([*earlier, asdict(report)], option=orjson.OPT_INDENT_2))
    draft.replace(file)
    settings = out / SETTINGS_FILE
    if not settings.exists():
        lines = [f"# {shorten(Path(part.source).name)}: {part.label}, sha256 {part.sha256}" for part in report.sources]
        head = [f"# Imported by {report.reader}; {REPORT_FILE} has the details. Contract terms (tick, lot, fee_bps ...) may be added.", *lines]
        settings.write_text("\n".join(head) + "\n", encoding="utf-8")
