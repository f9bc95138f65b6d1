"""Commands to the evolution of models: what is refused with its remedy, and what reaches the engine."""

from __future__ import annotations

from typing import Any

import pytest

from engine.commands.handlers.evolution import Strategy
from engine.commands.router import read_arguments
from engine.commands.types import Result
from engine.domain.evolution import SEARCHES
from engine.domain.trading_config import Command
from tests.commands.routing import carry_out

VERSIONS = {"ridge": ("ridge-300-abc123", "ridge-288"), "lightgbm": ("lightgbm-288",)}


class Models:
    """The engine, as far as these commands reach into it: it says what it was given."""

    model_names = tuple(VERSIONS)

    def list_versions(self, model: str) -> tuple[str, ...]:
        return VERSIONS[model]

    def promote_version(self, model: str, version: str, reason: str) -> str:
        return f"promote {model} {version} {reason}"

    def revert_version(self, model: str, version: str, reason: str) -> str:
        return f"revert {model} {version} {reason}"

    def request_search(self, model: str, strategy: str, reason: str) -> str:
        return f"search {model} {strategy} {reason}"


def submit(name: str, *, reason: str = "to see", **args: str) -> Result | None:
    def control(command: Command) -> Result:
        arguments: Any = read_arguments(command.name, dict(command.args))
        return {"message": arguments.apply(Models(), command.reason)}

    return carry_out(Command(1, name, tuple(args.items()), "ada", reason), control_trading=control)


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("promote", {"model": "ridge", "version": "ridge-300-abc123"}, "promote ridge ridge-300-abc123"),
        ("revert", {"model": "lightgbm", "version": "lightgbm-288"}, "revert lightgbm lightgbm-288"),
        ("search", {"model": "ridge", "strategy": "tuning"}, "search ridge tuning"),
        ("search", {"model": "ridge", "strategy": "Column_selection"}, "search ridge column selection"),
    ],
)
def test_a_command_reaches_the_engine(name: str, args: dict[str, str], message: str) -> None:
    assert submit(name, **args) == {"message": f"{message} to see"}


@pytest.mark.parametrize(
    ("name", "args", "refusal"),
    [
        ("promote", {"model": "rigde", "version": "ridge-288"}, "there is no model 'rigde': did you mean ridge?"),
        ("revert", {"model": "neural", "version": "x"}, "there is no model 'neural': there are ridge, lightgbm"),
        ("revert", {"model": "ridge", "version": "ridge-28"}, "there is no version of ridge 'ridge-28': did you mean ridge-288?"),
        ("promote", {"model": "ridge", "version": "lightgbm-288"}, "there is no version of ridge 'lightgbm-288': did you mean"),
        ("promote", {"model": "ridge"}, "promote needs model=NAME and version=VERSION"),
        (
            "search",
            {"model": "ridge", "strategy": "deeper"},
            "strategy is 'deeper': give longer window, shorter window, tuning, column selection or structure search",
        ),
        ("search", {"model": "lightbgm", "strategy": "tuning"}, "there is no model 'lightbgm': did you mean lightgbm?"),
    ],
)
def test_a_refusal_names_the_remedy(name: str, args: dict[str, str], refusal: str) -> None:
    with pytest.raises(ValueError, match=f"^{refusal.replace('?', '.')}"):
        submit(name, **args)


@pytest.mark.parametrize("name", ["promote", "revert", "search"])
@pytest.mark.parametrize("reason", ["", "  ", "a"])
def test_a_reason_is_needed(name: str, reason: str) -> None:
    args = {"strategy": "tuning"} if name == "search" else {"version": "ridge-288"}
    with pytest.raises(ValueError, match=f"^{name} changes which models serve: give a reason"):
        submit(name, reason=reason, model="ridge", **args)


def test_every_search_of_the_engine_can_be_requested() -> None:
    assert Strategy.__args__ == SEARCHES  # type: ignore[attr-defined]
    for strategy in SEARCHES:
        assert read_arguments("search", {"model": "ridge", "strategy": strategy}).strategy == strategy  # type: ignore[attr-defined]
