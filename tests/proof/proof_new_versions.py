"""Twenty seeds on which two trainings are flipped, and on which none is, with the limit on new versions and without: `make proof`."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from engine.domain.model import ServingModel
from engine.domain.record import Floats
from engine.domain.state import State
from engine.domain.trading_config import Event
from engine.feeds.simulated import SimulatedFeed
from engine.service.engine import Engine
from engine.service.model_registry import ModelRegistry
from engine.service.windows import TrainingRows
from engine.settings import Settings
from tests.makers import Inline, StoppedClock
from tests.sabotage import Flipped

SEEDS = range(1, 1 + int(os.environ.get("PODIUM_PROOF_SEEDS", "20")))
TURNED, AGAIN, SOUND = 2_051, 2_339, 2_627  # ticks from which the models of the sixth to eighth training serve; earlier, seldom anything is held
BARS = 2_660
FLIPPED = (TURNED - 12, AGAIN - 12)


class Unlimited(ModelRegistry):
    """The control: a new version inherits all, whatever it says."""

    def compare_with_record(
        self, before: tuple[ServingModel | None, ...], after: tuple[ServingModel | None, ...], state: State, rows: TrainingRows
    ) -> tuple[Event, ...]:
        del before, after, state, rows
        return ()


@dataclass(frozen=True, slots=True)
class Course:
    """What came of one seed."""

    equity: Floats
    held: Floats  # gross, share of equity

    @property
    def lost(self) -> float:
        """Share of equity lost while the flipped versions served."""
        return float(1.0 - self.equity[SOUND] / self.equity[TURNED])


def play(seed: int, limited: bool, flipped: bool) -> Course:
    settings = Settings(home="", database_url="", seed=seed)
    trainers = Flipped(*FLIPPED) if flipped else Inline()
    one = Engine(settings, SimulatedFeed(symbol_count=8, signal=settings.sim_signal, seed=seed, bars=BARS), StoppedClock(), training_pool=trainers)
    one.registry = one.registry if limited else Unlimited()
    ticks = []
    while (tick := one.step()) is not None:
        ticks.append((tick.inputs.account.equity, float(np.abs(tick.outcome.sizes.current).sum())))
    return Course(*np.array(ticks).T)


@pytest.fixture(scope="module")
def courses() -> dict[tuple[bool, bool], list[Course]]:
    """By whether new versions were limited and whether trainings were flipped."""
    with ProcessPoolExecutor(2) as pool:
        return {
            (limited, flipped): list(pool.map(play, SEEDS, [limited] * len(SEEDS), [flipped] * len(SEEDS)))
            for limited in (True, False)
            for flipped in (True, False)
        }


def test_flipped_trainings_cost_at_most_a_third_of_what_they_did(courses: dict[tuple[bool, bool], list[Course]]) -> None:
    limited, unlimited = ([course.lost for course in courses[limited, True]] for limited in (True, False))
    held = [np.mean([course.held[TURNED + 50] for course in courses[limited, True]]) for limited in (True, False)]
    print(f"lost {np.mean(limited):.2%}, without the limit {np.mean(unlimited):.2%}; held 50 bars on {held[0]:.3f}, {held[1]:.3f}")
    assert np.mean(limited) <= np.mean(unlimited) / 3.0


def test_ordinary_trainings_cost_at_most_2_percent_of_the_profit(courses: dict[tuple[bool, bool], list[Course]]) -> None:
    limited, unlimited = (np.array([course.equity[-1] / course.equity[0] - 1.0 for course in courses[limited, False]]) for limited in (True, False))
    print(f"profit {limited.mean():.2%}, without the limit {unlimited.mean():.2%}; seeds that differ {(limited != unlimited).sum()}")
    assert limited.mean() >= 0.98 * unlimited.mean()
