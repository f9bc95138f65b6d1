"""The one number style of pages, report, command line and messages: digits by unit, a true minus, one form of an interval."""

from __future__ import annotations

import math

import numpy as np

SECOND = 1_000_000_000  # ns
MS = 1_000_000  # ns
MISSING = "\N{EN DASH}"
NOT_ENOUGH = "not enough data"
NOT_MEASURED = "not measured yet"
_BYTE_STEPS = ("", "k", "M", "G", "T")


def is_known(value: object) -> bool:
    """Return whether the value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def format_number(value: float | None, digits: int = 0, unit: str = "", *, signed: bool = False, missing: str = MISSING) -> str:
    """Format with thousands separators, a true minus sign and the unit."""
    if value is None or not math.isfinite(value):
        return missing
    value = round(value, digits) + 0.0  # no "-0.0"
    text = f"{value:+,.{digits}f}" if signed and value else f"{value:,.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}") + (f" {unit}" if unit else "")


def format_setting(value: float, unit: str = "") -> str:
    """Format a setting, a limit or a constant with the digits it was given with."""
    return f"{value:,.10g}".replace("-", "\N{MINUS SIGN}") + (f" {unit}" if unit else "")


def format_bps(value: float | None, *, signed: bool = False, missing: str = MISSING) -> str:
    return format_number(value, 1, "bps", signed=signed, missing=missing)


def format_percent(share: float | None, digits: int = 1, *, signed: bool = False, missing: str = MISSING) -> str:
    """Format a share of 1 in percent."""
    return format_number(None if share is None else share * 100, digits, "%", signed=signed, missing=missing)


def format_money(value: float | None, *, signed: bool = False, missing: str = MISSING) -> str:
    """Format an amount: cents below 1,000, whole units from there on."""
    return format_number(value, 2 if value is not None and abs(value) < 1_000 else 0, "", signed=signed, missing=missing)


def format_price(value: float | None, missing: str = MISSING) -> str:
    """Format five significant figures, however small the price, and all digits before the point."""
    if value is None or not math.isfinite(value) or value <= 0:
        return missing
    return f"{value:,.{_decimals(value, 5)}f}"


def format_price_step(value: float | None, missing: str = MISSING) -> str:
    """Format the smallest price difference, without trailing zeros."""
    text = format_price(value, missing)
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_quantity(value: float | None, unit: str = "", missing: str = MISSING) -> str:
    """Format a quantity with three significant figures, without trailing zeros."""
    if value is None or not math.isfinite(value):
        return missing
    text = format_number(value, 0 if value == 0 else min(8, _decimals(abs(value), 3)))
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text + (f" {unit}" if unit else "")


def format_bytes(value: float | None, unit: str = "B", missing: str = MISSING) -> str:
    """Format bytes in the largest fitting power of 1,000; `unit` is B or B/s."""
    return format_reading(value, "bytes/s" if unit == "B/s" else "bytes", missing)


def format_age(seconds: float | None, missing: str = MISSING) -> str:
    """Format an age in whole seconds, minutes, hours or days."""
    if seconds is None or not math.isfinite(seconds):
        return missing
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length or (seconds >= length and unit != "d"):
            return f"{int(seconds // length):,} {unit}"
    return f"{max(0, int(seconds))} s"


def format_ms(value: float | None, missing: str = MISSING) -> str:
    """Format a duration given in milliseconds: ms below one second, then s, min and h."""
    return format_reading(value, "ms", missing)


def format_duration(seconds: float | None, missing: str = MISSING) -> str:
    """Format a duration given in seconds: ms below one second, then s, min and h."""
    return format_ms(None if seconds is None else seconds * 1000, missing)


def format_reading(value: float | None, unit: str, missing: str = MISSING, *, signed: bool = False) -> str:
    """Format a reading of the machine: `unit` is bytes, bytes/s, ms, s, count, % or any other name."""
    if value is None or not math.isfinite(value):
        return missing
    divisor, name = scale_unit(unit, value)
    return format_number(value / divisor, _digits(name, value / divisor), name, signed=signed)


def scale_unit(unit: str, highest: float) -> tuple[float, str]:
    """Return the divisor and the unit in which a value, or a group whose largest magnitude is `highest`, is shown."""
    highest = abs(highest) if math.isfinite(highest) else 0.0
    if unit in {"bytes", "bytes/s"}:
        per = "/s" if unit == "bytes/s" else ""
        step = next((step for step in range(4) if round(highest / 1000**step, _byte_digits(step, highest / 1000**step)) < 1000), 4)
        return 1000.0**step, f"{_BYTE_STEPS[step]}B{per}"
    if unit in {"ms", "s"}:
        in_ms = highest * (1 if unit == "ms" else 1000)
        base = 1.0 if unit == "ms" else 1e-3
        limits = (("ms", 1.0, 1_000), ("s", 1e3, 600_000), ("min", 6e4, 7_200_000))
        name, length = next(((name, length) for name, length, limit in limits if _rounded_ms(in_ms) < limit), ("h", 3.6e6))
        return length * base, name
    return 1.0, "" if unit == "count" else unit


def format_reading_interval(low: float | None, high: float | None, unit: str) -> str:
    """Format an interval of readings in one common unit: "-7.3 to +4.5 MB"."""
    if low is None or high is None or not is_known(low) or not is_known(high):
        return NOT_ENOUGH
    divisor, name = scale_unit(unit, max(abs(low), abs(high)))
    return format_interval(low / divisor, high / divisor, _digits(name, max(abs(low), abs(high)) / divisor), name)


def format_estimate(value: float | None, low: float | None, high: float | None, unit: str, *, signed: bool = False) -> str:
    """Format an estimate with its interval in one common unit: "-1.5 MB (-7.3 to +4.5)"."""
    if value is None or not is_known(value):
        return NOT_ENOUGH
    if low is None or high is None or not is_known(low) or not is_known(high):
        return f"{format_reading(value, unit, signed=signed)} (interval: {NOT_ENOUGH})"
    highest = max(abs(value), abs(low), abs(high))
    divisor, name = scale_unit(unit, highest)
    digits = _digits(name, highest / divisor)
    band = format_interval(low / divisor, high / divisor, digits)
    return f"{format_number(value / divisor, digits, name, signed=signed)} ({band})"


def format_change(before: float | None, after: float | None, unit: str) -> str:
    """Format a change with its difference, which may be small beside both: "340 MB -> 339 MB (-1.2 MB)"."""
    if before is None or after is None or not is_known(before) or not is_known(after):
        return NOT_MEASURED
    return f"{format_reading(before, unit)} -> {format_reading(after, unit)} ({format_reading(after - before, unit, signed=True)})"


def format_time(at: int | None, pattern: str = "%Y-%m-%d %H:%M:%S", missing: str = MISSING) -> str:
    """Format a time, ns UTC; `pattern` may hold %Y, %m, %d, %H, %M and %S."""
    if at is None:
        return missing
    iso = str(np.datetime64(at, "ns").astype("datetime64[s]"))
    for field, part in (("%Y", iso[:4]), ("%m", iso[5:7]), ("%d", iso[8:10]), ("%H", iso[11:13]), ("%M", iso[14:16]), ("%S", iso[17:19])):
        pattern = pattern.replace(field, part)
    return pattern


def format_interval(low: float | None, high: float | None, digits: int = 1, unit: str = "") -> str:
    """Format "0.4 to 1.4 %", with signs where it spans zero: "-7.3 to +4.5 %"; "not enough data" where a bound is unknown."""
    if low is None or high is None or not is_known(low) or not is_known(high):
        return NOT_ENOUGH
    return f"{format_number(low, digits)} to {format_number(high, digits, unit, signed=low < 0 < high)}"


def format_count(n: int, thing: str, plural: str = "") -> str:
    """Format "1 bar", "12 bars"; `plural` where it is not formed with an s."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {plural or thing + 's'}"


def format_bar_length(interval_ns: int) -> str:
    """Format the length of a bar."""
    seconds = interval_ns // SECOND
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _digits(name: str, value: float) -> int:
    """Return the decimals of a value in a unit as it is shown."""
    size = abs(value)
    if name in {"", "B", "B/s"}:
        return 0
    if name[1:] in {"B", "B/s"}:
        return _byte_digits(1, size)
    if name == "ms":
        return _ms_digits(size)
    return 1


def _byte_digits(step: int, size: float) -> int:
    return 0 if step == 0 or round(size, 1) >= 100 else 1


def _ms_digits(size: float) -> int:
    return 2 if round(size, 2) < 1 else 1 if round(size, 1) < 100 else 0


def _rounded_ms(size: float) -> float:
    """Return what is shown of a number of milliseconds; from one second on, tenths of a second."""
    shown = round(size, _ms_digits(size))
    return shown if shown < 1000 else round(size, -2)


def _decimals(value: float, figures: int) -> int:
    """Return the decimals that leave so many significant figures, once the value is rounded to them."""
    exponent = int(f"{value:.{figures - 1}e}".partition("e")[2])
    return max(0, figures - 1 - exponent)
