"""The parts of a command: its typed arguments, when it is carried out, and the services that its handler may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import msgspec

from engine.domain.access import OPERATE
from engine.domain.optimization import Action
from engine.domain.rules import Rule
from engine.domain.trading_config import Command
from engine.schema import Reader

Result = dict[str, object]  # "message" where it was done, "error" where it was not, and figures; "before" and "after" of a setting, by its name


class Arguments(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of one command; the annotations of a subclass are its schema. `__post_init__` refuses what does not go together."""


class CommandTiming(Enum):
    """When a command is carried out."""

    BETWEEN_TICKS = "between two ticks, before the next is decided"
    IMMEDIATE = "at once, while ticks continue"
    WORKER = "by a worker, in the order of submission"


class RuleWriter(Protocol):
    """The part of the store that rules, modes, licences and answers are written to. Raises StoreError."""

    def set_licence(self, action: str, licence: str, why: str, at: int, /) -> None: ...

    def set_mode(self, action: str, mode: str, /) -> None: ...

    def save_rule(self, name: str, fields: Mapping[str, str], at: int, by: str, reason: str, /) -> None: ...

    def delete_rule(self, name: str, /) -> bool: ...

    def save_answer(self, number: int, text: str, /) -> None: ...


class RuleLoop(Protocol):
    """The loop of the optimizer, as far as a command reaches into it."""

    @property
    def actions(self) -> Mapping[str, Action]: ...

    @property
    def rules(self) -> tuple[Rule, ...]: ...

    def modes(self) -> Mapping[str, str]:
        """The mode of every action."""

    def find_licence(self, action: str, /) -> str | None:
        """The licence of an action; None before it has one."""

    @property
    def approval_requests(self) -> dict[int, Any]:
        """The requests that wait for an answer, by number; each names its rule and its action."""

    def reload(self) -> None: ...


class AlertControls(Protocol):
    """Alerts, as far as a command reaches into them. Each gives a sentence; raises ValueError in one line."""

    def acknowledge(self, number: int, by: str, /) -> str: ...

    def silence(self, rule: str, minutes: float, by: str, reason: str, others: tuple[str, ...], /) -> str:
        """`others` are the rules of the optimizer, which may be silenced too."""

    def unsilence(self, rule: str, /) -> str: ...

    def resend(self, webhook: str, event: int | None, /) -> str:
        """Send the dead letters of a webhook again, or one of them."""


class BacktestControls(Protocol):
    """Backtests that wait, run or are stored. Each gives a sentence; raises ValueError in one line."""

    def cancel(self, number: int, by: str, /) -> str: ...

    def delete(self, name: str, /) -> str: ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a handler may use of the running engine."""

    control_trading: Callable[[Command], Result]
    rule_loop: RuleLoop
    rule_writer: RuleWriter
    alerts: AlertControls
    backtests: BacktestControls
    queue_backtest: Callable[[Command], None]
    queue_optimization: Callable[[Command], None]
    queue_drill: Callable[[Command], None]
    now: Callable[[], int]  # ns UTC


Handler = Callable[[Any, Command, Services], Result | None]  # None where a worker finishes the command


@dataclass(frozen=True, slots=True)
class CommandType:
    """One command: its name, what it does in a sentence, its arguments, and the function that carries it out."""

    name: str
    summary: str
    arguments: type[Arguments]
    timing: CommandTiming
    handle: Handler
    readers: Mapping[str, Reader] = field(default_factory=dict)  # of forms in the schema of its arguments
    right: str = OPERATE  # that it takes to send it
