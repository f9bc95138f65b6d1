"""Outside bots: the intents that they post, and the account and the contest of each."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.decision import Decisions, Liquidity, MarketState
from engine.domain.evolution import Contests
from engine.domain.market import Account, Inputs, MarketSnapshot
from engine.domain.orders import Order
from engine.domain.record import Floats, Record

BOT_VERDICTS = ("running", "better", "worse", "equivalent")  # of a bot against the engine, by the numbers of domain.evolution


@dataclass(frozen=True, slots=True)
class Intent(Record):
    """The position that a bot wants, as it was stamped on arrival."""

    id: int
    column: int  # of the symbol
    target: float  # share of equity, below 0 short
    bar: int  # ns UTC, the close of the bar it was sent before: it is in force from the first tick at or after it


@dataclass(frozen=True, slots=True)
class BotDesign(Record):
    """How a bot is judged, fixed before its first pair."""

    number: int  # of all bots of the store, from 1
    alpha: float  # error of each of its verdicts, over all ticks at which they are read
    margin: float  # mean gain per bar within which a bot is equivalent to the engine, as a share of equity
    clip: float  # root mean squares of the blocks before at which the gain of a block is clipped


@dataclass(frozen=True, slots=True)
class BotState(Record):
    """A bot after a tick."""

    design: BotDesign
    account: Account
    orders: tuple[Order, ...]  # to be worked on the next bar
    targets: Floats  # (S,) shares of equity of the newest intents, NaN where there is none
    desired: Floats  # (S,) base units that the newest intents came to, NaN where there is none
    contest: Contests  # with the engine: one arm, one horizon of one bar, the power of every pair is 1
    verdict: int  # of BOT_VERDICTS: the first that was reached
    verdict_tick: int | None
    gain: float | None  # of the newest pair, None where the tick gives none


@dataclass(frozen=True, slots=True)
class BotMarket(Record):
    """What a tick of the engine says about the market that bots trade in, and the engine's own result."""

    bar: MarketSnapshot
    inputs: Inputs
    decisions: Decisions  # whose orders are replaced by those of a bot
    liquidity: Liquidity
    market_state: MarketState
    capital: float
    engine_return: float | None  # of the engine's equity over the bar; None where the bar gives no pair: warm-up, a pause, no tick before it
