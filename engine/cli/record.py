"""record: writes the configured feed as a recording; the name is kept for a later stage."""

from __future__ import annotations

import argparse

from engine.cli._frame import CliCommand, WrongUse


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def _run(told: argparse.Namespace) -> int:
    raise WrongUse("record is not there yet: the name is kept for a later stage")


COMMAND = CliCommand("record", "writes the configured feed as a recording (not there yet)", _add, _run)
