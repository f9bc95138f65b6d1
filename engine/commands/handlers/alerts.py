"""Commands about alerts and webhooks: ack, silence, unsilence, resend and drill."""

from __future__ import annotations

from typing import Annotated

import msgspec

from engine.commands.types import Arguments, CommandTiming, CommandType, Result, Services
from engine.domain.trading_config import Command
from engine.schema import limits

MAX_NUMBER = 2**63 - 1  # that a store can hold
WEEK_MINUTES = 7 * 24 * 60.0

RuleName = Annotated[str, limits(letters=100, help="rule as Alerts or Optimizer names it, or all alerts", example="NAME or rule=all")]


class AcknowledgeAlert(Arguments, frozen=True, kw_only=True):
    number: Annotated[int, limits(0, MAX_NUMBER, remedy="a whole number", help="number of the alert, as Alerts shows it", example="N")] = (
        msgspec.field(name="id")
    )


class SilenceAlert(Arguments, frozen=True, kw_only=True):
    rule: RuleName
    minutes: Annotated[
        float, limits(1.0, WEEK_MINUTES, "min", "length of the silence", remedy="a number from 1 to 10080: a silence ends after a week at most")
    ] = 60.0


class UnsilenceAlert(Arguments, frozen=True, kw_only=True):
    rule: RuleName


class ResendEvents(Arguments, frozen=True, kw_only=True):
    webhook: Annotated[str, limits(letters=32, help="webhook, by its name in podium.toml", example="NAME")]
    event: (
        Annotated[int, limits(1, MAX_NUMBER, remedy="a whole number", help="number of the event, as Alerts shows it; all if left out", example="N")]
        | None
    ) = msgspec.field(name="id", default=None)


class RunDrill(Arguments, frozen=True, kw_only=True):
    pass


def acknowledge(arguments: AcknowledgeAlert, command: Command, services: Services) -> Result:
    return {"message": services.alerts.acknowledge(arguments.number, command.by)}


def silence(arguments: SilenceAlert, command: Command, services: Services) -> Result:
    others = tuple(rule.name for rule in services.rule_loop.rules)
    return {"message": services.alerts.silence(arguments.rule.strip(), arguments.minutes, command.by, command.reason, others)}


def unsilence(arguments: UnsilenceAlert, command: Command, services: Services) -> Result:
    del command
    return {"message": services.alerts.unsilence(arguments.rule.strip())}


def resend(arguments: ResendEvents, command: Command, services: Services) -> Result:
    del command
    return {"message": services.alerts.resend(arguments.webhook.strip(), arguments.event)}


def run_drill(arguments: RunDrill, command: Command, services: Services) -> None:
    del arguments
    services.queue_drill(command)


COMMANDS = (
    CommandType("ack", "acknowledge an open alert: no further message until it is resolved", AcknowledgeAlert, CommandTiming.IMMEDIATE, acknowledge),
    CommandType(
        "silence",
        "send no messages about a rule, or about any, and recommend nothing for it, for a while (needs a reason)",
        SilenceAlert,
        CommandTiming.IMMEDIATE,
        silence,
    ),
    CommandType("unsilence", "end a silence", UnsilenceAlert, CommandTiming.IMMEDIATE, unsilence),
    CommandType("resend", "send the dead letters of a webhook again", ResendEvents, CommandTiming.IMMEDIATE, resend),
    CommandType("drill", "test the kill switch, the stop and the alert path", RunDrill, CommandTiming.WORKER, run_drill),
)
