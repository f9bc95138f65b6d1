"""Reads a recognised table in batches and turns them into rows of a recording; what is left out is counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from engine.domain.record import Bools, Floats
from engine.importers._format import PRICES, ImportFault
from engine.importers._recognition import Recognised
from engine.importers._sample import Sample, load_json
from engine.importers._sources import READ_ERRORS
from engine.importers._times import TimeStyle, convert_times

_BLOCK = 1 << 22  # bytes of text read at once
_BATCH = 1 << 16  # rows of Parquet, Feather and JSON read at once
_ROUNDING = 1e-9  # relative slack before an open or close outside low..high is a fault and not rounding
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_SHORTENED = r"^[\d.]+[KMB]$"
_GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$"
_CURRENCY = r"^([+-]?)[$€£¥]\s*"
_NO_NUMBERS = ("", "nan", "null", "none", "na", "n/a", "-", "inf", "-inf")
_BUY, _SELL = ("b", "buy", "bid", "buyer", "bought"), ("s", "sell", "ask", "a", "seller", "sold")
_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")
EMPTY = "no price at all, as where nothing traded"
UNREAD_VOLUME = "a volume that is no number (kept as unknown)"
UNEVEN, UNKNOWN_SIDE = "another number of cells than the first rows have", "a side that is neither buy nor sell (kept as none)"
_PRICE_FAULT, _RANGE_FAULT, _VOLUME_FAULT = (
    "a price that is missing, not finite or not above 0", "an open or close outside of low to high", "a volume below 0"
)  # fmt: skip
_SIZE_FAULT, _BOOK_FAULT = "a size that is missing, not finite or not above 0", "a best bid and ask that are missing or crossed"


@dataclass(slots=True)
class RowCounts:
    """The rows of one table: read, and left out by reason."""

    read: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)  # rows that are kept, by what was unclear
    first_rows: list[str] = field(default_factory=list)


def read_rows(sample: Sample, recognised: Recognised, style: TimeStyle, shift: int, counts: RowCounts) -> Iterator[pa.Table]:
    """Yield valid rows: ts (ns UTC as int64, less `shift`) and the columns of the kind, with `symbol` and `id` where there are such columns."""
    for batch in _read_batches(sample, recognised, counts):
        counts.read += batch.num_rows
        if batch.num_rows:
            yield _convert(batch, sample, recognised, style, shift, counts)


def count_rows(sample: Sample) -> int | None:
    """Return the number of rows of a Parquet file, from its metadata; None for other files, whose rows have to be read to be counted."""
    return int(pyarrow.parquet.ParquetFile(sample.member.source).metadata.num_rows) if sample.container == "parquet" else None


def _read_batches(sample: Sample, recognised: Recognised, counts: RowCounts) -> Iterator[pa.RecordBatch]:
    names = [str(index) for index in range(len(recognised.names))]
    if sample.container == "parquet":
        for batch in pyarrow.parquet.ParquetFile(sample.member.source).iter_batches(_BATCH):
            yield _simplify(batch, names)
    elif sample.container == "feather":
        for batch in pyarrow.feather.read_table(sample.member.source, memory_map=True).to_batches(_BATCH):
            yield _simplify(batch, names)
    elif sample.container == "json":
        yield from _read_json(sample, names)
    else:
        yield from _read_text(sample, names, counts)


def _simplify(batch: pa.RecordBatch, names: list[str]) -> pa.RecordBatch:
    """The batch with texts of any type as plain texts."""
    columns = [pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column for column in batch.columns]
    kinds = (pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary, pa.types.is_large_binary)
    texts = [pc.cast(column, pa.string()) if any(is_kind(column.type) for is_kind in kinds) else column for column in columns]
    return pa.RecordBatch.from_arrays(texts, names)


def _read_json(sample: Sample, names: list[str]) -> Iterator[pa.RecordBatch]:
    _, rows = load_json(sample.member)
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        columns = [pa.array([None if row[index] is None else str(row[index]) for row in part], pa.string()) for index in range(len(names))]
        yield pa.RecordBatch.from_arrays(columns, names)


def _read_text(sample: Sample, names: list[str], counts: RowCounts) -> Iterator[pa.RecordBatch]:
    def skip(_: pyarrow.csv.InvalidRow) -> str:
        counts.left_out[UNEVEN] += 1
        counts.read += 1
        return "skip"

    try:
        with sample.member.open() as opened:
            yield from pyarrow.csv.open_csv(
                opened,
                pyarrow.csv.ReadOptions(column_names=names, skip_rows=sample.skipped, block_size=_BLOCK, encoding=sample.encoding, use_threads=False),
                pyarrow.csv.ParseOptions(delimiter=sample.separator, invalid_row_handler=skip),
                pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
            )
    except (pa.ArrowException, UnicodeDecodeError, *READ_ERRORS) as error:
        raise ImportFault(f"{sample.member.title} cannot be read to its end ({str(error).splitlines()[0][:120]}): get it again") from error


def _convert(batch: pa.RecordBatch, sample: Sample, recognised: Recognised, style: TimeStyle, shift: int, counts: RowCounts) -> pa.Table:
    entry, places = recognised.format, recognised.columns
    ts, faults = convert_times(_read_stamps(batch, sample, places), style)
    numbers = {
        name: _read_numbers(
            batch.column(place), sample, entry.missing, entry.price_unit if name in PRICES or name == "price" or "_px_" in name else 1.0
        )
        for name, place in places.items()
        if name not in {"ts", "clock", "side", "maker", "id", "symbol"}
    }
    if "volume" in places:
        _count_unread_volumes(batch.column(places["volume"]), numbers["volume"], counts)
    faults |= _FAULTS[entry.kind](numbers)
    valid = np.ones(len(ts), dtype=np.bool_)
    for reason, mask in faults.items():
        counts.left_out[reason] += int((mask & valid).sum())
        valid &= ~mask
    columns: dict[str, pa.Array] = {"ts": pa.array(ts - shift), **{name: pa.array(values) for name, values in numbers.items()}}
    if entry.kind == "trades":
        columns["side"] = _read_sides(batch, recognised, counts)
    for name in ("id", "symbol"):
        if name in places:
            columns[name] = pc.utf8_trim_whitespace(pc.cast(batch.column(places[name]), pa.string()))
    table = pa.table(columns).filter(pa.array(valid))
    if not counts.first_rows:
        counts.first_rows.extend(_show(row) for row in table.slice(0, 3).to_pylist())
    return table


def _read_stamps(batch: pa.RecordBatch, sample: Sample, places: Mapping[str, int]) -> pa.Array:
    stamps = batch.column(places["ts"])
    if "clock" in places:
        return pc.binary_join_element_wise(pc.cast(stamps, pa.string()), pc.cast(batch.column(places["clock"]), pa.string()), " ")
    return pc.replace_substring_regex(stamps, r"^(\d+),(\d+)$", r"\1.\2") if sample.has_decimal_comma else stamps


def _count_unread_volumes(column: pa.Array, volume: Floats, counts: RowCounts) -> None:
    if pa.types.is_string(column.type) and np.isnan(volume).any():
        known = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(column, ""))), pa.array(_NO_NUMBERS)).to_numpy(zero_copy_only=False)
        unread = int((np.isnan(volume) & ~known).sum())
        if unread:
            counts.remarks[UNREAD_VOLUME] += unread


def _show(row: dict[str, object]) -> str:
    at = np.datetime_as_string(np.datetime64(int(str(row["ts"])), "ns"), unit="ms")
    cells = [f"{name} {value:.10g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items() if name != "ts"]
    return f"{at}Z  {'  '.join(cells[:8])}"


def _read_numbers(column: pa.Array, sample: Sample, missing: tuple[str, ...], unit: float) -> Floats:
    """(n,) numbers, NaN where a cell holds none; whole numbers without a point count `unit` each."""
    if not pa.types.is_string(column.type):
        return np.array(pc.fill_null(pc.cast(column, pa.float64()), np.nan).to_numpy(zero_copy_only=False), dtype=np.float64)
    text = _normalise_numbers(pc.utf8_trim_whitespace(column), sample)
    if missing:
        text = pc.if_else(pc.is_in(text, pa.array(missing)), pa.scalar(None, pa.string()), text)
    try:
        parsed = pc.cast(text, pa.float64())
    except pa.ArrowException:
        parsed = pc.cast(pc.if_else(pc.match_substring_regex(text, _NUMBER), text, pa.scalar(None, pa.string())), pa.float64())
    values = np.array(pc.fill_null(parsed, np.nan).to_numpy(zero_copy_only=False), dtype=np.float64)
    if unit != 1.0:
        whole = np.asarray(pc.fill_null(pc.match_substring_regex(text, r"^[+-]?\d+$"), False).to_numpy(zero_copy_only=False), dtype=np.bool_)
        values = np.where(whole, values / round(1 / unit), values)
    return values


def _normalise_numbers(text: pa.Array, sample: Sample) -> pa.Array:
    """Texts of numbers with a decimal point, without a currency's sign and separated thousands, and with suffixes K, M and B written out."""
    if pc.any(pc.match_substring_regex(text, _CURRENCY)).as_py():
        text = pc.replace_substring_regex(text, _CURRENCY, r"\1")
    if sample.has_decimal_comma:
        grouped = pc.match_substring_regex(text, r"^[+-]?\d{1,3}(\.\d{3})+(,|$)")
        text = pc.replace_substring(pc.if_else(grouped, pc.replace_substring(text, ".", ""), text), ",", ".")
    elif pc.any(pc.match_substring(text, ",")).as_py():
        text = pc.if_else(pc.match_substring_regex(text, _GROUPED), pc.replace_substring(text, ",", ""), text)
    if pc.any(pc.match_substring_regex(text, _SHORTENED)).as_py():
        for suffix, power in (("K", "e3"), ("M", "e6"), ("B", "e9")):
            text = pc.replace_substring_regex(text, rf"^([\d.]+){suffix}$", rf"\1{power}")
    return text


def _find_bar_faults(numbers: dict[str, Floats]) -> dict[str, Bools]:
    first, high, low, last = (numbers[name] for name in PRICES)
    prices = np.stack([first, high, low, last])
    empty = np.isnan(prices).all(axis=0)
    bad = ~empty & ~(np.isfinite(prices) & (prices > 0.0)).all(axis=0)
    with np.errstate(invalid="ignore"):
        wide = (high * (1.0 + _ROUNDING) >= np.maximum(first, last)) & (low * (1.0 - _ROUNDING) <= np.minimum(first, last))
        volume = numbers.get("volume", np.zeros(len(first)))
        return {EMPTY: np.asarray(empty), _PRICE_FAULT: np.asarray(bad), _RANGE_FAULT: ~empty & ~bad & ~wide, _VOLUME_FAULT: volume < 0.0}


def _find_trade_faults(numbers: dict[str, Floats]) -> dict[str, Bools]:
    price, size = numbers["price"], numbers["size"]
    return {_PRICE_FAULT: ~(np.isfinite(price) & (price > 0.0)), _SIZE_FAULT: ~(np.isfinite(size) & (size > 0.0))}


def _find_book_faults(numbers: dict[str, Floats]) -> dict[str, Bools]:
    bid, ask = numbers["bid_px_0"], numbers["ask_px_0"]
    with np.errstate(invalid="ignore"):
        return {_BOOK_FAULT: ~((bid > 0.0) & (ask >= bid) & np.isfinite(ask))}


_FAULTS = {"bars": _find_bar_faults, "trades": _find_trade_faults, "books": _find_book_faults}


def _read_sides(batch: pa.RecordBatch, recognised: Recognised, counts: RowCounts) -> pa.Array:
    """buy, sell or none: the side of the aggressor."""
    places = recognised.columns
    name = "side" if "side" in places else "maker"
    if name not in places:
        return pa.array(["none"]).take(pa.array(np.zeros(batch.num_rows, dtype=np.int64)))
    words = pc.fill_null(pc.utf8_lower(pc.utf8_trim_whitespace(pc.cast(batch.column(places[name]), pa.string()))), "")
    buy, sell = (_BUY, _SELL) if name == "side" else (_FALSE, _TRUE)  # the aggressor sold where the buyer was the maker
    is_buy, is_sell = pc.is_in(words, pa.array(buy)), pc.is_in(words, pa.array(sell))
    unknown = pc.sum(pc.invert(pc.or_(pc.or_(is_buy, is_sell), pc.is_in(words, pa.array([*_NO_NUMBERS, "n", "unknown", "u"]))))).as_py()
    if unknown:
        counts.remarks[UNKNOWN_SIDE] += unknown
    return pc.if_else(is_buy, "buy", pc.if_else(is_sell, "sell", "none"))
