"""What the files of a recording came to: rows read, left out, and what is not known of them, by symbol."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Record

RECORDED, ZERO, UNKNOWN = "recorded", "zero", "unknown"  # what is known of a symbol's volume


@dataclass(frozen=True, slots=True)
class DataCounts(Record):
    """Of one symbol and of its whole files, whatever part of the time is played."""

    symbol: str
    rows: int  # in bars, books and trades together
    bars: int  # played, recorded or made of trades or mids
    without_volume: int  # recorded bars whose volume is 0 or unknown
    duplicate_bars: int  # identical, dropped
    faulty_bars: int  # without a finite, positive and consistent price, or off the clock: missing
    faulty_trades: int  # without a finite and positive price and size: left out
    faulty_books: int  # crossed, one-sided or malformed: kept, and left out of the flow
    signed_trades: int  # whose aggressor's side is known
    unsigned_trades: int
    outside_session: int  # bars that open outside of the session in recording.toml: left out
    moved_bars: int  # of summer time, taken as opening as late as those of winter do in UTC
    trades_without_bar: int  # in a stretch of time that has no bar: left out
    volume: str  # RECORDED, or ZERO or UNKNOWN in every bar
    has_books: bool

    @property
    def faulty(self) -> int:
        """Rows that were left out because no market is described by them."""
        return self.faulty_bars + self.faulty_trades
