"""report: a day's report, HTML or Markdown."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from engine.cli._arguments import Subcommand, UsageError, add_store_option, open_output, resolve_store_url
from engine.service.clock import WallClock

FORMATS = {".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown"}
RELATIVE_DAYS = {"today": 0, "yesterday": 1}  # days ago
EPOCH = date(1970, 1, 1)


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--day", default="today", metavar="D", help="a day in UTC: 2024-01-31, yesterday, or today (so far), which it is if not given"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="FILE.html or FILE.md; Markdown on the terminal if not given")
    add_store_option(parser)


def _run(told: argparse.Namespace) -> int:
    if told.out is not None and told.out.suffix.lower() not in FORMATS:
        raise UsageError(f"--out {told.out}: give a file that ends in .html or .md")
    now = WallClock().now()
    wanted = parse_day(told.day, now)
    from engine.report.html import as_html
    from engine.report.markdown import as_markdown
    from engine.report.sections import build_document
    from engine.store.read.reader import Reader
    from engine.store.read.report import find_tick_period, read_day

    reader = Reader(resolve_store_url(told), busy_ms=5000)
    found = read_day(reader, (wanted - EPOCH).days * 86_400_000_000_000, now, wanted.isoformat())
    if found is None:
        ends = find_tick_period(reader)
        there = "it has no ticks yet" if ends is None else f"it has ticks from {_day(ends.first)} to {_day(ends.last)}"
        raise UsageError(f"the store has nothing of {wanted}: {there}")
    report = build_document(found)
    with open_output(told.out) as draft:
        if draft is None:
            print(as_markdown(report), end="")
        else:
            html = FORMATS[told.out.suffix.lower()] == "html"
            draft.write_text(as_html(report) if html else as_markdown(report), encoding="utf-8")
    return 0


def parse_day(text: str, now: int) -> date:
    """The day that is meant; raises WrongUse in one line."""
    today = date.fromisoformat(_day(now))
    if text in RELATIVE_DAYS:
        return today - timedelta(days=RELATIVE_DAYS[text])
    try:
        told = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--day {text!r} is not a day: write it as 2024-01-31, yesterday or today") from None
    if told > today:
        raise UsageError(f"--day {told} is still to come: give a day up to today, {today} in UTC")
    if told < EPOCH:
        raise UsageError(f"--day {told} is before 1970: give a later day")
    return told


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1e9, UTC):%Y-%m-%d}"


COMMAND = Subcommand(
    "report", "a day's report, HTML or Markdown: what was decided, why not, money with every cost, health, optimizations", _add, _run
)
