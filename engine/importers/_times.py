"""Reads times of other people's files as ns UTC: counts, dates in the common orders, spreadsheet days, and wall-clock times of a zone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.record import Bools, Ints
from engine.feeds._timestamps import DAY, EARLIEST_COUNT, LATEST, SECOND, describe_counts
from engine.importers._format import ImportFault

UNREAD = "a time that cannot be read"
AMBIGUOUS = "a wall-clock time that the zone has twice, so give times in UTC"
ABSENT = "a wall-clock time that the zone skips, so correct --timezone"
_PER_COUNT = (SECOND, 10**6, 10**3, 1)  # ns
_SPREADSHEET_DAYS = (25_569, 62_092)  # days since 1899-12-30: 1970 to 2069
_SPREADSHEET_EPOCH = -25_569 * DAY  # ns
_NUMBER = r"^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$"
_MAJORITY = 0.9  # share of the first times that decides how times are written
_WRITTEN = (
    r"^((19|20)\d\d)(\d\d)(\d\d)$",
    r"^((19|20)\d\d)(\d\d)(\d\d)[ T]?(\d\d):?(\d\d)$",
    r"^((19|20)\d\d)(\d\d)(\d\d)[ T]?(\d\d):?(\d\d):?(\d\d)(\.?\d{1,9})?$",
)
_SHORT = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-]\d{4}")
_ZONED = r"(Z|[+-]\d\d:?\d\d)$"
_ISO = r"^\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|[+-]\d\d:?\d\d)?$"


@dataclass(frozen=True, slots=True)
class TimeStyle:
    """How the times of one source are written."""

    is_count: bool  # numbers since 1970 or days of a spreadsheet
    is_day_first: bool | None  # of 01/02/2024; None where no such date occurs
    zone: str  # of times without one
    words: str  # for the reader


def find_style(title: str, texts: Sequence[str], zone: str | None, *, is_day_first: bool | None) -> TimeStyle:
    """Find how times are written from the first of them. Raises ImportFault where they cannot be read or do not say what they are."""
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise ImportFault(f"{title} has no times: name the column with --columns ts=NAME")
    numbers = [float(text) for text in texts if re.fullmatch(_NUMBER, text.strip()) and np.isfinite(float(text))]
    is_written = _MAJORITY * len(texts) <= sum(any(re.match(pattern, text) for pattern in _WRITTEN) for text in texts)
    if _MAJORITY * len(texts) <= len(numbers) and not is_written:
        return _style_of_counts(title, np.array(numbers), zone)
    order = _find_day_first(title, texts) if is_day_first is None else is_day_first
    has_zone = any(re.search(_ZONED, _normalise(pa.array([text]), order)[0].as_py()) for text in texts[:5])
    if not has_zone and zone is None:
        raise ImportFault(f"{title} has times of a clock whose zone it does not say, first {texts[0]}: give it as --timezone UTC or Europe/Athens")
    return TimeStyle(
        is_count=False, is_day_first=order, zone=zone or "UTC", words="times with their zone" if has_zone else f"times of {zone or 'UTC'}"
    )


def _style_of_counts(title: str, values: np.ndarray, zone: str | None) -> TimeStyle:
    if _are_days(values).all():
        if zone is None:
            raise ImportFault(f"{title} has times of a clock whose zone it does not say: give it as --timezone UTC or Europe/Athens")
        return TimeStyle(is_count=True, is_day_first=None, zone=zone, words=f"days of a spreadsheet, times of {zone}")
    units = {unit for unit, ns in zip(("s", "ms", "us", "ns"), _PER_COUNT, strict=True) if (_in_unit(values, ns)).any()}
    if not units:
        raise ImportFault(f"{title} has the time {values[0]:.0f}, which {describe_counts(values)}: write it as ISO 8601 or in ms since 1970")
    return TimeStyle(is_count=True, is_day_first=None, zone=zone or "UTC", words=f"{' and '.join(sorted(units))} since 1970")


def _in_unit(values: np.ndarray, ns: int) -> Bools:
    return np.asarray((values >= EARLIEST_COUNT * SECOND // ns) & (values < LATEST * SECOND // ns))


def _are_days(values: np.ndarray) -> Bools:
    return np.asarray((values >= _SPREADSHEET_DAYS[0]) & (values < _SPREADSHEET_DAYS[1]))


def _find_day_first(title: str, texts: Sequence[str]) -> bool | None:
    pairs = [(int(match[1]), int(match[2])) for text in texts if (match := _SHORT.match(text.strip()))]
    if not pairs:
        return None
    first, second = max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)
    if (first > 12) == (second > 12):
        raise ImportFault(f"{title} has dates whose order of day and month cannot be told, first {texts[0]}: write them as 2024-01-31")
    return first > 12


def convert_times(texts: pa.Array, style: TimeStyle) -> tuple[Ints, dict[str, Bools]]:
    """(n,) ns UTC, and (n,) masks by reason of rows whose time is not known. Timestamps of Arrow are used as they are; texts follow the style."""
    if pa.types.is_timestamp(texts.type) or pa.types.is_date(texts.type):
        return _from_arrow(texts, style)
    if not pa.types.is_string(texts.type):
        texts = pc.cast(texts, pa.string())
    texts = pc.fill_null(pc.utf8_trim_whitespace(texts), "")
    if style.is_count:
        return _from_counts(pc.if_else(pc.match_substring_regex(texts, _NUMBER), texts, "0"), style)
    text = _normalise(texts, style.is_day_first)
    readable = pc.match_substring_regex(text, _ISO)
    return _from_iso(pc.if_else(readable, text, pa.scalar(None, pa.string())), style)


def _normalise(texts: pa.Array, is_day_first: bool | None) -> pa.Array:
    """Texts in ISO 8601 with a space, as far as they can be understood."""
    text = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), r"\s*(UTC|GMT)$", "Z")
    text = pc.replace_substring_regex(text, r"\s*(UTC|GMT)?([+-]\d\d):?(\d\d)$", r"\2\3") if _any(text, r":\d\d.*[+-]\d\d:?\d\d$") else text
    text = pc.replace_substring_regex(text, r"^((?:19|20)\d\d)(\d\d)(\d\d)", r"\1-\2-\3")
    text = pc.replace_substring_regex(text, r"^(\d{4})[./-](\d{1,2})[./-](\d{1,2})", r"\1-\2-\3")
    if is_day_first is not None:
        text = pc.replace_substring_regex(text, r"^(\d{1,2})[./-](\d{1,2})[./-](\d{4})", r"\3-\2-\1" if is_day_first else r"\3-\1-\2")
    text = pc.replace_substring_regex(text, r"^(\d{4})-(\d)-", r"\1-0\2-")
    text = pc.replace_substring_regex(text, r"^(\d{4}-\d\d)-(\d)(\D|$)", r"\1-0\2\3")
    text = pc.replace_substring_regex(text, r"^(\d{4}-\d\d-\d\d)[T, ]+(\d):", r"\1 0\2:")
    text = pc.replace_substring_regex(text, r"^(\d{4}-\d\d-\d\d)[T, ]*(\d\d):?(\d\d)", r"\1 \2:\3")
    text = pc.replace_substring_regex(text, r"^(\d{4}-\d\d-\d\d \d\d:\d\d):?(\d\d)", r"\1:\2")
    text = pc.replace_substring_regex(text, r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[.,]?(\d+)", r"\1.\2")
    return _from_twelve_hours(text)


def _from_twelve_hours(text: pa.Array) -> pa.Array:
    """Texts such as `2024-01-31 11:30:00 PM` with the hours 0 to 23."""
    if not _any(text, r"(?i)[ -][AP]M$"):
        return text
    read = [re.fullmatch(r"(\S+ )(\d\d)(\S*?)[ -]([AP])M", value or "", re.IGNORECASE) for value in text.to_pylist()]
    return pa.array([
        f"{match[1]}{int(match[2]) % 12 + 12 * (match[4].upper() == 'P'):02d}{match[3] or ':00'}" if match else value
        for match, value in zip(read, text.to_pylist(), strict=True)
    ])  # fmt: skip


def _any(text: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())


def _from_counts(texts: pa.Array, style: TimeStyle) -> tuple[Ints, dict[str, Bools]]:
    """Counts since 1970, each in the unit in which it lies from 1980 to 2070, and days of a spreadsheet."""
    whole = pc.match_substring_regex(texts, r"^(\d{1,18}|[1-8]\d{18})$")
    if pc.all(whole).as_py():
        exact = pc.cast(texts, pa.int64()).to_numpy(zero_copy_only=False)
        values = exact.astype(np.float64)
    else:  # fractions: split, so that no digit is lost
        parsed = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
        values = np.where(np.abs(parsed) < 2.0**63, parsed, 0.0)
        exact = np.floor(values).astype(np.int64)
    times = np.zeros(len(values), dtype=np.int64)
    readable = np.zeros(len(values), dtype=np.bool_)
    for ns in _PER_COUNT:
        in_unit = _in_unit(values, ns)
        readable |= in_unit
        fraction = np.rint((values - exact)[in_unit] * min(ns, 10**6)).astype(np.int64) * (ns // min(ns, 10**6))
        times[in_unit] = exact[in_unit] * ns + fraction
    days = _are_days(values)
    if not days.any():
        return times, {UNREAD: ~readable}
    local = np.rint(values * DAY / 10**6).astype(np.int64) * 10**6 + _SPREADSHEET_EPOCH  # to the ms, as spreadsheets have
    times[days], masks = _to_utc(pa.array(local[days]).cast(pa.timestamp("ns")), style.zone)
    spread = {reason: _spread(mask, days) for reason, mask in masks.items()}
    return times, {**spread, UNREAD: ~(readable | days)}


def _spread(mask: Bools, rows: Bools) -> Bools:
    result = np.zeros(len(rows), dtype=np.bool_)
    result[rows] = mask
    return result


def _from_iso(text: pa.Array, style: TimeStyle) -> tuple[Ints, dict[str, Bools]]:
    zoned = pc.fill_null(pc.match_substring_regex(text, _ZONED), False)
    if pc.all(zoned).as_py():
        stamps = _cast(text, pa.timestamp("ns", "UTC"))
        return _known(stamps)
    if not pc.any(zoned).as_py():
        stamps = _cast(text, pa.timestamp("ns"))
        return _to_utc(stamps, style.zone)
    is_zoned = np.asarray(zoned.to_numpy(zero_copy_only=False), dtype=np.bool_)
    null = pa.scalar(None, pa.string())
    with_zone, first = _known(_cast(pc.if_else(zoned, text, null), pa.timestamp("ns", "UTC")))
    without, masks = _to_utc(_cast(pc.if_else(zoned, null, text), pa.timestamp("ns")), style.zone)
    return np.where(is_zoned, with_zone, without), {
        reason: np.where(is_zoned, first[UNREAD] & (reason == UNREAD), mask) for reason, mask in masks.items()
    }


def _cast(text: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast texts to timestamps, null where there is no such day or hour."""
    try:
        return pc.cast(text, kind)
    except pa.ArrowException:
        return pa.concat_arrays([_cast_single(text.slice(row, 1), kind) for row in range(len(text))])


def _cast_single(text: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        return pc.cast(text, kind)
    except pa.ArrowException:
        return pa.nulls(1, kind)


def _from_arrow(stamps: pa.Array, style: TimeStyle) -> tuple[Ints, dict[str, Bools]]:
    if pa.types.is_date(stamps.type) or stamps.type.tz is None:
        return _to_utc(pc.cast(stamps, pa.timestamp("ns")), style.zone)
    return _known(pc.cast(stamps, pa.timestamp("ns", "UTC")))


def _known(stamps: pa.Array) -> tuple[Ints, dict[str, Bools]]:
    times = pc.fill_null(pc.cast(stamps, pa.int64()), 0).to_numpy(zero_copy_only=False)
    return np.array(times, dtype=np.int64), {UNREAD: np.asarray(stamps.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)}


def _to_utc(local: pa.Array, zone: str) -> tuple[Ints, dict[str, Bools]]:
    """Wall-clock times of a zone as UTC; those that the zone has twice or skips are not known."""
    if zone == "UTC":
        return _known(local)
    earliest, latest = (pc.assume_timezone(local, zone, ambiguous=side, nonexistent=side) for side in ("earliest", "latest"))
    times, masks = _known(earliest)
    doubtful = times != _known(latest)[0]
    back = pc.local_timestamp(earliest)
    exists = np.asarray(pc.fill_null(pc.equal(back, local), True).to_numpy(zero_copy_only=False), dtype=np.bool_)
    return times, {**masks, AMBIGUOUS: doubtful & exists, ABSENT: doubtful & ~exists}
