"""One decision: the ten phases, one line each."""

from __future__ import annotations

from engine import broker
from engine.domain.decision import Outcome, Phase
from engine.domain.market import Inputs
from engine.domain.model import Catalog
from engine.domain.state import State
from engine.phases import decision, ensemble, evolution, features, learning, market, microstructure, risk, selection, validation
from engine.run import PhaseRunner


def decide(inputs: Inputs, state: State, catalog: Catalog, run: PhaseRunner) -> Outcome:
    """Decide for every symbol. Equal inputs, state and catalog give an equal outcome, bit for bit, on the same platform."""
    analysis = run.start(Phase.MARKET, market.analyse_market, market.assume_stress, inputs, state)
    building = run.start(Phase.FEATURES, features.build_features, features.leave_features_blank, inputs, catalog)
    measuring = run.start(Phase.MICROSTRUCTURE, microstructure.measure_liquidity, microstructure.assume_wide_spread, inputs, state)
    market_state, matrix, liquidity = analysis.result(), building.result(), measuring.result()
    models = run(Phase.SELECTION, selection.select_models, selection.select_all_models, market_state, state, catalog)
    predictions = run(Phase.VALIDATION, validation.cross_check_models, validation.trust_no_model, models, matrix, state, catalog)
    forecast = run(Phase.ENSEMBLE, ensemble.combine_predictions, ensemble.expect_nothing, predictions, market_state, inputs, state)
    sizes = run(Phase.RISK, risk.size_positions, risk.keep_positions, forecast, market_state, liquidity, inputs, state)
    decisions = run(Phase.DECISION, decision.decide_actions, decision.hold_all, sizes, liquidity, predictions, market_state, inputs, run.degraded)
    learned = run(
        Phase.LEARNING, learning.learn_from_tick, learning.learn_nothing,
        predictions, forecast, market_state, liquidity, sizes, decisions, inputs, state,
    )  # fmt: skip
    plan = run(
        Phase.EVOLUTION, evolution.propose_evolution, evolution.propose_nothing,
        learned, predictions, forecast, market_state, inputs, state, catalog,
    )  # fmt: skip
    decisions = decision.redecide_if_degraded(decisions, sizes, liquidity, predictions, market_state, inputs, run.degraded)
    orders = broker.create_orders(decisions, liquidity, market_state, inputs)
    return Outcome(
        decisions, orders, plan.state, plan.instructions, run.degraded, market_state, matrix, liquidity, predictions, forecast, sizes, plan.report
    )  # fmt: skip
