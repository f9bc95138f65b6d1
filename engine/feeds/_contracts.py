"""The contracts of a recording's symbols, from recording.toml: the unit of size, trading costs, order rules and trading hours."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from engine.domain.record import Bools, Floats, Ints, Record
from engine.domain.trading_config import TradingRules
from engine.feeds._recording_files import BadRecording, BarRows, BookRows, TradeRows
from engine.feeds._recording_folder import LARGEST_PRICE, LARGEST_SIZE, SETTINGS_FILE, require_inside

KEYS = (
    "multiplier", "inverse", "tick", "lot", "min_notional", "fee_bps", "maker_fee_bps", "spot", "borrow_rate", "funding_rate", "session",
    "name", "exchange",
)  # fmt: skip
_UNLIMITED = 10_000.0  # an upper bound as large as this is no limit in practice
_BOUNDS: dict[str, tuple[float, float, str]] = {  # smallest, largest, and the meaning where it is easily mistaken
    "tick": (0.0, LARGEST_PRICE, ""),
    "lot": (0.0, LARGEST_SIZE, ""),
    "min_notional": (0.0, LARGEST_SIZE, ""),
    "fee_bps": (0.0, _UNLIMITED, ""),
    "maker_fee_bps": (-1_000.0, _UNLIMITED, ""),
    "borrow_rate": (0.0, 10.0, ", a fraction per year: 0.05 is 5 %"),
    "funding_rate": (-0.1, 0.1, ", a fraction per 8 h: 0.0001 is 1 bps; a series over time is not supported"),
}
HOUR, DAY = 3_600 * 10**9, 86_400 * 10**9  # ns
TRADING_DAYS = 252  # per year, of a venue that closes: weekdays less holidays
_SESSION = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)(?: +([A-Za-z_/+\-0-9]+))?")
_COIN_MARGINED = re.compile(r"([A-Z0-9]+)USD_(PERP|\d{6})")  # Binance's names of contracts on a coin that are settled in that coin


@dataclass(frozen=True, slots=True)
class TradingSession(Record):
    """The hours of a day in which a symbol trades; past midnight where it ends before it begins."""

    text: str
    begins: int  # ns after midnight
    ends: int
    zone: str

    @property
    def hours_per_year(self) -> float:
        """Trading hours on 252 days; 0 where the session has no close, so that days off are learned from the bars."""
        hours = ((self.ends - self.begins) % DAY) / HOUR
        return hours * TRADING_DAYS

    def covers(self, at: Ints) -> Bools:
        """(n,) whether each time (n,) in ns UTC falls into the session."""
        hours, inverse = np.unique(at // HOUR, return_inverse=True)
        zone = ZoneInfo(self.zone)
        offsets = [datetime.fromtimestamp(hour * 3_600, UTC).astimezone(zone).utcoffset() for hour in hours.tolist()]
        shift = np.array([0 if offset is None else round(offset.total_seconds()) * 10**9 for offset in offsets], dtype=np.int64)
        local = (at + shift[inverse]) % DAY
        if self.begins <= self.ends:
            return np.asarray((local >= self.begins) & (local < self.ends))
        return np.asarray((local >= self.begins) | (local < self.ends))


@dataclass(frozen=True, slots=True)
class Contract(Record):
    """The terms of a symbol. One recorded unit of size is `multiplier` base units, or `multiplier` money where the contract is inverse."""

    multiplier: float = 1.0
    inverse: bool = False
    tick: float = 0.0  # price, 0 where unknown
    lot: float = 0.0  # recorded units of size that an order is a multiple of, 0 where unknown
    min_notional: float = 0.0  # money
    fee_bps: float | None = None  # taker, contract way; None for the settings' own
    maker_fee_bps: float | None = None  # of a passive fill, below 0 a rebate; None for the taker fee
    spot: bool = False  # sold short only where it can be borrowed
    borrow_rate: float | None = None  # per year, of the value of a short; None where unknown
    funding_rate: float = 0.0  # per 8 h, of the value of a position; above 0 longs pay shorts
    session: TradingSession | None = None  # None for round the clock
    declared: bool = False  # in recording.toml

    def units(self, size: Floats, price: Floats) -> Floats:
        """Recorded sizes as base units, at prices of the same shape; NaN where an inverse contract has no price."""
        if not self.inverse:
            return size if self.multiplier == 1.0 else size * self.multiplier
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(price > 0, size * self.multiplier / price, np.where(size == 0, 0.0, np.nan))


def read_contracts(path: Path, symbols: tuple[str, ...]) -> dict[str, Contract]:
    """The contract of each symbol from recording.toml; its top level holds for every symbol without an entry of its own. Raises BadRecording."""
    file = path / SETTINGS_FILE
    if not file.is_file():
        return dict.fromkeys(symbols, Contract())
    require_inside(path, (file,))
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadRecording(f"{file} cannot be read ({str(error).splitlines()[0]}): correct it") from error
    by_symbol = _symbol_tables(file, document)
    _require_folders(file, by_symbol, path)
    return parse_contracts(file, document, symbols)


def parse_contracts(file: Path, document: Mapping[str, Any], symbols: tuple[str, ...]) -> dict[str, Contract]:
    """The contract of each symbol from a document like recording.toml, named `file` in messages. Raises BadRecording."""
    by_symbol = _symbol_tables(file, document)
    common = _parse_contract(file, "", {key: value for key, value in document.items() if key != "symbols"}, Contract())
    return {symbol: _parse_contract(file, f"{symbol}: ", by_symbol[symbol], common) if symbol in by_symbol else common for symbol in symbols}


def _symbol_tables(file: Path, document: Mapping[str, Any]) -> dict[str, dict[str, object]]:
    by_symbol = document.get("symbols", {})
    if not isinstance(by_symbol, dict) or not all(isinstance(part, dict) for part in by_symbol.values()):
        raise BadRecording(f"{file}: symbols must be one table per symbol: write [symbols.NAME]")
    return by_symbol


def trading_rules_of(contracts: tuple[Contract, ...]) -> TradingRules:
    """The rules for orders of these symbols and their holding costs, sizes in base units; without ticks."""
    lots = tuple(contract.lot * contract.multiplier for contract in contracts)
    money_lots = tuple(contract.inverse and contract.lot > 0 for contract in contracts)
    min_notionals = tuple(contract.min_notional for contract in contracts)
    shorts = tuple(not contract.spot or contract.borrow_rate is not None for contract in contracts)
    borrow_rates = tuple(contract.borrow_rate or 0.0 for contract in contracts)
    funding_rates = tuple(contract.funding_rate for contract in contracts)
    return TradingRules(
        lots=lots if any(lots) else (),
        money_lots=money_lots if any(money_lots) else (),
        min_notionals=min_notionals if any(min_notionals) else (),
        shorts=() if all(shorts) else shorts,
        borrow_rates=borrow_rates if any(borrow_rates) else (),
        funding_rates=funding_rates if any(funding_rates) else (),
    )


def contract_by_name(symbol: str, sizes: Floats) -> Contract:
    """The contract of a Binance coin-margined symbol, where every recorded size is whole: 100 USD each for BTC, 10 USD for all others."""
    match = _COIN_MARGINED.fullmatch(symbol)
    known = sizes[np.isfinite(sizes)]
    if not match or not len(known) or (known % 1.0).any():
        return Contract()
    return Contract(multiplier=100.0 if match[1] == "BTC" else 10.0, inverse=True)


def convert_bars(rows: BarRows, contract: Contract) -> BarRows:
    """Bars with volumes in base units, converted at the close where the contract is inverse."""
    values = rows.values.copy()
    values[4] = contract.units(rows.values[4], rows.values[3])
    return replace(rows, values=values)


def convert_trades(rows: TradeRows, contract: Contract) -> TradeRows:
    """Trades with sizes in base units."""
    return replace(rows, size=contract.units(rows.size, rows.price))


def convert_books(rows: BookRows, contract: Contract) -> BookRows:
    """Books with sizes in base units, each converted at its own level's price."""
    return replace(rows, bid_size=contract.units(rows.bid_size, rows.bid_price), ask_size=contract.units(rows.ask_size, rows.ask_price))


def _require_folders(file: Path, by_symbol: Mapping[str, object], path: Path) -> None:
    """Refuse a table for a symbol without a folder in the recording: it would have no effect."""
    folders = sorted(folder.name for folder in path.iterdir() if folder.is_dir())
    for symbol in by_symbol:
        if symbol not in folders:
            near = difflib.get_close_matches(symbol, folders, 1)
            remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(folders[:12])}"
            raise BadRecording(f"{file}: [symbols.{symbol}] is of no symbol of this recording: {remedy}")


def _parse_contract(file: Path, where: str, entries: dict[str, object], common: Contract) -> Contract:
    for key in entries:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            remedy = f"it is {near[0]}" if near else f"there are {', '.join(KEYS)}"
            raise BadRecording(f"{file}: {where}there is no {key!r}: {remedy}")
    contract = replace(common, declared=True, **_parse_numbers(file, where, entries), **_parse_flags(file, where, entries))
    for key in ("name", "exchange"):
        if not isinstance(entries.get(key, ""), str):
            raise BadRecording(f"{file}: {where}{key} is {repr(entries[key])[:40]}: make it a text")
    if "session" in entries:
        contract = replace(contract, session=_parse_session(file, where, entries["session"]))
    if contract.spot and contract.funding_rate:
        raise BadRecording(
            f"{file}: {where}funding_rate is {contract.funding_rate:g} and spot is true: only derivatives pay funding, so remove one of them"
        )
    if contract.maker_fee_bps is not None and contract.fee_bps is not None and contract.maker_fee_bps > contract.fee_bps:
        raise BadRecording(f"{file}: {where}maker_fee_bps is {contract.maker_fee_bps:g}, above fee_bps of {contract.fee_bps:g}: swap them")
    return contract


def _parse_numbers(file: Path, where: str, entries: dict[str, object]) -> dict[str, Any]:
    numbers = {key: _parse_number(file, where + key, entries[key], *_BOUNDS[key]) for key in _BOUNDS if key in entries}
    if "multiplier" in entries:
        numbers["multiplier"] = _parse_number(file, where + "multiplier", entries["multiplier"], 0.0, 1e9, above=True)
    return numbers


def _parse_flags(file: Path, where: str, entries: dict[str, object]) -> dict[str, Any]:
    flags: dict[str, Any] = {key: entries[key] for key in ("inverse", "spot") if key in entries}
    for key, value in flags.items():
        if not isinstance(value, bool):
            raise BadRecording(f"{file}: {where}{key} is {value!r}: make it true or false")
    return flags


def _parse_number(file: Path, what: str, value: object, least: float, most: float, meaning: str = "", *, above: bool = False) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most or (above and value == least):
        lower = f"above {least:g}" if above else f"of at least {least:g}"
        bounds = f"{lower} and at most {most:g}" if most >= _UNLIMITED else f"from {least:g} to {most:g}"
        raise BadRecording(f"{file}: {what} is {repr(value)[:40]}: make it a number {bounds}{meaning}")
    return float(value)


def _parse_session(file: Path, where: str, value: object) -> TradingSession:
    match = _SESSION.fullmatch(str(value).strip())
    hours = [int(part) for part in match.groups()[:4]] if match else [99]
    if match is None or hours[0] > 23 or hours[2] > 24 or max(hours[1], hours[3]) > 59:
        raise BadRecording(f"{file}: {where}session is {value!r}: write it as '09:30-16:00 America/New_York', or without a zone for UTC")
    zone = match[5] or "UTC"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRecording(f"{file}: {where}session has the zone {zone!r}, which is not known here: write it as America/New_York") from None
    begins, ends = (hours[0] * 60 + hours[1]) * 60 * 10**9, (hours[2] * 60 + hours[3]) * 60 * 10**9
    return TradingSession(str(value).strip(), begins, ends, zone)
