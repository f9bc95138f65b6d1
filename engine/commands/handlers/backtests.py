"""Commands about backtests: backtest, cancel_backtest and delete_backtest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from engine.commands.types import Arguments, CommandTiming, CommandType, Result, Services
from engine.domain.texts import shorten
from engine.domain.trading_config import Command
from engine.schema import MAX_INTEGER, Reader, SchemaError, limits

SIMULATED = "simulated"
MAX_PATH_LETTERS = 1_000
MAX_NUMBER = 2**63 - 1  # that a store can hold
_TIME = r"(?a)^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?Z?)?\Z"
_TIME_REMEDY = "a time such as 2023-01-31 or 2023-01-31T12:00Z"
_SYMBOLS = r"(?a)^[\w.:-]{1,40}(,[\w.:-]{1,40}){0,499}\Z"


class RunBacktest(Arguments, frozen=True, kw_only=True):
    """Left out, a value is that of the settings. What is for one kind of market is refused for the other."""

    market: Annotated[str, limits(form="market", help="simulated, or the folder of a recording", remedy="simulated, or an absolute path")] = SIMULATED
    symbols: (
        Annotated[str, limits(pattern=_SYMBOLS, help="some symbols of a recording", remedy="names separated by commas, such as BTCUSDT,ETHUSDT")]
        | None
    ) = None
    since: Annotated[str, limits(pattern=_TIME, help="only bars of a recording that close after this time, UTC", remedy=_TIME_REMEDY)] | None = (
        msgspec.field(default=None, name="from")
    )
    until: Annotated[str, limits(pattern=_TIME, help="only bars of a recording that close by this time, UTC", remedy=_TIME_REMEDY)] | None = (
        msgspec.field(default=None, name="to")
    )
    interval: Annotated[str, limits(pattern=r"(?a)^\d{1,5}(s|m|h|d)\Z", help="length of a recording's bars", remedy="a length such as 5m")] | None = (
        None
    )
    seed: Annotated[int, limits(0, MAX_INTEGER, help="the same seed gives the same market, bit for bit")] | None = None
    signal: Annotated[float, limits(0.0, 0.5, "R²", "one-bar R² of the best forecast; 0: nothing can be predicted")] | None = None
    bars: Annotated[int, limits(1, 1_000_000, "bars", "bars to decide")] | None = None
    symbol_count: Annotated[int, limits(1, 500, "symbols", "symbols of the simulated market")] | None = None
    training: Annotated[Literal["yes", "none"], limits(help="whether models are trained")] = "yes"

    def __post_init__(self) -> None:
        simulated = self.market == SIMULATED
        recorded_only = {"symbols": self.symbols, "from": self.since, "to": self.until, "interval": self.interval}
        for name, value in (recorded_only if simulated else {"signal": self.signal, "symbol_count": self.symbol_count}).items():
            if value is not None:
                raise SchemaError(f"{name} is for {'a recording' if simulated else 'the simulated market'}")

    def command_line(self) -> list[str]:
        """The arguments of `python -m engine backtest` that run it; each value is joined to its flag, so that none is read as a flag."""
        flags = {
            "symbols": self.symbols, "from": self.since, "to": self.until, "interval": self.interval, "seed": self.seed,
            "signal": None if self.signal is None else f"{self.signal:.12g}", "bars": self.bars, "symbol-count": self.symbol_count,
        }  # fmt: skip
        return [
            self.market,
            *(f"--{name}={value}" for name, value in flags.items() if value is not None),
            *(["--no-training"] if self.training == "none" else []),
        ]


class CancelBacktest(Arguments, frozen=True, kw_only=True):
    number: Annotated[
        int,
        limits(0, MAX_NUMBER, remedy="a whole number", help="number of the command that requested the backtest", example="N"),
    ] = msgspec.field(name="id")


class DeleteBacktest(Arguments, frozen=True, kw_only=True):
    name: Annotated[str, limits(letters=60, help="name of the backtest, as Backtests shows it", example="NAME")] = msgspec.field(name="id")


def queue_backtest(arguments: RunBacktest, command: Command, services: Services) -> None:
    del arguments  # the worker reads them
    services.queue_backtest(command)


def cancel_backtest(arguments: CancelBacktest, command: Command, services: Services) -> Result:
    return {"message": services.backtests.cancel(arguments.number, command.by)}


def delete_backtest(arguments: DeleteBacktest, command: Command, services: Services) -> Result:
    del command
    return {"message": services.backtests.delete(arguments.name)}


def _read_market(name: str, value: object) -> str:
    """The word simulated, or the whole path of a folder."""
    text = str(value)
    if text == SIMULATED:
        return text
    if not text.isprintable() or len(text) > MAX_PATH_LETTERS:
        raise SchemaError(f"{name} is {shorten(text)}, which is no path of a folder: give the folder of a recording, or the word simulated")
    if not Path(text).is_absolute():
        raise SchemaError(f"{name} is {shorten(text)}, which is no whole path: give the folder of a recording from / on, or the word simulated")
    return text


READERS: dict[str, Reader] = {"market": _read_market}
COMMANDS = (
    CommandType(
        "backtest", "decide a recording or the simulated market again as fast as possible", RunBacktest, CommandTiming.WORKER, queue_backtest, READERS
    ),
    CommandType("cancel_backtest", "cancel a running or waiting backtest", CancelBacktest, CommandTiming.IMMEDIATE, cancel_backtest),
    CommandType("delete_backtest", "delete a finished backtest for good", DeleteBacktest, CommandTiming.IMMEDIATE, delete_backtest),
)
