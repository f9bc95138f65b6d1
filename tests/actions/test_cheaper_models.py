"""Resting models: the saving is measured, and every tick with and without them can be replayed bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.actions.cheaper_models import ACTION, MAX_WEIGHT, MIN_MODELS
from engine.domain.optimization import ModelCost
from engine.domain.trading_config import TradingConfig
from engine.replay import replay_tick
from engine.service.service import EngineService
from engine.store.read.history import TickHistory
from tests.actions.engines import desk
from tests.actions.makers import Plain, make_context

MODELS = ("random_fourier_features", "lightgbm", "online", "kmeans_prototypes", "ridge")


def serving(made: EngineService) -> set[str]:
    """Who served the newest tick, as the store keeps it."""
    tick = made._step()
    assert tick is not None
    return {name for name, digest in zip(made._engine.catalog.names, tick.serving, strict=True) if digest is not None}


def test_models_rest_on_a_real_engine_cost_less_and_every_tick_is_decided_again_alike(tmp_path: Path) -> None:
    trading = TradingConfig(first_training=130, deployment_lag_bars=2, retrain_every=100_000)
    with desk(tmp_path, models=MODELS, trading=trading, warmup_bars=140) as made:
        made._step()
        assert ACTION.run(make_context(tmp_path, actuators=made.actuators)).detail == "nothing to rest: no model is fitted yet"
        while made._engine.state.decided < 140:
            made._step()
        assert serving(made) == set(MODELS)
        before = made.actuators.model_costs()
        measured = ACTION.run(make_context(tmp_path, actuators=made.actuators))
        assert measured.done, measured.detail
        resting = set(made.actuators.resting_models.current())
        assert len(MODELS) - len(resting) == MIN_MODELS
        assert sum(cost.weight for cost in before if cost.name in resting) <= MAX_WEIGHT
        assert serving(made) == set(MODELS) - resting
        after = made.actuators.model_costs()
        assert sum(cost.ms for cost in after if cost.serves) < sum(cost.ms for cost in before)
        assert measured.amount == pytest.approx(sum(cost.ms for cost in before if cost.name in resting), rel=3.0)
        assert not ACTION.run(make_context(tmp_path, actuators=made.actuators)).done
        assert serving(made) == set(MODELS) - resting
        assert ACTION.undo is not None
        assert ACTION.undo(make_context(tmp_path, actuators=made.actuators)).amount == len(resting)
        assert serving(made) == set(MODELS)
        last = made._engine.tick - 1
        history = TickHistory(f"sqlite:///{tmp_path}/podium.db")
        replays = [replay_tick(history, tick) for tick in (last - 3, last - 2, last - 1, last)]
        assert [repeated.identical for repeated in replays] == [True] * 4, replays
        events = [(event.kind, event.subject) for tick in history.ticks(last - 3, last) for event in tick.events]
        assert events == [("models_rest", ",".join(sorted(resting))), ("models_rest", "")]
        history.close()


def test_too_few_models_are_never_left(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        with pytest.raises(ValueError, match="fewer than 2 models would serve"):
            made.actuators.resting_models.apply(("ridge",))  # none is fitted yet
        with pytest.raises(ValueError, match="there is no model 'nobody'"):
            made.actuators.resting_models.apply(("nobody",))
        assert made.actuators.resting_models.current() == ()


def test_the_dear_and_light_rest_and_the_heavy_serve_whatever_they_cost(tmp_path: Path) -> None:
    actuators = Plain()
    measured = ACTION.run(make_context(tmp_path, actuators=actuators))
    assert actuators.resting_models.current() == ("lightgbm", "random_fourier_features")
    assert measured.amount == pytest.approx(0.8)
    assert measured.detail.endswith("of 5 models rest from the next tick on; forecasting 1.3 ms -> 0.52 ms (\N{MINUS SIGN}0.80 ms) per tick")


@pytest.mark.parametrize("weight", [0.26, 0.5])
def test_where_every_model_carries_weight_it_declines(tmp_path: Path, weight: float) -> None:
    class Heavy(Plain):
        def model_costs(self) -> tuple[ModelCost, ...]:
            return tuple(ModelCost(name, 1.0, weight, serves=True) for name in MODELS)

    actuators = Heavy()
    assert not ACTION.run(make_context(tmp_path, actuators=actuators)).done
    assert actuators.resting_models.current() == ()
