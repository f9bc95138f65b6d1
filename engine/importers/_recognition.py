"""Recognises the format of a table by its columns, its first rows and its name."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.importers._format import COLUMNS, NEEDED, PRICES, Format, Importer, ImportFault
from engine.importers._sample import Sample
from engine.plugins import discover_plugins

_MIN_CONSISTENT = 0.95  # share of the first rows whose open and close lie within low to high
_BOOK = re.compile(r"(bid|ask)_(px|sz)_\d+")
_NAME_POINTS, _LAYOUT_POINTS = 100, 3  # a name decides between formats with the same columns
_GROUPED = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?")  # thousands with points
_MAX_LEVELS = 1_000
_MAX_NAMES, _MAX_LETTERS = 12, 24  # of columns in a message, and letters of each


@dataclass(frozen=True, slots=True)
class Recognised:
    """A format with the columns of one table."""

    format: Format
    names: tuple[str, ...]  # of all columns of the table
    columns: Mapping[str, int]  # ours -> place in the table
    symbol: str | None  # from the name
    interval: str | None  # from the name


def list_formats() -> tuple[Format, ...]:
    """Every format of every importer."""
    importers: tuple[Importer, ...] = discover_plugins("engine.importers", "IMPORTER")
    return tuple(entry for importer in importers for entry in importer.formats)


def find_format(name: str) -> Format:
    """Find the format of that name; raises ImportFault with the near miss."""
    formats = {entry.name: entry for entry in list_formats()}
    if name not in formats:
        close = difflib.get_close_matches(name, formats, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"there are {', '.join(formats)}"
        raise ImportFault(f"--format {name[:40]} is unknown: {remedy}")
    return formats[name]


def recognise(sample: Sample, wanted: Format | None, columns: Mapping[str, str]) -> Recognised:
    """Recognise the format of a table. Raises ImportFault where none fits, or two do."""
    if sample.header and not sample.rows and not sample.extra:
        raise ImportFault(f"{sample.member.title} has a header and no row below it: get it again")
    if columns:
        return _fit_columns(sample, columns)
    candidates = (wanted,) if wanted else list_formats()
    fits = [
        (score, fit) for entry in candidates if (fit := _fit(sample, entry)) and (score := _score(sample, entry, is_wanted=wanted is not None)) >= 0
    ]
    if not fits:
        raise ImportFault(_explain_unknown(sample, wanted))
    best = max(score for score, _ in fits)
    chosen = [fit for score, fit in fits if score == best]
    if len(chosen) > 1:
        names = " and ".join(f"{fit.format.name} ({fit.format.label})" for fit in chosen)
        raise ImportFault(f"{sample.member.title} may be {names}: say which with --format")
    return chosen[0]


def match_name(entry: Format, name: str) -> re.Match[str] | None:
    """The match of a file's name with that of a format."""
    return re.search(entry.file_name, name, re.IGNORECASE) if entry.file_name else None


def _score(sample: Sample, entry: Format, *, is_wanted: bool) -> int:
    """How special a fit is; -1 where the name must fit and does not."""
    is_named = match_name(entry, sample.member.name) is not None
    if entry.needs_name and not is_named and not is_wanted:
        return -1
    own = len(entry.signature) if sample.header else _LAYOUT_POINTS
    return own + (_NAME_POINTS if is_named else 0)


def _fit(sample: Sample, entry: Format) -> Recognised | None:
    names = sample.header or entry.layout
    is_other = bool(entry.layout) and not entry.signature if sample.header else not entry.layout
    if is_other or len(names) != sample.width or not entry.signature <= set(names if sample.header else entry.signature):
        return None
    if not sample.header and not _cells_fit(sample, entry):
        return None
    match = match_name(entry, sample.member.name)
    groups = match.groupdict() if match else {}
    symbol = groups.get("symbol")
    columns = _resolve(entry, names, symbol or "")
    if any(column not in columns for column in NEEDED[entry.kind]) or not _is_consistent(sample, columns):
        return None
    return Recognised(entry, names, columns, symbol, groups.get("interval"))


def _cells_fit(sample: Sample, entry: Format) -> bool:
    places = {name: index for index, name in enumerate(entry.layout)}
    rows = sample.rows[:50]
    return bool(rows) and all(re.fullmatch(pattern, row[places[name]], re.IGNORECASE) for name, pattern in entry.cells.items() for row in rows)


def _resolve(entry: Format, names: tuple[str, ...], symbol: str) -> dict[str, int]:
    """The places of our columns in a table."""
    places = {name: index for index, name in enumerate(names)}
    columns = {}
    for ours, theirs in entry.columns.items():
        if "#" in ours:
            for level in range(_MAX_LEVELS):
                place = next((places[wanted] for name in theirs for wanted in _levels(name, level) if wanted in places), None)
                if place is None:
                    break
                columns[ours.replace("#", str(level))] = place
            continue
        for name in theirs:
            if name.startswith("~"):
                pattern = name[1:].replace("{base}", _base_pattern(symbol))
                place = next((index for index, header in enumerate(names) if re.fullmatch(pattern, header)), None)
            else:
                place = places.get(name)
            if place is not None:
                columns[ours] = place
                break
    return columns


def _levels(name: str, level: int) -> tuple[str, ...]:
    return (name.replace("##", f"{level:02d}"),) if "##" in name else (name.replace("#", str(level)),)


def _base_pattern(symbol: str) -> str:
    """A pattern of the beginning of a symbol: its base currency, whose length is not known."""
    letters = re.sub(r"\W", "", symbol).lower()
    return "(?:" + "|".join(re.escape(letters[:length]) for length in range(len(letters), 1, -1)) + ")" if len(letters) > 1 else r"\w+"


def _is_consistent(sample: Sample, columns: Mapping[str, int]) -> bool:
    """Whether open and close lie within low to high in nearly all first rows, as where the columns are not what they are taken for they do not."""
    if not all(name in columns for name in PRICES):
        return True
    checks = []
    for row in sample.rows:
        try:
            prices = [_read_price(row[columns[name]], sample) for name in PRICES]
        except ValueError:
            continue
        if any(map(math.isnan, prices)):
            continue
        checks.append(prices[2] <= min(prices) * (1 + 1e-9) and prices[1] >= max(prices) * (1 - 1e-9))
    return not checks or sum(checks) >= _MIN_CONSISTENT * len(checks)


def _read_price(text: str, sample: Sample) -> float:
    """Raises ValueError where the text is no number."""
    plain = text.lstrip("$€£¥ ")
    return float(
        plain.replace(".", "").replace(",", ".")
        if sample.has_decimal_comma and _GROUPED.fullmatch(plain)
        else plain.replace(",", "." if sample.has_decimal_comma else "")
    )


def _fit_columns(sample: Sample, columns: Mapping[str, str]) -> Recognised:
    """The columns that the user names, by their header or by their number from 1."""
    names = sample.header or tuple(str(index + 1) for index in range(sample.width))
    places = {}
    for ours, theirs in columns.items():
        if ours not in COLUMNS and not _BOOK.fullmatch(ours):
            raise ImportFault(f"--columns {ours}={theirs}: {ours} is no column of a recording, which are {', '.join(COLUMNS)}, bid_px_0 ...")
        plain = theirs.strip().lower()
        if plain in names:
            places[ours] = names.index(plain)
        elif plain.isdecimal() and 1 <= int(plain) <= len(names):
            places[ours] = int(plain) - 1
        else:
            raise ImportFault(f"--columns {ours}={theirs}: {sample.member.title} has the columns {_list_names(names)}")
    is_stamped_at_close = "end" in places and "ts" not in places
    if is_stamped_at_close:
        places["ts"] = places.pop("end")
    kind = next((kind for kind, needed in NEEDED.items() if all(name in places for name in needed)), None)
    if kind is None:
        raise ImportFault(f"--columns needs {' or '.join(', '.join(needed) for needed in NEEDED.values())}: it has {', '.join(places)}")
    entry = Format("columns", "columns as named", kind, {}, is_stamped_at_close=is_stamped_at_close)
    if not _is_consistent(sample, places):
        raise ImportFault(
            f"{sample.member.title}: open and close lie outside of low to high, so --columns names the wrong ones: "
            f"its columns are {_list_names(names)}"
        )
    return Recognised(entry, names, places, None, None)


def _list_names(names: tuple[str, ...]) -> str:
    more = " ..." if len(names) > _MAX_NAMES else ""
    return ", ".join(name[:_MAX_LETTERS] for name in names[:_MAX_NAMES]) + more


def _explain_unknown(sample: Sample, wanted: Format | None) -> str:
    title = sample.member.title
    described = (
        f"its columns are {_list_names(sample.header)}"
        if sample.header
        else f"it has {sample.width} columns without header, as {_list_names(sample.rows[0] if sample.rows else ())}"
    )
    if wanted:
        return f"{title} is no {wanted.label}: {described}"
    return f"{title} is of no known format: {described}; name them, as in --columns ts=1,open=2,high=3,low=4,close=5,volume=6"
