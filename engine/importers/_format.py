"""Describes a file format: how it is recognised, and which of its columns hold what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PRICES = ("open", "high", "low", "close")
NEEDED = {"bars": ("ts", *PRICES), "trades": ("ts", "price", "size"), "books": ("ts", "bid_px_0", "bid_sz_0", "ask_px_0", "ask_sz_0")}
COLUMNS = ("ts", "end", "clock", *PRICES, "volume", "price", "size", "side", "maker", "id", "symbol")  # and the columns of books


class ImportFault(ValueError):
    """A source that cannot be imported correctly: one line with what is wrong, where, and the remedy."""


@dataclass(frozen=True, slots=True)
class Format:
    """A file format.

    `columns` gives for each of our columns the source's names of it, in lower case, the first that is there wins; `#` in both stands for the level
    of a book (`##` for two digits), `~` begins a regular expression that may use {base}, the beginning of the symbol. Our columns are those of a
    recording, and `end` (of a bar, in the place of ts), `clock` (time of day where ts is a date), `maker` (whether the buyer was the maker), `id`
    (of a trade) and `symbol`.
    """

    name: str
    label: str
    kind: str  # bars, trades or books
    columns: Mapping[str, tuple[str, ...]]
    signature: frozenset[str] = frozenset()  # columns of a header by which the format is recognised
    layout: tuple[str, ...] = ()  # names of the columns of a file without header
    cells: Mapping[str, str] = field(default_factory=dict)  # regular expressions of cells by column of the layout
    file_name: str = ""  # regular expression of the name, with a group `symbol`; case is ignored
    needs_name: bool = False  # recognised only where the name fits
    zone: str | None = "UTC"  # of times without one; None where the files do not say, so that --timezone is needed
    is_day_first: bool | None = None  # of dates such as 01/02/2024; None where the values decide
    is_stamped_at_close: bool = False  # ts is the end of the bar
    price_unit: float = 1.0  # of prices that are whole numbers without a point
    missing: tuple[str, ...] = ()  # texts that stand for no number
    remark: str = ""  # what the reader should know of the result


@dataclass(frozen=True, slots=True)
class Importer:
    """The formats of one family."""

    family: str
    formats: tuple[Format, ...]


def names_of(**columns: str) -> dict[str, tuple[str, ...]]:
    """Columns of a format, written as our name = "their name|another name"."""
    return {ours: tuple(theirs.split("|")) for ours, theirs in columns.items()}
