"""Commands to the optimizer: optimize, rule, mode, licence and approve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import msgspec

from engine.commands.types import Arguments, CommandTiming, CommandType, Result, Services
from engine.domain.access import ADMINISTER
from engine.domain.rules import Rule
from engine.domain.texts import shorten
from engine.domain.trading_config import Command
from engine.optimizer.default_rules import DEFAULT_RULES
from engine.optimizer.rule_schema import READERS, RuleWords, parse_mode, parse_rule, serialise_rule
from engine.schema import SchemaError, find_near, limits

MAX_RULES = 200
MAX_NUMBER = 2**63 - 1  # that a store can hold

ActionName = Annotated[str, limits(letters=60, help="an optimization, such as collect_garbage", example="NAME")]


class Optimize(Arguments, frozen=True, kw_only=True):
    action: ActionName
    dry_run: Annotated[bool, limits(help="whether to report what it would do and change nothing")] = False


class ChangeRule(RuleWords, Arguments, frozen=True, kw_only=True):
    """A rule by name, and the fields to change."""

    name: Annotated[
        str, limits(letters=48, help="rule to change, or a new one", example="NAME and what is to change, such as above=90, or reset=true")
    ]
    reset: Annotated[bool, limits(help="discard all changes to the rule; cannot be combined with other arguments")] = False


class SetMode(Arguments, frozen=True, kw_only=True):
    action: ActionName
    mode: Annotated[
        Literal["off", "observe", "recommend", "ask", "auto"], limits(help="how far the optimizer may go with the action", example="MODE")
    ]


class SetLicence(Arguments, frozen=True, kw_only=True):
    action: ActionName
    licence: Annotated[Literal["auto", "recommend", "quarantined"], limits(help="whether the action may still run automatically", example="LICENCE")]


class AnswerRequest(Arguments, frozen=True, kw_only=True):
    number: Annotated[int, limits(0, MAX_NUMBER, remedy="a whole number", help="number of the request, as Optimizer shows it", example="N")] = (
        msgspec.field(name="id")
    )
    answer: Annotated[Literal["yes", "no"], limits(help="whether to run the action")] = "yes"


def optimize(arguments: Optimize, command: Command, services: Services) -> None:
    del arguments  # the worker reads them
    services.queue_optimization(command)


def change_rule(arguments: ChangeRule, command: Command, services: Services) -> Result:
    loop, name = services.rule_loop, arguments.name
    changes = {key: value for key, value in command.args if key != "name"}
    rules = {rule.name: rule for rule in loop.rules}
    if "reset" in changes:
        before = _describe_rule(name, loop.rules)
        return {"message": _reset_rule(name, changes, services), "before": before, "after": _describe_rule(name, loop.rules)}
    if not changes:
        raise SchemaError(f"rule {name} was given nothing to change: give a change such as above=90")
    if name not in rules:
        _require_new(name, changes, rules)
    rule = parse_rule(name, changes, rules.get(name), tuple(loop.actions))
    services.rule_writer.save_rule(name, serialise_rule(rule), services.now(), command.by, command.reason)
    before = _describe_rule(name, loop.rules)
    loop.reload()
    message = f"rule {name} is changed: {', '.join(f'{key} {value}' for key, value in changes.items())}"
    return {"message": message, "before": before, "after": _describe_rule(name, loop.rules)}


def _reset_rule(name: str, changes: Mapping[str, str], services: Services) -> str:
    if changes != {"reset": "true"}:
        raise SchemaError(f"rule {name}: give reset=true and nothing else")
    if not services.rule_writer.delete_rule(name):
        raise SchemaError(f"rule {shorten(name)} was not changed: there is nothing to reset")
    services.rule_loop.reload()
    return f"rule {name} is as podium.toml or the default has it"


def _describe_rule(name: str, rules: tuple[Rule, ...]) -> dict[str, object]:
    """The rule of that name as the audit trail shows it; None where there is none."""
    return {name: next((serialise_rule(rule) for rule in rules if rule.name == name), None)}


def _require_new(name: str, changes: Mapping[str, str], rules: Mapping[str, Rule]) -> None:
    near = find_near(name, rules, cutoff=0.6)
    if "kind" not in changes:
        raise SchemaError(f"there is no rule {shorten(name)}: " + (f"did you mean {near}?" if near else "a new one needs its kind and metric"))
    if len(rules) >= MAX_RULES:
        raise SchemaError(f"there are {len(rules)} rules: {MAX_RULES} at most, those of the engine ({len(DEFAULT_RULES)}) included")


def set_mode(arguments: SetMode, command: Command, services: Services) -> Result:
    del command
    mode = parse_mode(arguments.action, arguments.mode, tuple(services.rule_loop.actions))
    before = services.rule_loop.modes()[arguments.action]
    services.rule_writer.set_mode(arguments.action, mode)
    setting = f"mode of {arguments.action}"
    return {"message": f"{arguments.action} is set to {mode}", "before": {setting: before}, "after": {setting: mode}}


def set_licence(arguments: SetLicence, command: Command, services: Services) -> Result:
    action, licence = arguments.action, arguments.licence
    parse_mode(action, "auto", tuple(services.rule_loop.actions))
    before, setting = services.rule_loop.find_licence(action), f"licence of {action}"
    services.rule_writer.set_licence(action, licence, f"set by {command.by}: {command.reason or 'no reason given'}", services.now())
    message = f"{action} has the licence {licence}; it is judged anew from here"
    return {"message": message, "before": {setting: before}, "after": {setting: licence}}


def answer_request(arguments: AnswerRequest, command: Command, services: Services) -> Result | None:
    request = services.rule_loop.approval_requests.pop(arguments.number, None)
    if request is None:
        raise SchemaError(f"nothing waits under id={arguments.number}: it was answered, has expired, or never existed")
    why = f": {command.reason}" if command.reason else ""
    if arguments.answer == "no":
        services.rule_writer.save_answer(arguments.number, f"{command.by} declined to run {request.action}{why}")
        return {"message": f"{request.action} is not run"}
    services.rule_writer.save_answer(arguments.number, f"{command.by} approved {request.action}{why}")
    reason = f"{request.rule} fired and {command.by} approved; {command.reason}"
    services.queue_optimization(replace(command, name="optimize", args=(("action", request.action),), reason=reason))
    return None


COMMANDS = (
    CommandType("optimize", "run an optimization, or report what it would do", Optimize, CommandTiming.WORKER, optimize),
    CommandType("rule", "change, add or reset a rule of the optimizer", ChangeRule, CommandTiming.IMMEDIATE, change_rule, READERS, ADMINISTER),
    CommandType("mode", "set how far the optimizer may go with an action", SetMode, CommandTiming.IMMEDIATE, set_mode, right=ADMINISTER),
    CommandType("licence", "restore or withdraw an action's licence", SetLicence, CommandTiming.IMMEDIATE, set_licence, right=ADMINISTER),
    CommandType("approve", "answer a request of the optimizer; yes runs its action", AnswerRequest, CommandTiming.IMMEDIATE, answer_request),
)
