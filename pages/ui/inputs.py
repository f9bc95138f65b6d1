"""Number inputs for the arguments of commands: limits and help come from the schema of the command."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.commands.router import find_parameter


def show_number_input(command: str, argument: str, label: str, value: float, step: float, **options: Any) -> str:
    """Show an input for an argument of a command and return the number as the command reads it."""
    parameter = find_parameter(command, argument)
    low, high = parameter.bounds.low, parameter.bounds.high
    if low is None or high is None:
        raise ValueError(f"{command} {argument} has no limits")
    about = f"{parameter.help[:1].upper()}{parameter.help[1:]}. From {low:,g} to {high:,.12g}"
    if parameter.bounds.kind == "whole number":
        return str(st.number_input(label, int(low), int(high), int(value), int(step), help=about, **options))
    return f"{st.number_input(label, float(low), float(high), float(value), float(step), help=about, **options):.12g}"
