"""Scripted experiments leave the rows, answers and verdicts that they left when they were recorded (recorded_experiments.txt).

`RECORD=1 pytest tests/optimizer/test_recorded_experiments.py` records them anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from engine.domain.optimization import Action, ActionContext, ActionResult
from engine.domain.rules import SCHEDULE, Rule
from tests.optimizer.plant import RULE, START, Truth
from tests.optimizer.recorder import Recorder, automatic, manual

FILE = Path(__file__).with_name("recorded_experiments.txt")
OFTEN = Rule("often", SCHEDULE, cron="*/3 * * * *")
HELPS = Truth(load=-8.0)
QUARANTINED = {"act": ("quarantined", "harmed", START)}


def setting(**values: object) -> Callable[[Recorder], None]:
    def change(plant: Recorder) -> None:
        for name, value in values.items():
            setattr(plant, name, value)

    return change


def since_start(**seconds: float) -> Callable[[Recorder], None]:
    def change(plant: Recorder) -> None:
        for name, value in seconds.items():
            setattr(plant, name, plant.tick() + value)

    return change


def with_cost(known: dict[str, Action], *, cost: str) -> dict[str, Action]:
    return {name: replace(action, cost=cost) for name, action in known.items()}


def first_declines(known: dict[str, Action]) -> dict[str, Action]:
    def decline(room: ActionContext) -> ActionResult:
        return ActionResult(0.0, "", "nothing to do", done=False)

    return {name: replace(action, run=decline) if name == "idle" else action for name, action in known.items()}


def noisy_slot(plant: Recorder) -> None:
    plant.slot = replace(plant.slot, orders=2)


def lazy(action: Action) -> Action:
    return replace(action, run=lambda room: ActionResult(0.0, "", "nothing to do", done=False))


SCENARIOS: dict[str, Callable[[], list[str]]] = {
    "automatic, helpful": partial(automatic, {"act": HELPS}, 24, rule=RULE),
    "automatic, without an effect": partial(automatic, {"act": Truth()}, 4, rule=RULE, seed=5),
    "automatic, two candidates": partial(automatic, {"act": HELPS, "rise": Truth(load=3.0)}, 6, rule=RULE),
    "automatic, longer than its pause": partial(automatic, {"act": Truth(takes=20.0)}, 6, rule=OFTEN),
    "automatic, harmful to ticks": partial(automatic, {"act": Truth(tick_ms=20.0)}, 4, rule=RULE),
    "automatic, harmful to the metric": partial(automatic, {"act": Truth(load=80.0)}, 4, rule=RULE),
    "automatic, fails": partial(automatic, {"act": Truth(raises=RuntimeError)}, 8, rule=RULE),
    "automatic, fails unforeseen": partial(automatic, {"act": Truth(raises=OverflowError)}, 2, rule=RULE),
    "automatic, declines or acts": partial(automatic, {"idle": Truth(), "act": HELPS}, 3, rule=RULE, actions=first_declines),
    "automatic, costly": partial(automatic, {"act": HELPS}, 2, rule=RULE, actions=partial(with_cost, cost="high")),
    "automatic, costly and never quiet": partial(
        automatic, {"act": HELPS}, 1, rule=RULE, seconds=700.0, change=noisy_slot, actions=partial(with_cost, cost="high")
    ),
    "automatic, ticks cannot be read": partial(automatic, {"act": HELPS}, 3, rule=RULE, change=setting(broken={"ticks"})),
    "automatic, without history": partial(automatic, {"act": HELPS}, 1, rule=RULE, seconds=700.0, change=setting(broken={"history"})),
    "automatic, asks": partial(automatic, {"act": HELPS}, 1, rule=RULE, seconds=700.0, change=setting(mode="ask")),
    "automatic, recommends": partial(automatic, {"act": HELPS}, 1, rule=RULE, seconds=700.0, change=setting(mode="recommend")),
    "automatic, quarantined": partial(automatic, {"act": HELPS}, 1, rule=RULE, seconds=700.0, change=setting(licences=QUARANTINED)),
    **{f"automatic, stops after {seconds} s": partial(automatic, {"act": HELPS}, 5, rule=OFTEN, change=since_start(stops_at=float(seconds)))
       for seconds in (121, 135, 300, 309, 325)},
    **{f"automatic, clock set after {seconds} s": partial(automatic, {"act": HELPS}, 3, rule=OFTEN, change=since_start(sets_clock_at=float(seconds)))
       for seconds in (125, 305)},
    "manual, helpful": partial(manual, Truth(load=-30.0)),
    "manual, helpful, from the store": partial(manual, Truth(load=-30.0), buffered=False),
    "manual, slow": partial(manual, Truth(load=-30.0, takes=7.0)),
    "manual, harmful": partial(manual, Truth(load=60.0)),
    "manual, without an effect": partial(manual, Truth()),
    "manual, dry run": partial(manual, HELPS, dry_run=True),
    "manual, declines": partial(manual, HELPS, action=lazy),
    "manual, fails": partial(manual, Truth(raises=ValueError)),
    "manual, stops": partial(manual, HELPS, change=since_start(stops_at=4.0)),
    "manual, clock set": partial(manual, HELPS, change=since_start(sets_clock_at=4.0)),
    "manual, store full": partial(manual, HELPS, change=setting(broken={"store"})),
    "manual, without history": partial(manual, HELPS, change=setting(broken={"history"}), buffered=False),
    "manual, without readings": partial(manual, HELPS, change=setting(broken={"probes"}), buffered=False),
}  # fmt: skip


def recorded() -> dict[str, list[str]]:
    """The lines of every scenario, as they stand in the file."""
    parts = FILE.read_text().split("== ")[1:] if FILE.exists() else []
    return {part.splitlines()[0]: part.splitlines()[1:] for part in parts}


@pytest.fixture(scope="module", autouse=True)
def record() -> None:
    if os.environ.get("RECORD"):
        FILE.write_text("".join(f"== {name}\n" + "".join(f"{line}\n" for line in run()) for name, run in SCENARIOS.items()))


def test_every_scenario_is_recorded() -> None:
    assert set(recorded()) == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scripted_experiment_leaves_the_same_rows(name: str) -> None:
    assert SCENARIOS[name]() == recorded()[name]
