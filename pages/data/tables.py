"""The rows of a recording: its symbols with strip, counts and incidents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine import units
from pages.data.strips import render_strip
from pages.ui.tables import Cell, Column, TableRow

MAX_ROWS = 6  # symbols shown at once
MAX_MORE = 100  # in the expander
MAX_TEXT = 160
DAY_PATTERN, MINUTE_PATTERN = "%Y-%m-%d", "%Y-%m-%d %H:%M"
TWO_DAYS = 2 * 86_400 * units.SECOND  # ns, spans below which hours are shown
SYMBOL_COLUMNS = (
    Column("Symbol", nowrap=True), Column("Coverage", full_width=True, term="coverage strip"), Column("Rows", right=True),
    Column("Gaps", right=True), Column("Repeats", right=True), Column("Faulty", right=True), Column("Incidents"),
)  # fmt: skip
LEGEND = (
    "In each strip, from top: bars (blue), books (green), trades (pink). Amber: bars are missing, or clearly fewer than usual. Blank: no data. "
    "Nights and weekends count as gaps where recording.toml states no session."
)


def list_symbols(survey: Mapping[str, Any]) -> list[TableRow]:
    """Return a row for each symbol."""
    return [_build_row(symbol) for symbol in survey["symbols"]]


def describe_recording(survey: Mapping[str, Any]) -> str:
    """Return what a recording holds in one line."""
    symbols, files = survey["symbols"], _all_files(survey)
    spacings = sorted({file["spacing"] for file in files if file["spacing"]})
    kinds = [kind for kind in ("bars", "books", "trades") if any(file["kind"] == kind for file in files)]
    parts = [units.format_count(len(symbols), "symbol"), describe_span(survey["first"], survey["last"]), " and ".join(kinds)]
    parts += [f"{units.format_bar_length(spacings[0])} bars"] if len(spacings) == 1 else ["bars of different lengths"] if spacings else []
    return ", ".join([*parts, units.format_bytes(survey["bytes"])])


def describe_faults(survey: Mapping[str, Any]) -> str:
    """Return what is wrong with a recording in one line; "" where nothing is."""
    files = _all_files(survey)
    counts = (
        (sum(file["error"] is not None for file in files), "file that cannot be read", "files that cannot be read"),
        (sum(file["gaps"] for file in files), "gap", "gaps"),
        (sum(file["repeats"] for file in files), "repeated bar dropped", "repeated bars dropped"),
        (sum(file["faulty"] for file in files), "faulty row", "faulty rows"),
        (sum(count for symbol in survey["symbols"] for _, count in symbol["incidents"]), "incident", "incidents"),
        (len(survey["left_out"]), "entry that is not read", "entries that are not read"),
    )
    return ", ".join(units.format_count(count, thing, things) for count, thing, things in counts if count)


def list_errors(survey: Mapping[str, Any]) -> list[str]:
    """Return a line for each file that cannot be read or is left out."""
    lines = [file["error"] for file in _all_files(survey) if file["error"] is not None]
    return [shorten_text(line) for line in (*lines, *(f"{name} is not read: {reason}" for name, reason in survey["left_out"]))]


def describe_span(first: int | None, last: int | None) -> str:
    """Return a time span in words, UTC; with hours where it is short."""
    if first is None or last is None:
        return "no rows"
    pattern = MINUTE_PATTERN if last - first < TWO_DAYS else DAY_PATTERN
    return f"{units.format_time(first, pattern)} to {units.format_time(last, pattern)} UTC"


def shorten_text(text: str) -> str:
    """Return a text of one line and bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 3] + "..."


def _all_files(survey: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [file for symbol in survey["symbols"] for file in symbol["files"]]


def _build_row(symbol: Mapping[str, Any]) -> TableRow:
    files: Sequence[Mapping[str, Any]] = symbol["files"]
    spans = [at for file in files for at in (file["first"], file["last"]) if at is not None]
    bars = [file for file in files if file["kind"] == "bars"]
    gaps, missing, longest = (sum(file[name] for file in bars) for name in ("gaps", "missing", "longest_gap"))
    session = f", session {symbol['session']}" if symbol["session"] else ""
    gap_cell = Cell(f"{gaps:,}", small=f"{missing:,} bars, longest {longest:,}" if gaps else "") if bars else Cell(units.MISSING)
    errors = sum(file["error"] is not None for file in files)
    incidents = ", ".join(f"{count:,} x {kind}" for kind, count in symbol["incidents"])
    problem = units.format_count(errors, "file cannot be read", "files cannot be read") if errors else ""
    return TableRow(symbol["symbol"], (
        symbol["symbol"],
        Cell("", markup=render_strip(symbol["symbol"], files), small=describe_span(min(spans, default=None), max(spans, default=None)) + session),
        Cell(f"{sum(file['rows'] for file in files):,}", small=_join(f"{file['rows']:,} {file['kind']}" for file in files)),
        gap_cell,
        f"{sum(file['repeats'] for file in bars):,}" if bars else units.MISSING,
        f"{sum(file['faulty'] for file in files):,}",
        shorten_text(_join(part for part in (problem, incidents) if part)) or "none",
    ))  # fmt: skip


def _join(parts: Iterable[str]) -> str:
    return ", ".join(parts)
