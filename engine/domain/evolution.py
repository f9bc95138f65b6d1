"""The records of evolution: contests of challengers with the ensemble as it is, and what each trigger and strategy has achieved."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.evidence import SkillSums
from engine.domain.record import Floats, Ints, Record

TRIGGERS = (
    "first training", "schedule", "by hand", "performance decline", "input drift", "target drift", "regime change", "new data", "finding",
    "expected loss",
)  # fmt: skip
STRATEGIES = ("refresh", "longer window", "shorter window", "tuning", "column selection", "structure search", "ensemble adjustment")
SEARCHES = STRATEGIES[1:6]  # that give a challenger with another recipe
EVOLUTION_STATES = ("training", "racing", "promoted", "retired", "reverted", "failed")
VERDICTS = ("running", "better", "worse", "equivalent", "inconclusive")  # of a contest, by the numbers below
RUNNING, BETTER, WORSE, EQUIVALENT, INCONCLUSIVE = range(5)  # verdicts of a contest
HYPOTHESES = ("not better", "not worse", "worse than the margin", "better than the margin")  # that the four e-processes of a contest test
WAGERS = (0.15, 0.4, 0.9)  # fractions of the largest possible bet; an e-process is the mean of the capital over them


@dataclass(frozen=True, slots=True)
class Arm(Record):
    """One contestant. Its ensemble differs from the serving one in the versions at some places, or in how it blends them."""

    number: int  # of the evolution, unique within a session
    kind: str  # challenger (another recipe in a model's place), watch (the versions before a refresh or a promotion), or blend
    places: tuple[int, ...]  # on the model axis, where its versions stand; () for a blend
    versions: tuple[str, ...]  # at those places
    digests: tuple[str, ...]  # of those versions
    blend: str  # name of the blend, "" where it is the serving one
    trigger: str
    detail: str  # the trigger's figures
    strategy: str
    parent: str  # the versions or the blend that it competes with
    began: int  # tick at which the trigger fired
    alpha: float  # error of each of its verdicts


@dataclass(frozen=True, slots=True)
class Contests(Record):
    """The paired comparison of each arm with the serving ensemble (see evidence.contest); A arms, H horizons, B wagers.

    A gain is the squared error of the serving ensemble less that of the arm's, a mean over symbols: above 0 the arm is better.
    """

    log_wealth: Floats  # (A, 4, H, B) log of the capital that bets against each of HYPOTHESES, by wager
    open_gain: Floats  # (A, H) of the current block
    open_power: Floats  # (A, H) squared targets of the current block, a mean over symbols
    open_ticks: Floats  # (A, H) scored in the current block
    blocks: Floats  # (A, H) closed, including those of the burn-in, on which nothing is bet
    gain: Floats  # (A, H) sum over closed blocks, not clipped
    power: Floats  # (A, H) sum of squared targets over closed blocks
    squared: Floats  # (A, H) sum of squared gains of closed blocks
    scale: Floats  # (A, H) largest root mean square of the gains of the blocks before any bet; 0 before the first bet
    clipped: Floats  # (A, H) number of bets on a block whose gain lay beyond the clip
    clipped_gain: Floats  # (A, H) sum of the gains beyond the clip, with their sign
    ticks: Ints  # (A,) since the contest began


@dataclass(frozen=True, slots=True)
class EvolutionRow(Record):
    """The state of one evolution where this tick has changed it, as stored (v_evolutions)."""

    number: int
    began: int  # tick at which the trigger fired
    trigger: str  # of TRIGGERS
    detail: str  # the trigger's figures, in one line
    strategy: str  # of STRATEGIES
    model: str  # the place on the model axis, "all" for a refresh, "ensemble" for a blend
    version: str  # of the challenger, "" before it is trained
    parent: str  # the version, or the blend, that it competes with
    state: str  # of EVOLUTION_STATES
    evidence: float | None  # e-value of the verdict, or of "better" while it is racing
    threshold: float | None  # that the e-value has to reach
    decided: int | None  # tick of the verdict
    verdict: str = ""  # of VERDICTS; "" before a contest


@dataclass(frozen=True, slots=True)
class ContestPoint(Record):
    """The figures of one contest at one horizon, as stored every few ticks for the page."""

    number: int
    horizon: int  # bars
    r2_gain: float | None  # gain over squared targets: the R2 that the arm adds
    log_e: tuple[float, float, float, float]  # log e-value against each of HYPOTHESES
    log_threshold: float
    blocks: int
    clipped: int
    differing: int  # forecasts whose direction differs from the serving ensemble's
    differing_bps: float | None  # mean move in the arm's direction over those, before costs; None without any


@dataclass(frozen=True, slots=True)
class ArmSums(Record):
    """The pending forecasts of the arms, and the sums behind the weights of challengers (see evidence.arms); A arms, C versions of challengers.

    The sums are those of stacking, with the arm's versions at their places, over the forecasts that have come due since its contest began.
    """

    gram: Floats  # (A, H, M, M) discounted
    moment: Floats  # (A, H, M)
    rows: Floats  # (A, H)
    weights: Floats  # (A, M, H) in force
    pending_votes: Floats  # (L, C, H, S) predictions of the challengers' versions, newest first; NaN where there is none
    pending: Floats  # (L, A, H, S) the arms' forecasts, newest first


@dataclass(frozen=True, slots=True)
class DirectionSums(Record):
    """The forecasts of each arm whose direction differs from the serving ensemble's."""

    count: Floats  # (A, H)
    bps: Floats  # (A, H) sum of the moves in the arm's direction


@dataclass(frozen=True, slots=True)
class Search(Record):
    """A search under way."""

    number: int
    place: str
    strategy: str
    trigger: str
    detail: str
    began: int  # tick


@dataclass(frozen=True, slots=True)
class TriggerSums(Record):
    """What each trigger has started and with which success; K triggers, T strategies, in the order of TRIGGERS and STRATEGIES."""

    fired: Ints  # (K,) tick at which it fired last, -1 never
    fruitless: Ints  # (K,) times in a row without a promotion, which lengthen its pause
    tried: Floats  # (K, T)
    promoted: Floats  # (K, T)


@dataclass(frozen=True, slots=True)
class BlendSums(Record):
    """What the blends beside the serving stacking have learned (see evidence.blends); B blends, R regimes, H horizons, M models."""

    fast_gram: Floats  # (H, M, M) moments of the models' forecasts, discounted faster than those of the serving stacking
    fast_moment: Floats  # (H, M)
    fast_rows: Floats  # (H,) discounted rows behind them
    regime_gram: Floats  # (R, H, M, M) moments by the regime in which the forecast was made, with the memory of the serving stacking
    regime_moment: Floats  # (R, H, M)
    share: Floats  # (3, H) exponential weights of stacking, fast stacking and no forecast; each column sums to 1
    weights: Floats  # (B - 1, R, M, H) in force, of every blend but the serving stacking


# Signals: what may trigger an evolution (see evidence.decline, drift, expected_loss and findings).


@dataclass(frozen=True, slots=True)
class DeclineState(Record):
    """The e-detector of a performance decline at each of H horizons, with B wagers; J blocks are recent."""

    log_detector: Floats  # (H, B) log of the Shiryaev-Roberts sum of e-processes, by wager; -inf before the first bet
    open_gain: Floats  # (H,) of the current block: y^2 - (y - f)^2, a mean over symbols, summed over ticks
    open_power: Floats  # (H,) squared targets of the current block, likewise
    open_ticks: Floats  # (H,) scored in the current block
    recent: Floats  # (J, 2, H) gain and power of the newest closed blocks, newest first; NaN where there is none yet
    earlier: SkillSums  # (1, H, 1) over the closed blocks before those


@dataclass(frozen=True, slots=True)
class DeclineFigures(Record):
    """The performance decline of one horizon in figures, None while there are too few blocks."""

    horizon: int  # bars
    earlier_r2: float | None  # out-of-sample R2 over the blocks before the recent ones
    recent_r2: float | None  # over the recent blocks
    required_r2: float | None  # the least R2 that is no decline; None while the earlier skill is not enough to lose
    e_value: float  # of the detector; a decline is signalled where it reaches the threshold
    threshold: float
    blocks: int  # behind the earlier R2


@dataclass(frozen=True, slots=True)
class ColumnDrift(Record):
    """The comparison of one column's recent distribution with that of the rows which the serving models were trained on."""

    column: str  # a feature, or "target.3" for the target of 3 bars, "target.3 squared" for its square
    distance: float  # largest difference of the two distribution functions (Kolmogorov and Smirnov)
    p: float  # of such a distance without any drift, given the autocorrelation and the dependence of symbols
    q: float  # the least false-discovery rate at which it is a discovery (Benjamini and Hochberg)
    drifted: bool
    reference_n: float  # effective number of independent rows
    recent_n: float
    quintile: int  # 1 to 5 of the reference, the one whose share of rows has changed most
    change: float  # of that share, which is 0.2 in the reference unless values are tied


@dataclass(frozen=True, slots=True)
class DriftReport(Record):
    """All columns that could be judged, those with the smallest p first."""

    reference: tuple[int, int]  # first and last tick
    recent: tuple[int, int]
    inputs: tuple[ColumnDrift, ...]
    targets: tuple[ColumnDrift, ...]
    unjudged: tuple[str, ...]  # columns whose recent rows are too few, or too persistent, to tell drift from chance


@dataclass(frozen=True, slots=True)
class ExpectedLossState(Record):
    """The regression of a forecast's loss on C public conditions at the forecast, at each of H horizons; L is the longest horizon.

    A loss is 1 - gain / usual power, so that 1 is as good as no forecast and 1 - R2 is the mean.
    """

    moments: Floats  # (H, C + 2, C + 2) discounted products of 1, the conditions and the loss
    power: Floats  # (H, 2) discounted sum of squared targets, and ticks
    slopes: Floats  # (H, C + 1) in force: the expected loss at mean conditions, then what a standard deviation of each condition adds
    waiting_conditions: Floats  # (L, C) of the pending forecasts, newest first; NaN where there is none
    waiting: Floats  # (L, 2, H) expected and usual loss as known at the forecast, newest first; NaN where not known
    skill: SkillSums  # (1, H, 1) of the expected loss against the usual


@dataclass(frozen=True, slots=True)
class ExpectedLossFigures(Record):
    """The expected loss of the pending forecasts of one horizon, None while not known."""

    horizon: int  # bars
    expected: float | None  # mean over the forecasts whose horizon has not passed; above 1 they are expected to do harm
    usual: float | None  # mean so far
    r2: float | None  # of the expected loss against the usual, out of sample
    low: float | None  # its 95 % confidence sequence
    high: float | None
    n: int  # blocks behind it
    proved: bool  # the expected loss is better than the usual


@dataclass(frozen=True, slots=True)
class FindingsState(Record):
    """What is known of biases, by C cells (regimes, hours of day, confidence, volatility, symbols), H horizons and B wagers; L = longest horizon."""

    waiting_code: Ints  # (L, H, S) regime + 4 x volatility band + 12 x confidence band of the pending forecasts, newest first; -1 without any
    waiting_hour: Ints  # (L,) band of three hours at the forecast
    scores: SkillSums  # (2, H, C) gain over power, and y - f over rows
    open_sums: Floats  # (2, H, C) gain and y - f of the current block of the bets
    squares: Floats  # (2, H, C) sum of their squares over closed blocks
    blocks: Floats  # (2, H, C) closed with rows in the cell
    log_wealth: Floats  # (3, H, C, B) log capital of the bets on each of FINDING_KINDS, by wager
    held: Ints  # (3, H, C) looks in a row at which it was a discovery


FINDING_KINDS = ("too bold", "too low", "too high")


@dataclass(frozen=True, slots=True)
class Finding(Record):
    """A condition under which forecasts are biased."""

    condition: str  # regime, hour, confidence, volatility or symbol
    value: str  # such as "03-06 UTC"
    horizon: int  # bars
    kind: str  # of FINDING_KINDS: gains below 0, or y - f above or below 0 on average
    estimate: float  # R2 for "too bold", else the mean of y - f in volatilities
    low: float | None  # its 95 % confidence sequence, of this cell alone; None with fewer than 15 blocks
    high: float | None
    n: int  # forecasts
    e_value: float
    threshold: float  # that made it a discovery
    held_ticks: int  # since when it has been a discovery without a break
    text: str  # in words


@dataclass(frozen=True, slots=True)
class EvolutionState(Record):
    """The part of the state that belongs to phase 10."""

    begun: int  # evolutions, which are numbered from 1
    contests_begun: int  # that share the error of all contests
    arms: tuple[Arm, ...]
    contests: Contests
    sums: ArmSums
    directions: DirectionSums
    searches: tuple[Search, ...]  # under way, oldest first
    triggers: TriggerSums
    blend: str  # that serves
    blend_sums: BlendSums
    blend_rests: tuple[tuple[str, int, int], ...]  # blends that have lost: name, tick from which they may race again, losses in a row
    decline: DeclineState
    expected_loss: ExpectedLossState
    findings: FindingsState


@dataclass(frozen=True, slots=True)
class ArmForecast(Record):
    """The ensemble's forecast with an arm's versions or blend in it, for the page of a decision."""

    number: int  # of the evolution
    mean: Floats  # (H, S) as Forecast.mean: log return, in volatilities of the horizon; NaN where unknown


@dataclass(frozen=True, slots=True)
class FindingRow(Record):
    """A condition under which the ensemble's forecasts are proved to be off, after control of the false discovery rate."""

    dimension: str  # that the rows were grouped by: regime, hour, symbol, confidence or volatility
    condition: str  # the group, in words: "volatile", "14:00 to 15:00 UTC", "BTC"
    horizon: int  # bars
    measure: str  # of the ensemble in the group, in words: "bias", "R² against other rows"
    unit: str  # of the measure
    estimate: float
    low: float | None  # 95 % interval; None where there is not enough data
    high: float | None
    n: int  # rows in the group
    q: float  # p-value adjusted for all groups tested (Benjamini and Hochberg 1995)


@dataclass(frozen=True, slots=True)
class DriftRow(Record):
    """The comparison of the recent distribution of a column with the one in training."""

    subject: str  # inputs or target
    column: str  # a feature, or the target by its horizon, such as "1 bar"
    ks: float | None  # two-sample Kolmogorov-Smirnov distance; None where there is not enough data
    q: float | None  # p-value adjusted for all columns tested
    place: str  # where it shows: "all symbols", or the symbols with the largest distance
    drifted: bool  # at the false discovery rate of the test


@dataclass(frozen=True, slots=True)
class EvolutionReport(Record):
    """Everything of a tick's evolution that is stored for views and pages."""

    rows: tuple[EvolutionRow, ...] = ()  # that this tick has changed
    points: tuple[ContestPoint, ...] = ()  # of the running contests, every few ticks
    forecasts: tuple[ArmForecast, ...] = ()  # at this tick
    shadows: tuple[str, ...] = ()  # digests of the versions that predict without a vote at this tick
    findings: tuple[FindingRow, ...] | None = None  # all that hold, where they were searched at this tick
    drift: tuple[DriftRow, ...] | None = None  # of every column, where it was tested at this tick
