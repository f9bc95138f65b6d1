"""report: a day's report; the name is kept for a later stage."""

from __future__ import annotations

import argparse

from engine.cli._frame import CliCommand, WrongUse


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def _run(told: argparse.Namespace) -> int:
    raise WrongUse("report is not there yet: the name is kept for a later stage")


COMMAND = CliCommand("report", "a day's report (not there yet)", _add, _run)
