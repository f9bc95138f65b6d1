"""Commands to the optimizer: rules, modes, licences and approvals; what cannot be done is refused in one line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.domain.rules import Rule
from engine.domain.trading_config import Command
from engine.optimizer.runtime.loop import OptimizerLoop
from tests.commands.routing import carry_out
from tests.optimizer.pen import Pen
from tests.optimizer.plant import Plant, Truth, tuner_of


def plant_of() -> tuple[Plant, OptimizerLoop]:
    plant = Plant(3, {"act": Truth()}, seconds=6_000)
    return plant, tuner_of(plant)


def answer(tuner: OptimizerLoop, pen: Pen, command: str, /, **args: str) -> str:
    result = carry_out(Command(1, command, tuple(args.items()), "ann", "why not"), rule_loop=tuner, rule_writer=pen, now=lambda: pen.plant.at)
    assert result is not None
    return str(result["message"])


def test_a_rule_is_changed_added_and_reset_by_command() -> None:
    plant, tuner = plant_of()
    pen = Pen(plant)
    tuner.run_once()
    find: Callable[[str], Rule | None] = lambda name: next((rule for rule in tuner.rules if rule.name == name), None)  # noqa: E731
    assert answer(tuner, pen, "rule", name="host_memory", above="95") == "rule host_memory is changed: above 95"
    found = find("host_memory")
    assert found is not None
    assert found.level == 95.0
    answer(tuner, pen, "rule", name="mine", kind="threshold", metric="a.b", above="3")
    assert find("mine") is not None
    assert "as podium.toml or the default has it" in answer(tuner, pen, "rule", name="host_memory", reset="true")
    found = find("host_memory")
    assert found is not None
    assert found.level == 90.0
    answer(tuner, pen, "rule", name="mine", reset="true")
    assert find("mine") is None


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("rule", {}, "rule needs name=NAME"),
        ("rule", {"name": "host_memry", "above": "3"}, "there is no rule 'host_memry': did you mean host_memory?"),
        ("rule", {"name": "host_memory"}, "was given nothing to change"),
        ("rule", {"name": "host_memory", "above": "x"}, "above is 'x': give a number"),
        ("rule", {"name": "host_memory", "reset": "true"}, "was not changed"),
        ("mode", {"action": "act"}, "mode needs action=NAME and mode=MODE"),
        ("mode", {"action": "act", "mode": "on"}, "mode is 'on': give off, observe, recommend, ask or auto"),
        ("licence", {"action": "nobody", "licence": "auto"}, "no action is called 'nobody'"),
        ("licence", {"action": "act", "licence": "free"}, "licence is 'free'"),
        ("approve", {"id": "x"}, "id is 'x': give a whole number"),
    ],
)
def test_a_command_that_cannot_be_is_refused_in_one_line(name: str, args: dict[str, str], said: str) -> None:
    plant, tuner = plant_of()
    tuner.run_once()
    with pytest.raises(ValueError, match=r".") as error:
        answer(tuner, Pen(plant), name, **args)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
