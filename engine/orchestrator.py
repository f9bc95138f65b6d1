"""One decision: the ten phases, one line each."""

from __future__ import annotations

from engine import broker
from engine.domain.decision import Outcome, Phase
from engine.domain.market import Inputs
from engine.domain.model import Catalog
from engine.domain.state import State
from engine.phases import decision, ensemble, evolution, features, learning, market, microstructure, risk, selection, validation
from engine.run import Run


def decide(inputs: Inputs, state: State, catalog: Catalog, run: Run) -> Outcome:
    """Decide for every symbol. Equal inputs, state and catalog give an equal outcome, bit for bit, on the same platform."""
    analysis = run.start(Phase.MARKET, market.analyse, market.assume_stress, inputs, state)
    building = run.start(Phase.FEATURES, features.build, features.leave_blank, inputs, catalog)
    measuring = run.start(Phase.MICROSTRUCTURE, microstructure.read, microstructure.assume_wide, inputs, state)
    market_state, matrix, liquidity = analysis.result(), building.result(), measuring.result()
    models = run(Phase.SELECTION, selection.choose, selection.choose_all, market_state, state, catalog)
    predictions = run(Phase.VALIDATION, validation.cross_check, validation.trust_none, models, matrix, state, catalog)
    forecast = run(Phase.ENSEMBLE, ensemble.blend, ensemble.expect_nothing, predictions, market_state, inputs, state)
    sizes = run(Phase.RISK, risk.size, risk.keep_positions, forecast, market_state, liquidity, inputs, state)
    decisions = run(Phase.DECISION, decision.settle, decision.hold, sizes, liquidity, predictions, market_state, inputs, run.degraded)
    learned = run(
        Phase.LEARNING, learning.learn, learning.learn_nothing, predictions, forecast, market_state, liquidity, sizes, decisions, inputs, state
    )
    plan = run(Phase.EVOLUTION, evolution.propose, evolution.propose_nothing, learned, inputs)
    decisions = decision.stand_by(decisions, sizes, liquidity, predictions, market_state, inputs, run.degraded)
    orders = broker.orders(decisions, liquidity, market_state, inputs)
    return Outcome(decisions, orders, plan.state, plan.instructions, run.degraded, market_state, matrix, liquidity, predictions, forecast, sizes)
