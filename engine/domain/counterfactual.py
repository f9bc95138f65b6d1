"""The results of deciding stored ticks again under a change that lasts: previews, vaccinations and scored overrides."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Record

Known = float | None  # None where unknown


@dataclass(frozen=True, slots=True)
class ActionFlip(Record):
    """One decision whose action differs under the change."""

    tick: int
    symbol: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class SymbolFlips(Record):
    """The decisions of one symbol whose action differs."""

    symbol: str
    flips: int
    trades_before: int
    trades_after: int


@dataclass(frozen=True, slots=True)
class DeclinedDifference(Record):
    """The trades that one gate declined within the span and whose horizon ended there; bps per declined trade, above 0 where the gate cost money."""

    gate: str
    n_before: int
    before_bps: Known
    n_after: int
    after_bps: Known


@dataclass(frozen=True, slots=True)
class PnlDifference(Record):
    """P&L with the change less that of the record, after all costs."""

    money: float
    share: Known  # of the equity at the start of the span
    low: Known  # the same, bounds of the interval; None with too little data
    high: Known
    confidence: float  # of the interval, 0.95 for one try
    tries: int  # changes tried; the interval is Bonferroni's for that many
    n: int  # ticks
    blocks: int  # of time, the units of the interval
    affected: int  # blocks in which the P&L differs at all


@dataclass(frozen=True, slots=True)
class CounterfactualCurve(Record):
    """Exposure and P&L by tick: of the record, and with the change."""

    ticks: tuple[int, ...]
    at: tuple[int, ...]  # ns UTC
    exposure_before: tuple[Known, ...]  # gross, share of equity
    exposure_after: tuple[Known, ...]
    pnl_before: tuple[Known, ...]  # since the start of the span, share of the equity then
    pnl_after: tuple[Known, ...]


@dataclass(frozen=True, slots=True)
class Preview(Record):
    """The last ticks decided again under a change, compared with the record. Nothing of it is stored."""

    changes: tuple[str, ...]  # in words
    first: int  # tick
    last: int
    reproduced: bool  # without the change every tick has the bits and the account that were stored
    first_unreproduced: int | None  # tick
    identical: bool  # with the change too
    decisions: int
    flips: int
    newest_flips: tuple[ActionFlip, ...]  # newest first
    by_symbol: tuple[SymbolFlips, ...]
    costs_before: float  # money: fees, spread and impact of the fills
    costs_after: float
    exposure_before: Known  # mean gross exposure, share of equity
    exposure_after: Known
    declined: tuple[DeclinedDifference, ...]
    difference: PnlDifference
    curve: CounterfactualCurve
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TriedChange(Record):
    """A change of the search, and the action that the tick gets with it."""

    change: str
    size: float  # of the change: share of the parameter's range, 1 for a gate off or a model out
    action: str
    avoids: bool


@dataclass(frozen=True, slots=True)
class Vaccination(Record):
    """The smallest change that would have avoided a decision, and the last ticks decided again with it."""

    tick: int
    symbol: str
    action: str  # as decided
    reason: str
    tried: tuple[TriedChange, ...]  # the smallest first
    chosen: str | None  # the change as the command line writes it; None where none avoids the decision
    preview: Preview | None
    missed_bps: Known = None  # mean outcome per avoided trade in the direction of its forecast, after the round trip's cost
    avoided: int = 0  # trades of the record that are holds with the change
    avoided_known: int = 0  # of those, with a known outcome
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoredOverride(Record):
    """A pause or a flattening, and what the engine would have done without it until its end."""

    kind: str  # paused or flattened
    first: int  # tick
    last: int
    is_open: bool  # it still holds, or goes on beyond the ticks searched
    shortened: bool  # only its first ticks are scored
    flips: int
    costs_saved: float  # money
    difference: PnlDifference  # of the override: P&L of the record less that without it
    by: str = ""  # the sender of its command; "" where it is not stored
    reason: str = ""
    at: int = 0  # ns UTC, close of its first bar


@dataclass(frozen=True, slots=True)
class ScoredOverrides(Record):
    """The overrides among the last ticks, newest first."""

    first: int
    last: int
    overrides: tuple[ScoredOverride, ...]
    left_out: int  # overrides beyond the limit, older than these
    total: PnlDifference | None = None  # of all that are scored together; None without any
