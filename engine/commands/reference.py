"""The commands as text, for the help of the command line and for docs/commands.md."""

from __future__ import annotations

from engine.commands.router import list_commands
from engine.commands.types import CommandType
from engine.domain.access import ADMINISTER, OPERATE
from engine.schema import Parameter, parameters_of

_ROLES = {OPERATE: "an operator", ADMINISTER: "an admin"}
_INTRODUCTION = """# Commands

A command is submitted on a page, by `python -m engine command NAME key=value ...` or by the store's inbox, with who asks (`by`) and why (`reason`).
This page is generated from the files in `engine/commands/handlers` by `python -m engine.commands.reference`; a test compares the two.
"""


def format_help() -> str:
    """Every command with its arguments, for a terminal."""
    lines = ["commands:"]
    for command in list_commands().values():
        lines.append(f"  {command.name:<16} {command.summary}")
        lines += [f"      {parameter.name + '=':<14} {_describe(parameter)}" for parameter in parameters_of(command.arguments).values()]
    return "\n".join((*lines, "", "Every command takes by=WHO and reason=WHY as well."))


def format_markdown() -> str:
    """Every command with its arguments, as docs/commands.md."""
    return "\n".join((_INTRODUCTION, *(_section(command) for command in list_commands().values())))


def _section(command: CommandType) -> str:
    lines = [
        f"## {command.name}",
        f"{command.summary[:1].upper()}{command.summary[1:]}. Carried out {command.timing.value}. It takes {_ROLES[command.right]}.",
        "",
    ]
    parameters = parameters_of(command.arguments).values()
    if parameters:
        lines += ["| argument | value | unit | if left out | meaning |", "|---|---|---|---|---|"]
        lines += [f"| `{row.name}` | {row.wanted} | {row.unit} | {_describe_default(row)} | {row.help} |" for row in parameters]
        lines.append("")
    return "\n".join(lines)


def _describe(parameter: Parameter) -> str:
    unit = f", {parameter.unit}" if parameter.unit else ""
    needed = "required" if parameter.is_required else ""
    default = _describe_default(parameter)
    note = needed or (f"default {default}" if default else "optional")
    return f"{parameter.help}: {parameter.wanted}{unit} ({note})"


def _describe_default(parameter: Parameter) -> str:
    """The default as people write it; "" where there is none."""
    if parameter.is_required:
        return "required"
    value = parameter.default
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}"
    return value if isinstance(value, str) else ""


if __name__ == "__main__":
    print(format_markdown(), end="")  # noqa: T201 - the page
