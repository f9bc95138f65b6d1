"""Markets whose truth is known, decided by the engine as it is set by default: what it found, what it held, what it earned."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from engine.domain.decision import ACTIONS
from engine.domain.evidence import SkillSums
from engine.domain.model import Model, ServingModel
from engine.domain.record import Floats
from engine.evidence import skill
from engine.feeds.simulated import open_feed
from engine.service.engine import Engine
from engine.service.feed_window import FeedWindow
from engine.settings import Settings
from tests.makers import Inline, StoppedClock, having

HOLD = ACTIONS.index("hold")
FREE = {"fee_bps": 0.0, "spread_bps": 0.0, "impact_coefficient": 0.0}


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one market."""

    holds: float  # share of decisions from `counted_from` on
    binding: dict[str, float]  # share of those holds by the gate that bound
    found_at: int | None  # first tick at which the bound of some horizon was above 0
    net: float  # return after costs
    exposure: Floats  # (ticks,) gross, share of equity
    trades: int


def watch(signal: float, seed: int, bars: int, *, counted_from: int, free: bool = False, believed: bool = False, dies_at: int | None = None) -> Told:
    """Plays a market from its start. `believed` takes the skill gate out: whatever was shown, skill counts as proven."""
    settings = Settings(home="", database_url="", sim_signal=signal, seed=seed, **(FREE if free else {}))  # type: ignore[arg-type]
    market = open_feed(settings)
    if dies_at is not None:
        market.switch_signal(0.0, next(market.slices(None)).at + dies_at * market.info.interval)
    one = Engine(settings, FeedWindow(market, bars=bars), StoppedClock(), training_pool=Inline())
    return _play(one, counted_from, believed=believed)


def oracle(signal: float, seed: int, bars: int) -> float:
    """Net return of the same engine, limits and costs when it is handed the best forecast there is and believes it from the first training on."""
    settings = Settings(home="", database_url="", sim_signal=signal, seed=seed, models=("ridge",))
    market = open_feed(settings)
    truth = market.truth(bars + 1)
    one = Engine(settings, FeedWindow(market, bars=bars), StoppedClock(), training_pool=None)
    horizons, kept = np.array(one.config.horizons), 0.95
    reach = (1.0 - kept**horizons) / (1.0 - kept) / np.sqrt(horizons)  # a forecast of one bar, in volatilities of the horizon
    served = Oracle(truth.expected, reach)
    features = len(one.catalog.columns)
    model = Model("ridge", "the truth", served.unused, served.unused, served.predict)
    wide = np.full(features, np.inf)
    one.catalog = replace(one.catalog, serving=(ServingModel(model, "truth-0", "0" * 32, served, -wide, wide, 0, np.zeros(features)),))
    r2 = np.array([signal * served.share(horizon) for horizon in one.config.horizons])
    while True:
        served.bar, served.sigma = one.tick + 1, sigma_of(one)
        one.state = replace(one.state, weights=np.ones_like(one.state.weights), recent=proven(r2))
        if one.step() is None:
            return one.account.equity / settings.capital - 1.0


@dataclass(slots=True)
class Oracle:
    """Forecasts with the truth behind the market."""

    expected: Floats  # (n, S) of each bar's return
    reach: Floats  # (H,)
    bar: int = 0
    sigma: Floats | None = None

    def predict(self, fitted: object, x: Floats) -> Floats:
        del fitted, x
        assert self.sigma is not None
        return np.asarray(self.reach[:, None] * self.expected[self.bar] / self.sigma)

    def unused(self, *given: object) -> bytes:
        raise AssertionError(f"the oracle is not trained: {given}")

    def share(self, horizon: int) -> float:
        """R2 over a horizon relative to one bar's."""
        persist = (1.0 - 0.95**horizon) / (1.0 - 0.95)
        return float(persist * persist / horizon)


def sigma_of(one: Engine) -> Floats:
    """(S,) the volatility the coming decision will scale by, near enough: that of the last decision; 20 bps before the first."""
    last = one.state.pending.sigma[0]
    return np.where(np.isfinite(last), last, 20e-4)


def proven(r2: Floats) -> SkillSums:
    """Sums that prove an R2 (H,) beyond doubt."""
    empty = skill.empty_skill(2, len(r2), 1)
    power = np.full_like(empty.power, 1e6)
    blocks = np.full_like(power, 1e4)
    return having(empty, power=power, gain=power * r2[None, :, None], blocks=blocks, rows=blocks * 8, block_squared=np.full_like(power, 1e-3))


def _play(one: Engine, counted_from: int, *, believed: bool) -> Told:
    actions: Counter[int] = Counter()
    bound: Counter[str] = Counter()
    exposure, found, trades = [], None, 0
    while True:
        if believed:
            one.state = replace(one.state, recent=proven(np.full(len(one.config.horizons), 0.02)))
        tick = one.step()
        if tick is None:
            break
        decided = tick.outcome.decisions
        exposure.append(float(np.abs(tick.outcome.sizes.current).sum()))
        trades += sum(1 for fill in tick.fills if fill.units)
        if found is None and (np.nan_to_num(tick.outcome.sizes.skill_bound, nan=-1.0) > 0).any():
            found = tick.inputs.tick
        if tick.inputs.tick >= counted_from:
            actions.update(decided.action.tolist())
            bound.update(decided.gates.names[rung] for rung in decided.binding_gate.tolist() if rung >= 0)
    decisions, held = sum(actions.values()), max(1, sum(bound.values()))
    shares = {name: count / held for name, count in bound.items()}
    return Told(actions[HOLD] / decisions, shares, found, one.account.equity / one.settings.capital - 1.0, np.array(exposure), trades)
