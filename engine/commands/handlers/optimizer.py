"""What commands mean for the optimizer: rules, modes, licences and answers to its questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Protocol

from engine.domain.optimization import Action
from engine.domain.rules import Rule
from engine.domain.trading_config import Command
from engine.optimizer.default_rules import DEFAULT_RULES
from engine.optimizer.licences import parse_licence
from engine.optimizer.rule_schema import parse_mode, parse_rule, serialise_rule
from engine.optimizer.runtime.ports import ApprovalRequest

OPTIMIZER_COMMANDS = ("rule", "mode", "licence", "approve")
MAX_RULES = 200


class RuleWriter(Protocol):
    def set_licence(self, action: str, licence: str, why: str, at: int) -> None: ...

    def set_mode(self, action: str, mode: str) -> None: ...

    def save_rule(self, name: str, told: Mapping[str, str], at: int, by: str, reason: str) -> None: ...

    def delete_rule(self, name: str) -> bool: ...

    def save_answer(self, number: int, text: str) -> None: ...


class RuleLoop(Protocol):
    """The loop, as far as a command reaches into it."""

    @property
    def actions(self) -> Mapping[str, Action]: ...

    @property
    def rules(self) -> tuple[Rule, ...]: ...

    @property
    def approval_requests(self) -> dict[int, ApprovalRequest]: ...

    def reload(self) -> None: ...


def apply_optimizer_command(command: Command, tuner: RuleLoop, pen: RuleWriter, now: int) -> tuple[str, Command | None]:
    """What was done, in words, and the optimization to be run by hand for it, if any. Raises ValueError in one line, StoreFailed from the pen."""
    args = dict(command.args)
    match command.name:
        case "rule":
            return _rule(args, tuner, pen, command, now), None
        case "mode":
            action, mode = _two(args, "action", "mode")
            pen.set_mode(action, parse_mode(action, mode, tuple(tuner.actions)))
            return f"{action} is set to {mode}", None
        case "licence":
            action, licence = _two(args, "action", "licence")
            parse_mode(action, "auto", tuple(tuner.actions))
            pen.set_licence(action, parse_licence(licence), f"set by {command.by}: {command.reason or 'no reason given'}", now)
            return f"{action} has the licence {licence}; it is judged anew from here", None
        case _:
            return _approve(args, tuner, pen, command)


def _rule(args: dict[str, str], tuner: RuleLoop, pen: RuleWriter, command: Command, now: int) -> str:
    name = args.pop("name", "")
    if not name:
        raise ValueError("rule takes name=NAME and what is to change, such as above=90, or reset=true")
    rules = {rule.name: rule for rule in tuner.rules}
    if "reset" in args:
        if args != {"reset": "true"}:
            raise ValueError(f"rule {name}: give reset=true by itself")
        if not pen.delete_rule(name):
            raise ValueError(f"rule {name[:60]!r} was not changed: there is nothing to reset")
        tuner.reload()
        return f"rule {name} is as podium.toml or the default has it"
    if not args:
        raise ValueError(f"rule {name} was given nothing to change: give a word such as above=90")
    if name not in rules:
        _demand_new(name, args, rules)
    rule = parse_rule(name, args, rules.get(name), tuple(tuner.actions))
    pen.save_rule(name, serialise_rule(rule), now, command.by, command.reason)
    tuner.reload()
    return f"rule {name} is changed: {', '.join(f'{key} {value}' for key, value in args.items())}"


def _demand_new(name: str, args: Mapping[str, str], rules: Mapping[str, Rule]) -> None:
    near = get_close_matches(name, rules, n=1)
    if "kind" not in args:
        raise ValueError(f"there is no rule {name[:60]!r}: " + (f"did you mean {near[0]}?" if near else "a new one needs its kind and metric"))
    if len(rules) >= MAX_RULES:
        raise ValueError(f"there are {len(rules)} rules: {MAX_RULES} at most, those of the engine ({len(DEFAULT_RULES)}) counted")


def _approve(args: Mapping[str, str], tuner: RuleLoop, pen: RuleWriter, command: Command) -> tuple[str, Command | None]:
    said = args.get("answer", "yes")
    if said not in {"yes", "no"}:
        raise ValueError(f"answer is {said[:60]!r}: give yes or no")
    try:
        number = int(args.get("id", ""))
    except ValueError:
        raise ValueError(f"approve takes id=N, got {str(args.get('id', 'nothing'))[:60]!r}") from None
    asked = tuner.approval_requests.pop(number, None)
    if asked is None:
        raise ValueError(f"nothing waits under id={number}: it was answered, has expired, or never asked")
    why = f": {command.reason}" if command.reason else ""
    if said == "no":
        pen.save_answer(number, f"{command.by} declined to run {asked.action}{why}")
        return f"{asked.action} is not run", None
    pen.save_answer(number, f"{command.by} approved {asked.action}{why}")
    wish = replace(
        command, name="optimize", args=(("action", asked.action),), reason=f"{asked.rule} fired and {command.by} approved; {command.reason}"
    )
    return f"{asked.action} is run", wish


def _two(args: Mapping[str, str], first: str, second: str) -> tuple[str, str]:
    if set(args) != {first, second}:
        raise ValueError(f"give {first}=NAME {second}=WORD and nothing else, got {', '.join(args) or 'nothing'}")
    return args[first], args[second]
