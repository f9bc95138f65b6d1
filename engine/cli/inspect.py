"""inspect: what a recording holds, by symbol."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from engine import units
from engine.cli._arguments import Subcommand, add_parent_option, follow_parent, format_time_utc

if TYPE_CHECKING:
    from engine.feeds._recording_survey import FileSurvey, RecordingSurvey


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="the folder of a recording")
    parser.add_argument("--json", action="store_true", help="one JSON object, with a strip of coverage for each file")
    add_parent_option(parser)


def _run(options: argparse.Namespace) -> int:
    from engine.feeds._recording_survey import survey_recording

    follow_parent(options)
    survey = survey_recording(options.recording.absolute())
    print(json.dumps(asdict(survey), allow_nan=False) if options.json else format_survey(survey))
    return 0


def format_survey(survey: RecordingSurvey) -> str:
    """Format a survey as lines, one for each file."""
    lines = [f"{survey.path}: {units.format_count(len(survey.symbols), 'symbol')}, {units.format_bytes(survey.bytes)}"]
    for symbol in survey.symbols:
        lines += [f"  {file.file}: {_describe_file(file)}" for file in symbol.files]
        lines += [f"  {symbol.symbol}: {count:,} x {kind}" for kind, count in symbol.incidents]
    lines += [f"  not read: {name} ({reason})" for name, reason in survey.left_out]
    return "\n".join(lines)


def _describe_file(file: FileSurvey) -> str:
    if file.error is not None:
        return f"cannot be read: {file.error}"
    if file.first is None or file.last is None:
        return "no row that can be used"
    parts = [units.format_count(file.rows, file.kind.removesuffix("s")), f"{format_time_utc(file.first)} to {format_time_utc(file.last)}"]
    parts += [f"{units.format_count(file.gaps, 'gap')} ({units.format_count(file.missing, 'bar')} missing)"] if file.gaps else []
    parts += [f"{units.format_count(file.repeats, 'repeat')} dropped"] if file.repeats else []
    parts += [units.format_count(file.faulty, "faulty row")] if file.faulty else []
    return ", ".join(parts)


COMMAND = Subcommand("inspect", "what a recording holds: symbols, time, gaps, repeats, faulty rows and incidents", _add, _run)
