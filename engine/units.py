"""Figures into words with their units, or "not enough data"."""

from __future__ import annotations

import math
from datetime import UTC, datetime

SECOND = 1_000_000_000
MS = 1_000_000
MISSING = "\N{EN DASH}"
NOT_ENOUGH = "not enough data"
NOT_MEASURED = "not measured yet"


def is_known(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def format_number(value: float | None, digits: int = 0, unit: str = "", *, signed: bool = False, missing: str = MISSING) -> str:
    """With thousands separators, a true minus sign and its unit."""
    if value is None or not math.isfinite(value):
        return missing
    value = round(value, digits) + 0.0  # no "-0.0"
    told = f"{value:+,.{digits}f}" if signed and value else f"{value:,.{digits}f}"
    return told.replace("-", "\N{MINUS SIGN}") + (f" {unit}" if unit else "")


def format_bps(value: float | None, *, signed: bool = False, missing: str = MISSING) -> str:
    return format_number(value, 1, "bps", signed=signed, missing=missing)


def format_percent(share: float | None, digits: int = 1, *, signed: bool = False, missing: str = MISSING) -> str:
    return format_number(None if share is None else share * 100, digits, "%", signed=signed, missing=missing)


def format_money(value: float | None, *, signed: bool = False, missing: str = MISSING) -> str:
    return format_number(value, 2 if value is not None and abs(value) < 1_000 else 0, "", signed=signed, missing=missing)


def format_price(value: float | None, missing: str = MISSING) -> str:
    """Five significant figures, however small; all digits before the point."""
    if value is None or not math.isfinite(value) or value <= 0:
        return missing
    return f"{value:,.{_decimals(value, 5)}f}"


def format_price_step(value: float | None, missing: str = MISSING) -> str:
    """The smallest difference of two prices, without trailing zeros."""
    shown = format_price(value, missing)
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def format_quantity(value: float | None, unit: str = "", missing: str = MISSING) -> str:
    """A quantity in three significant figures, without trailing zeros."""
    if value is None or not math.isfinite(value):
        return missing
    told = format_number(value, 0 if value == 0 else min(8, _decimals(abs(value), 3)))
    if "." in told:
        told = told.rstrip("0").rstrip(".")
    return told + (f" {unit}" if unit else "")


def _decimals(value: float, figures: int) -> int:
    """Decimals that leave so many significant figures, once the value is rounded to them."""
    exponent = int(f"{value:.{figures - 1}e}".partition("e")[2])
    return max(0, figures - 1 - exponent)


def format_bytes(value: float | None, unit: str = "B", missing: str = MISSING) -> str:
    """Bytes in the largest fitting power of 1,000."""
    if value is None or not math.isfinite(value):
        return missing
    for step in ("", "k", "M", "G", "T"):
        if abs(value) < 1000 or step == "T":
            return format_number(value, 0 if not step or abs(value) >= 100 else 1, step + unit)
        value /= 1000
    return missing


def format_age(seconds: float | None, missing: str = MISSING) -> str:
    if seconds is None or not math.isfinite(seconds):
        return missing
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length or (seconds >= length and unit != "d"):
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def format_ms(value: float | None, missing: str = MISSING) -> str:
    if value is None or not math.isfinite(value):
        return missing
    return format_number(value, 2 if abs(value) < 1 else 1 if abs(value) < 100 else 0, "ms")


def format_reading(value: float | None, unit: str, missing: str = MISSING) -> str:
    """A reading of the machine in its own unit."""
    if unit in {"bytes", "bytes/s"}:
        return format_bytes(value, "B/s" if unit == "bytes/s" else "B", missing)
    if unit == "ms":
        return format_ms(value, missing)
    digits = 0 if unit == "count" else 1
    return format_number(value, digits, "" if unit == "count" else unit, missing=missing)


def format_time(at: int | None, pattern: str = "%Y-%m-%d %H:%M:%S", missing: str = MISSING) -> str:
    """A time in UTC, by the clock it was taken from."""
    return missing if at is None else datetime.fromtimestamp(at / SECOND, UTC).strftime(pattern)


def format_interval(low: float | None, high: float | None, digits: int = 1, unit: str = "") -> str:
    """`low..high`, or "not enough data" where either is unknown."""
    if not is_known(low) or not is_known(high):
        return NOT_ENOUGH
    return f"{format_number(low, digits)}..{format_number(high, digits)}" + (f" {unit}" if unit else "")


def format_count(n: int, thing: str) -> str:
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def format_bar_length(interval_ns: int) -> str:
    """The length of a bar in words."""
    seconds = interval_ns // SECOND
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
