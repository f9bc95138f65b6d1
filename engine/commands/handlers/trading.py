"""Commands to the trading engine, carried out between two ticks: pause, resume, flatten, retrain and set."""

from __future__ import annotations

from typing import Annotated, Protocol

from engine.commands.types import Arguments, CommandTiming, CommandType, Result, Services
from engine.domain.access import ADMINISTER, OPERATE
from engine.domain.trading_config import Command, TradingConfig
from engine.schema import limits
from engine.trading_parameters import read_live_parameter


class TradingControls(Protocol):
    """The engine, as far as a command reaches into it. Changes hold from the next tick on; raises ValueError in one line."""

    @property
    def config(self) -> TradingConfig: ...

    @property
    def last_bar_at(self) -> int | None:
        """ns UTC."""

    def configure(self, *, paused: bool, flatten: bool | None = None) -> None:
        """Set both switches; None leaves `flatten` as it is."""

    def switch_signal(self, signal: float, at: int, /) -> str:
        """Set the signal of the simulated market for the bars after `at` (ns UTC)."""

    def change_parameter(self, name: str, text: str, /) -> str:
        """Let a trading parameter have another value. Refuses an unknown name, a value out of bounds, and the value it has already."""

    @property
    def model_names(self) -> tuple[str, ...]:
        """The places on the model axis."""

    def list_versions(self, model: str, /) -> tuple[str, ...]:
        """The versions of that place that are stored in this session, newest first."""

    def promote_version(self, model: str, version: str, reason: str, /) -> str:
        """Let a challenger serve in its champion's place, whatever its contest says so far. Refuses a version that is in no contest."""

    def revert_version(self, model: str, version: str, reason: str, /) -> str:
        """Let a stored version serve again. Refuses the one that serves, and one whose bytes are damaged."""

    def request_search(self, model: str, strategy: str, reason: str, /) -> str:
        """Start the search for a challenger of that place. Refuses where as many race or are searched as may, or evolution is off."""


class TradingArguments(Arguments, frozen=True, kw_only=True):
    """A command that changes the engine between two ticks."""

    def apply(self, controls: TradingControls, reason: str, /) -> str:
        """Change the engine for the reason that was given; return the effect in words. Raises ValueError in one line for what cannot be done."""
        raise NotImplementedError


class Pause(TradingArguments, frozen=True, kw_only=True):
    def apply(self, controls: TradingControls, _reason: str, /) -> str:
        controls.configure(paused=True)
        return "paused: nothing is opened or closed until resume"


class Resume(TradingArguments, frozen=True, kw_only=True):
    def apply(self, controls: TradingControls, _reason: str, /) -> str:
        controls.configure(paused=False, flatten=False)
        return "deciding again from the next tick"


class Flatten(TradingArguments, frozen=True, kw_only=True):
    def apply(self, controls: TradingControls, _reason: str, /) -> str:
        controls.configure(paused=False, flatten=True)
        return "every position is closed at the next prices, nothing is opened until resume"


class Retrain(TradingArguments, frozen=True, kw_only=True):
    def apply(self, controls: TradingControls, _reason: str, /) -> str:
        return f"training begins with the next tick; its models serve {controls.config.deployment_lag_bars} bars later"


class SetSignal(TradingArguments, frozen=True, kw_only=True):
    signal: Annotated[
        float, limits(0.0, 0.5, "R²", "one-bar R² of the best forecast on the simulated market; 0: nothing can be predicted", example="X")
    ]

    def apply(self, controls: TradingControls, _reason: str, /) -> str:
        return controls.switch_signal(self.signal, controls.last_bar_at or 0)


class Configure(TradingArguments, frozen=True, kw_only=True):
    parameter: Annotated[str, limits(help="name of a trading parameter, such as edge_margin", example="edge_margin", letters=40)]
    value: Annotated[str, limits(help="its new value, within the bounds of docs/settings.md", example="1.5", letters=40)]

    def __post_init__(self) -> None:
        read_live_parameter(self.parameter, self.value)

    def apply(self, controls: TradingControls, _reason: str, /) -> str:
        return controls.change_parameter(self.parameter, self.value)


def control_trading(arguments: TradingArguments, command: Command, services: Services) -> Result:
    del arguments  # the engine reads them again, as it does where it is driven without a service
    return services.control_trading(command)


def _command(name: str, summary: str, arguments: type[TradingArguments], right: str = OPERATE) -> CommandType:
    return CommandType(name, summary, arguments, CommandTiming.BETWEEN_TICKS, control_trading, right=right)


COMMANDS = (
    _command("pause", "hold every decision: nothing is opened or closed until resume", Pause),
    _command("resume", "end a pause or a flattening, and lift a drawdown stop (needs a reason)", Resume),
    _command("flatten", "close every position at the next prices and open nothing until resume", Flatten),
    _command("retrain", "train every model now, in another process", Retrain),
    _command("configure", "give a trading parameter another value", Configure, ADMINISTER),
    _command("set", "set the signal of the simulated market", SetSignal, ADMINISTER),
)
