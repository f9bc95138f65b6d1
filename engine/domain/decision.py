"""The records that the ten phases pass on, and the outcome of a tick."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from engine.domain.evidence import LiquidityForecast, RegimeModel, VolatilityForecast
from engine.domain.evolution import EvolutionReport, EvolutionState
from engine.domain.gates import GateResults
from engine.domain.incidents import IncidentState
from engine.domain.orders import Order
from engine.domain.record import Bools, DigestMemo, Floats, Ints, Record

if TYPE_CHECKING:
    from engine.domain.state import OnlineInputs, State


class Phase(Enum):
    """The ten phases, in order."""

    MARKET = "market"
    FEATURES = "features"
    MICROSTRUCTURE = "microstructure"
    SELECTION = "selection"
    VALIDATION = "validation"
    ENSEMBLE = "ensemble"
    RISK = "risk"
    DECISION = "decision"
    LEARNING = "learning"
    EVOLUTION = "evolution"


REGIMES = ("calm", "ranging", "trending", "volatile")
ACTIONS = ("hold", "buy", "sell")  # the codes 0, 1, 2 of Decisions.action
SPREAD_SOURCES = ("book", "Abdi-Ranaldo 2017", "setting", "tick", "assumed wide")  # the codes of Liquidity.spread_source


@dataclass(frozen=True, slots=True)
class MarketState(Record):
    """Phase 1: the state of the market."""

    SHAPES: ClassVar[dict[str, str]] = {
        "sigma": "S?", "trend": "S", "range_volatility": "S?", "liquidity": "S?", "regime": "S", "probabilities": "SR", "regime_change": "S",
    }  # fmt: skip

    sigma: Floats  # (S,) EWMA volatility of one bar's log return, NaN while unknown
    trend: Floats  # (S,) t-statistic of the drift over the last 48 bars
    range_volatility: Floats  # (S,) Garman-Klass volatility of a bar over the last 48 bars
    liquidity: Floats  # (S,) Amihud: |log return| per unit of money traded, 1e6 money, mean over 48 bars
    regime: Ints  # (S,) the most probable one, an index into REGIMES
    probabilities: Floats  # (S, R) filtered forward
    correlation: float  # mean pairwise correlation over the last 48 bars, 0 with one symbol
    breadth: float  # share of symbols above their mean of 48 bars
    sentiment: float  # mean over symbols of signed bar pressure, -1..1
    stress: float  # 0..1, share of symbols in the volatile regime, probability-weighted
    regime_change: Floats  # (S,) probability that the regime has changed with this bar
    regime_model: RegimeModel  # the regime model, updated with this bar
    incident_state: IncidentState  # faults of the data; `open` lists those that last


@dataclass(frozen=True, slots=True)
class FeatureMatrix(Record):
    """Phase 2: the features, one column each."""

    SHAPES: ClassVar[dict[str, str]] = {"values": "SF?", "usable": "S"}

    columns: tuple[str, ...]
    values: Floats  # (S, F), NaN where a column does not apply
    usable: Bools  # (S,) enough history for a prediction


@dataclass(frozen=True, slots=True)
class BookMetrics(Record):
    """Measures of the book and the order flow beyond the cost of trading; NaN without a valid book or enough flow."""

    SHAPES: ClassVar[dict[str, str]] = {"imbalance_best": "S?", "pressure_levels": "S?", "vpin": "S?", "kyle_lambda": "S?", "fillable_share": "S?"}

    imbalance_best: Floats  # (S,) -1..1, of the sizes at the best prices
    pressure_levels: Floats  # (S,) order-flow imbalance of the bar over its depth, mean over the levels
    vpin: Floats  # (S,) 0..1: |bought - sold| over traded, in 12 buckets of equal volume over the last 48 bars
    kyle_lambda: Floats  # (S,) bps that a bar moves per 1e6 money bought net by aggressors, over the last 48 bars
    fillable_share: Floats  # (S,) share of the largest order allowed that the thinner side of the book holds, 0..1
    quoted_bps: Floats  # (2, 2, S) by NOTIONALS and side: cost from the mid of walking the book now, without fee; NaN where it is too thin
    forecast_cost_bps: Floats  # (2, 2, S) the same, forecast for the fill
    forecast_levels: Floats  # (3, S) forecast for the next bar: spread in bps, depth at the best prices in money, impact in bps
    liquidity_forecast: LiquidityForecast  # updated with this tick, for the state
    spread_estimate: Floats  # (4, S) spread estimated from bars: bps, low and high of its 95 % interval, pairs of bars; NaN with a book


@dataclass(frozen=True, slots=True)
class Liquidity(Record):
    """Phase 3: the cost of trading now, and the imbalance of the book and the order flow."""

    SHAPES: ClassVar[dict[str, str]] = {
        "mid": "S?", "spread_bps": "S", "depth": "S?", "imbalance": "S?", "micro_price": "S?", "pressure": "S?", "amihud": "S?",
        "fee_bps": "S", "impact_bps": "S", "cost_bps": "S", "invalid_book": "S", "spread_source": "S", "capacity": "S?",
    }  # fmt: skip

    mid: Floats  # (S,) price; the close where there is no book
    spread_bps: Floats  # (S,) full spread
    depth: Floats  # (S,) money within the book's levels, both sides
    imbalance: Floats  # (S,) -1..1 over the levels
    micro_price: Floats  # (S,) the mid shifted by the imbalance, by the share that past moves support (Stoikov 2018)
    pressure: Floats  # (S,) order-flow imbalance of the bar over its depth, or signed volume over volume
    amihud: Floats  # (S,)
    fee_bps: Floats  # (S,) one way
    impact_bps: Floats  # (S,) one way, for the largest order allowed: by walking the book, or by the square-root law
    cost_bps: Floats  # (S,) one way: half the spread + fee + impact
    invalid_book: Bools  # (S,) the book is crossed or malformed and cannot be traded on
    spread_source: Ints  # (S,) index into SPREAD_SOURCES
    book_metrics: BookMetrics
    costly_executions: tuple[str, ...]  # kinds of order that are proven to cost more than an immediate fill, and are not recommended
    capacity: Floats  # (S,) money that one bar may fill under the participation limit; 0 with unknown volume, NaN where the book decides


@dataclass(frozen=True, slots=True)
class ModelSelection(Record):
    """Phase 4: the models whose predictions count."""

    SHAPES: ClassVar[dict[str, str]] = {"active": "M", "preferred": "M", "expected_loss": "M?"}

    models: tuple[str, ...]
    active: Bools  # (M,)
    preferred: Bools  # (M,) those that would be active if leaving out the others were proven to pay
    expected_loss: Floats  # (M,) predicted loss relative to "no forecast" in these conditions; below 1 is better, NaN while unknown
    conditions: Floats  # (4,) market conditions that losses may depend on (see phases.selection)


@dataclass(frozen=True, slots=True)
class Predictions(Record):
    """Phase 5: the prediction of each model and its reliability. Means are in horizon volatilities (see the target)."""

    SHAPES: ClassVar[dict[str, str]] = {
        "mean": "MHS?", "reliability": "MHS", "agreement": "HS", "out_of_distribution": "S", "active_models": "S", "confidence": "MHS",
        "dispersion": "HS",
    }  # fmt: skip

    models: tuple[str, ...]
    versions: tuple[str, ...]
    mean: Floats  # (M, H, S) forecasts of the target, NaN where a model is not active
    reliability: Floats  # (M, H, S) 0..1
    agreement: Floats  # (H, S) reliability-weighted share of predictions with the majority's sign, 0 where no model is active
    out_of_distribution: Floats  # (S,) share of features outside the range that the models were trained on
    active_models: Floats  # (S,) number of active models
    verdict: str  # reliable, warning or unreliable
    confidence: Floats  # (M, H, S) probability of the prediction's direction by the model's own record; 1/2 without one or where it is not active
    dispersion: Floats  # (H, S) reliability-weighted deviation of the predictions from their mean, in horizon volatilities; 0 with fewer than two
    online_inputs: tuple[OnlineInputs, ...]  # inputs of the models that learn at every tick
    selection: ModelSelection
    shadow_digests: tuple[str, ...]  # of the versions in shadow, which predict without a vote
    shadows: Floats  # (C, H, S) their predictions, NaN where a version failed or a symbol cannot be predicted


@dataclass(frozen=True, slots=True)
class Forecast(Record):
    """Phase 6: the ensemble's forecast, in horizon volatilities."""

    SHAPES: ClassVar[dict[str, str]] = {"mean": "HS", "low": "HS", "high": "HS", "probability": "HS", "weights": "MH", "scale": "HS"}

    mean: Floats  # (H, S)
    low: Floats  # (H, S) lower bound of the 90 % interval
    high: Floats  # (H, S)
    probability: Floats  # (H, S) that the target is above 0
    weights: Floats  # (M, H)
    scale: Floats  # (H, S) log return of one unit: sigma * sqrt(horizon); 0 where unknown
    half_width: Floats  # (H, R, 2) half-widths in force by regime and level; a symbol has those of its regime times its scale factor
    scale_factor: Floats  # (H, S, 2)
    volatility: VolatilityForecast  # over the longest horizon


LIMITS = (
    "kelly fraction", "proven skill", "new version", "cost", "position", "spot, no shorts", "joint sizing", "correlated cluster",
    "volatility target", "expected shortfall", "gross exposure", "net exposure", "daily loss", "drawdown", "participation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sizes(Record):
    """Phase 7: the position sizes, as shares of equity, after each limit."""

    SHAPES: ClassVar[dict[str, str]] = {
        "current": "S", "unconstrained": "S", "target": "S", "steps": "LS", "edge_bps": "S", "cost_bps": "S", "slope": "S",
        "shared_edge_bps": "S", "confidence": "S", "skill_bound": "H?", "skill_estimate": "H?",
    }  # fmt: skip

    current: Floats  # (S,) positions now
    unconstrained: Floats  # (S,) sized jointly, before the limits of the portfolio
    target: Floats  # (S,) after every limit
    limits: tuple[str, ...]  # names of the limits
    steps: Floats  # (L + 1, S) the desired size before any limit, then the size after each
    edge_bps: Floats  # (S,) expected move over the horizon acted on, signed
    cost_bps: Floats  # (S,) round trip, all costs
    slope: Floats  # (S,) share of equity per bps of edge beyond cost, scaled by skill and volatility
    shared_edge_bps: Floats  # (S,) part of the expected move that positions in correlated symbols already use; below 0 where they hedge it
    horizon: int  # index of the horizon acted on
    confidence: Floats  # (S,) probability of the direction
    skill_bound: Floats  # (H,) lower bound of the ensemble's R2, which scales the sizes; NaN without enough data
    skill_estimate: Floats  # (H,) the R2 itself


@dataclass(frozen=True, slots=True)
class Decisions(Record):
    """Phase 8: the action for each symbol, and every gate."""

    SHAPES: ClassVar[dict[str, str]] = {
        "action": "S", "target": "S", "delta": "S", "confidence": "S", "execution": "S", "binding_gate": "S",
        "edge_to_flip_bps": "S?", "votes": "MS?",
    }  # fmt: skip

    action: Ints  # (S,) index into ACTIONS
    target: Floats  # (S,) share of equity once the order is filled
    delta: Floats  # (S,) base units to trade, 0 when holding
    confidence: Floats  # (S,) probability of the direction of the horizon acted on
    execution: Ints  # (S,) index into EXECUTIONS
    gates: GateResults
    binding_gate: Ints  # (S,) index of the first gate that failed, -1 where none did
    edge_to_flip_bps: (
        Floats  # (S,) smallest change of the expected move that changes the action, all else equal and other gates passed; NaN where none does
    )
    votes: Floats  # (M, S) each model's prediction at the horizon acted on, in horizon volatilities


@dataclass(frozen=True, slots=True)
class Instruction(Record):
    """A request of the core to the service.

    kinds: retrain (subject: "all"; detail: the trigger), search (subject: model; detail: JSON of number, strategy and trigger of the evolution),
    promote and revert (subject: models, separated by commas; detail: digests of the versions that serve from then on, in that order).
    """

    kind: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Fill(Record):
    """The fill of an order by the paper broker. Costs are in bps of the fill's money, against the mid (or open) at the fill."""

    symbol: int
    units: float  # filled; 0 where the book could fill none
    unfilled: float
    price: float
    mid: float
    fee_bps: float
    spread_bps: float  # paid: half the spread, or the cost of walking the book
    impact_bps: float
    realised_pnl: float  # money gained or lost on the part that closed a position, after its fee


@dataclass(frozen=True, slots=True)
class Span(Record):
    """The duration of a phase; start_ms counts from the first phase of the tick."""

    phase: Phase
    start_ms: float
    ms: float
    fallback: bool
    error: str | None
    thread: str  # "tick" or the name of a pool thread: shows what ran in parallel


@dataclass(frozen=True, slots=True)
class EvolutionPlan(Record):
    """Phase 10: the requests to the service, and the state that records them."""

    state: State
    instructions: tuple[Instruction, ...]
    report: EvolutionReport

    def digest(self, memo: DigestMemo | None = None) -> str:
        """Return the digest of evolution's own result; learning's digest covers the rest of the state."""
        state = self.state
        return EvolutionProposal(state.last_training, state.training_requests, self.instructions, state.weights, state.evolution).digest(memo)


@dataclass(frozen=True, slots=True)
class EvolutionProposal(Record):
    """The part of a plan that evolution adds to the state."""

    last_training: int
    training_requests: int
    instructions: tuple[Instruction, ...]
    weights: Floats  # (M, H)
    evolution: EvolutionState


@dataclass(frozen=True, slots=True)
class Outcome(Record):
    """All results of a tick."""

    decisions: Decisions
    orders: tuple[Order, ...]
    state: State
    instructions: tuple[Instruction, ...]
    degraded: tuple[Phase, ...]
    # evidence, for the store and the pages
    market_state: MarketState
    features: FeatureMatrix
    liquidity: Liquidity
    predictions: Predictions
    forecast: Forecast
    sizes: Sizes
    evolution: EvolutionReport
