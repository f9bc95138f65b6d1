"""decide(): the ten phases, one line each."""

from __future__ import annotations

from engine import broker
from engine.domain.decision import Outcome, Phase
from engine.domain.market import Inputs
from engine.domain.model import Catalog
from engine.domain.state import State
from engine.phases import decision, ensemble, evolution, features, learning, market, microstructure, risk, selection, validation
from engine.run import Run


def decide(inputs: Inputs, state: State, catalog: Catalog, run: Run) -> Outcome:
    """One decision for every symbol. The same inputs, state and catalog give the same outcome, bit for bit, on the same platform."""
    analysing = run.start(Phase.MARKET, market.analyse, market.assume_stress, inputs, state)
    building = run.start(Phase.FEATURES, features.build, features.leave_blank, inputs, catalog)
    reading = run.start(Phase.MICROSTRUCTURE, microstructure.read, microstructure.assume_wide, inputs, state)
    mood, matrix, liquidity = analysing.result(), building.result(), reading.result()
    chosen = run(Phase.SELECTION, selection.choose, selection.choose_all, mood, state, catalog)
    opinions = run(Phase.VALIDATION, validation.cross_check, validation.trust_none, chosen, matrix, state, catalog)
    forecast = run(Phase.ENSEMBLE, ensemble.blend, ensemble.expect_nothing, opinions, mood, inputs, state)
    sizes = run(Phase.RISK, risk.size, risk.keep_positions, forecast, mood, liquidity, inputs, state)
    decisions = run(Phase.DECISION, decision.settle, decision.hold, sizes, liquidity, opinions, mood, inputs, run.degraded)
    learned = run(Phase.LEARNING, learning.learn, learning.learn_nothing, opinions, forecast, mood, liquidity, sizes, decisions, inputs, state)
    plan = run(Phase.EVOLUTION, evolution.propose, evolution.propose_nothing, learned, inputs)
    decisions = decision.stand_by(decisions, sizes, liquidity, opinions, mood, inputs, run.degraded)
    orders = broker.orders(decisions, liquidity, mood, inputs)
    return Outcome(decisions, orders, plan.state, plan.instructions, run.degraded, mood, matrix, liquidity, opinions, forecast, sizes)
