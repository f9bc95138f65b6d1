"""Says of a file's columns which are there twice, which name more than one symbol, and which may be the volume under another name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

SYMBOL_COLUMNS = frozenset({
    "symbol", "sym", "ticker", "instrument", "instrument_id", "instrument_name", "instid", "inst_id", "product_id", "pair", "contract", "isin",
})  # fmt: skip
USED = re.compile(r"ts|open|high|low|close|volume|price|size|side|(bid|ask)_(px|sz)_\d+")
_LEVEL = re.compile(r"(?:bid|ask)_(?:px|sz)_(\d+)")
_VOLUME = re.compile(r"vol(ume)?\b|.*volume", re.IGNORECASE)
_SHOWN = 3  # symbols named


def explain_columns(table: pa.Table, kind: str) -> str | None:
    """Why the columns of a file of this kind (bars.csv ...) cannot be read; None where they can."""
    return _explain_repeats(table.column_names) or _explain_symbols(table, kind)


def explain_missing_volume(names: Iterable[str]) -> str | None:
    """Why bars without a column volume are not taken for bars of unknown volume: one of the columns may be it."""
    found = [name for name in names if _VOLUME.match(name.strip())]
    if not found:
        return None
    return f"has no column volume, but {found[0]!r}: rename it to volume where it counts units of the base asset, else to a name without volume in it"


def explain_levels(names: Iterable[str], levels: int) -> str | None:
    """Why a book of so many whole levels cannot be read where there are columns of further ones; None where there are none."""
    further = [name for name in names if (level := _LEVEL.fullmatch(name)) and int(level[1]) >= levels]
    if not further:
        return None
    return f"has {further[0]}, but level {levels} is not whole: count the levels from 0, each with bid_px, bid_sz, ask_px and ask_sz"


def _explain_repeats(names: list[str]) -> str | None:
    used = [name for name in names if USED.fullmatch(name) or name.strip().lower() in SYMBOL_COLUMNS]
    repeated = [name for name, count in Counter(used).items() if count > 1]
    return f"has the column {repeated[0]} twice: rename the one that is not meant" if repeated else None


def _explain_symbols(table: pa.Table, kind: str) -> str | None:
    for name in table.column_names:
        if name.strip().lower() not in SYMBOL_COLUMNS:
            continue
        counts = pc.value_counts(pc.drop_null(pc.cast(table[name], pa.string())))
        if len(counts) > 1:
            rows = sorted(counts.to_pylist(), key=lambda row: (-row["counts"], row["values"]))
            shown = ", ".join(f"{row['values']} in {row['counts']:,} rows" for row in rows[:_SHOWN]) + (" ..." if len(rows) > _SHOWN else "")
            return f"holds {len(rows):,} symbols in its column {name} ({shown}): split it by {name} into SYMBOL/{kind}, one folder per symbol"
    return None
