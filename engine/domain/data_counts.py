"""What the files of a recording came to: rows read, left out, and what is not known of them, by symbol."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Record

RECORDED, ZERO, UNKNOWN = "recorded", "zero", "unknown"  # what is known of a symbol's volume


@dataclass(frozen=True, slots=True)
class DataCounts(Record):
    """The counts of one symbol over its whole files, whatever period is played."""

    symbol: str
    rows: int  # in bars, books and trades together
    bars: int  # recorded, or built from trades or mids
    without_volume: int  # recorded bars whose volume is 0 or unknown
    duplicate_bars: int  # identical, dropped
    faulty_bars: int  # without a finite, positive and consistent price, or off the clock: treated as missing
    faulty_trades: int  # without a finite and positive price and size: left out
    faulty_books: int  # crossed, one-sided or malformed: kept, but left out of the order flow
    signed_trades: int  # trades with a known aggressor side
    unsigned_trades: int
    outside_session: int  # bars that open outside the session in recording.toml: left out
    moved_bars: int  # bars in summer time, shifted to the UTC opening time of winter
    trades_without_bar: int  # trades in a period without a bar: left out
    volume: str  # RECORDED, or ZERO or UNKNOWN in every bar
    has_books: bool

    @property
    def faulty(self) -> int:
        """Rows left out because they cannot describe a market."""
        return self.faulty_bars + self.faulty_trades
