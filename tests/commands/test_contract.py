"""The contract of every command: its schema is documented, hostile values are refused in one line, and it survives the inbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.commands import reference
from engine.commands.router import find_command, find_parameter, list_commands, read_arguments, runs_between_ticks
from engine.commands.types import CommandTiming, CommandType
from engine.schema import Parameter, parameters_of
from engine.store.inbox import Inbox
from tests.store import made

ROOT = Path(__file__).parent.parent.parent
NAMES = {
    "pause", "resume", "flatten", "retrain", "set", "optimize", "backtest", "cancel_backtest", "delete_backtest", "rule", "mode", "licence",
    "approve", "ack", "silence", "unsilence", "drill", "resend", "promote", "revert", "search", "annotate", "configure",
}  # fmt: skip
SOUND = {  # values of the arguments that are not numbers, choices or truths
    "market": "simulated", "from": "2023-01-31", "to": "2023-01-31T12:00Z", "interval": "5m", "symbols": "BTCUSDT,ETHUSDT", "hold": "2m",
    "missing": "30s", "cooldown": "5m", "longest": "2h", "span": "60", "above": "90", "below": "none", "recovery": "80", "actions": "collect_garbage",
    "every": "500", "baseline": "60", "parameter": "edge_margin", "value": "1.5",
}  # fmt: skip
HOSTILE = (
    "",
    "nan",
    "inf",
    "-1e999",
    "9" * 5_000,
    "a" * 5_000,
    "\0",
    "a\nb",
    "\x1b[2J",
    "' OR 1=1 --",
    "../../etc/passwd",
    "٣",
    "--json",
    "$(id)",
    "{}",
    "1_0e",
)
COMMANDS = tuple(list_commands().values())
ARGUMENTS = [(command.name, parameter) for command in COMMANDS for parameter in parameters_of(command.arguments).values()]


def sound_value(parameter: Parameter) -> str:
    """A value that the schema takes."""
    bounds = parameter.bounds
    if parameter.name in SOUND:
        return SOUND[parameter.name]
    if bounds.choices:
        return bounds.choices[0]
    return {"truth": "true", "text": "name"}.get(bounds.kind) or f"{bounds.low or 0:g}"


def sound_arguments(command: CommandType) -> dict[str, str]:
    """Required arguments with values that the schema takes."""
    return {parameter.name: sound_value(parameter) for parameter in parameters_of(command.arguments).values() if parameter.is_required}


def test_the_commands_are_those_of_the_contract() -> None:
    assert set(list_commands()) == NAMES


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_says_what_it_does_and_when(command: CommandType) -> None:
    assert command.summary[0].islower()
    assert not command.summary.endswith(".")
    assert runs_between_ticks(command.name) == (command.timing is CommandTiming.BETWEEN_TICKS)
    assert find_command(command.name) is command


@pytest.mark.parametrize(("name", "parameter"), ARGUMENTS, ids=[f"{name}.{parameter.name}" for name, parameter in ARGUMENTS])
def test_an_argument_has_help_a_remedy_and_bounds_with_a_unit(name: str, parameter: Parameter) -> None:
    assert parameter.help
    assert parameter.wanted
    if parameter.bounds.kind in {"number", "whole number"} and parameter.name not in {"id", "seed"}:
        assert parameter.unit, "a number has a unit"
        assert parameter.bounds.low is not None or parameter.form, "a number has bounds"
    if parameter.bounds.kind == "text":
        assert parameter.bounds.high or parameter.form or parameter.remedy, "a text has a limit or a form"
    assert find_parameter(name, parameter.name) == parameter


@pytest.mark.parametrize(("name", "parameter"), ARGUMENTS, ids=[f"{name}.{parameter.name}" for name, parameter in ARGUMENTS])
def test_a_hostile_value_is_refused_in_one_short_line_or_taken_as_text(name: str, parameter: Parameter) -> None:
    for value in HOSTILE:
        given = sound_arguments(find_command(name)) | {parameter.name: value}
        try:
            read_arguments(name, given)
        except ValueError as error:
            line = str(error)
            assert line.isprintable(), line
            assert len(line) < 400
            assert parameter.name in line
        else:
            assert parameter.bounds.kind in {"text", "other"}, value
            assert len(value) < 1_000


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_an_unknown_or_missing_argument_is_refused_with_the_remedy(command: CommandType) -> None:
    needed = sound_arguments(command)
    with pytest.raises(ValueError, match=f"^{command.name} has no argument 'dance'"):
        read_arguments(command.name, needed | {"dance": "1"})
    for name in needed:
        with pytest.raises(ValueError, match=f"^{command.name} needs .*{name}="):
            read_arguments(command.name, {key: value for key, value in needed.items() if key != name})


def test_a_misspelt_name_is_answered_with_the_near_one() -> None:
    with pytest.raises(ValueError, match=r"^there is no command 'pase': did you mean pause\?$"):
        find_command("pase")
    with pytest.raises(ValueError, match=r"^backtest has no argument 'bar': did you mean bars\?$"):
        read_arguments("backtest", {"bar": "5"})


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_comes_out_of_the_inbox_as_it_went_in(command: CommandType, tmp_path: Path) -> None:
    given = sound_arguments(command) | {
        parameter.name: sound_value(parameter)
        for parameter in parameters_of(command.arguments).values()
        if command.name != "backtest" or parameter.name not in {"symbols", "from", "to", "interval"}
    }
    before = read_arguments(command.name, given)
    inbox = Inbox(made.empty(tmp_path), "holder")
    try:
        record = inbox.get(inbox.submit(command.name, given, "ann", "to see", 1))
        assert record is not None
        assert read_arguments(record.command.name, dict(record.command.args)) == before
    finally:
        inbox.close()


def test_the_page_of_commands_is_in_step() -> None:
    written = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert written == reference.format_markdown(), "write it again: python -m engine.commands.reference > docs/commands.md"


def test_every_command_and_argument_stands_in_the_help() -> None:
    text = reference.format_help()
    for name, parameter in ARGUMENTS:
        assert f"  {name} " in text
        assert f"      {parameter.name}=" in text
