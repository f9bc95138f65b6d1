"""Commands to the evolution of models, carried out between two ticks and each with its reason: promote, revert and search."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from engine.commands.handlers.trading import TradingArguments, TradingControls, control_trading
from engine.commands.types import CommandTiming, CommandType, Result, Services
from engine.domain.evolution import SEARCHES
from engine.domain.texts import shorten
from engine.domain.trading_config import Command
from engine.schema import Bounds, SchemaError, describe_bounds, limits, suggest

MIN_REASON = 3  # characters

ModelName = Annotated[str, limits(letters=60, help="model whose place in the ensemble it is about, as Models shows it", example="NAME")]
VersionName = Annotated[str, limits(letters=80, help="version of that model, as Models shows it", example="VERSION")]
Strategy = Literal["longer window", "shorter window", "tuning", "column selection", "structure search"]


class Promote(TradingArguments, frozen=True, kw_only=True):
    model: ModelName
    version: VersionName

    def apply(self, controls: TradingControls, reason: str, /) -> str:
        require_version(self.model, self.version, controls)
        return controls.promote_version(self.model, self.version, reason)


class Revert(TradingArguments, frozen=True, kw_only=True):
    model: ModelName
    version: VersionName

    def apply(self, controls: TradingControls, reason: str, /) -> str:
        require_version(self.model, self.version, controls)
        return controls.revert_version(self.model, self.version, reason)


class RequestSearch(TradingArguments, frozen=True, kw_only=True):
    model: ModelName
    strategy: Annotated[Strategy, limits(help="how a challenger is searched", form="strategy", example="STRATEGY")]

    def apply(self, controls: TradingControls, reason: str, /) -> str:
        require_model(self.model, controls)
        return controls.request_search(self.model, self.strategy, reason)


def require_model(model: str, controls: TradingControls) -> None:
    """Raise SchemaError with the near miss for a model that is not there."""
    _require("model", model, controls.model_names)


def require_version(model: str, version: str, controls: TradingControls) -> None:
    """Raise SchemaError with the near miss for a model or a version of it that is not there."""
    require_model(model, controls)
    _require(f"version of {model}", version, controls.list_versions(model))


def control_evolution(arguments: TradingArguments, command: Command, services: Services) -> Result:
    """Hand a command to the engine; raises SchemaError without a reason, which is stored with the models' history."""
    if len(command.reason.strip()) < MIN_REASON:
        raise SchemaError(f"{command.name} changes which models serve: give a reason (reason=...)")
    return control_trading(arguments, command, services)


def read_strategy(name: str, value: object) -> Strategy:
    """A strategy by its name, also with _ or - in place of spaces."""
    words = " ".join(str(value).strip().lower().replace("_", " ").replace("-", " ").split())
    for strategy in SEARCHES:
        if words == strategy:
            return strategy  # type: ignore[return-value]
    raise SchemaError(f"{name} is {shorten(value)}: give {describe_bounds(Bounds('choice', choices=SEARCHES))}")


def _require(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise SchemaError(f"there is no {what} {shorten(name)}: {suggest(name, known, 'there are')}")


def _command(name: str, summary: str, arguments: type[TradingArguments]) -> CommandType:
    return CommandType(name, summary, arguments, CommandTiming.BETWEEN_TICKS, control_evolution, {"strategy": read_strategy})


COMMANDS = (
    _command("promote", "let a challenger serve in its champion's place before its contest is decided (needs a reason)", Promote),
    _command("revert", "let a stored version of a model serve again (needs a reason)", Revert),
    _command("search", "search for a challenger of a model now, in another process (needs a reason)", RequestSearch),
)
