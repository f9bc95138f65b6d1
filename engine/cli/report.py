"""report: a day's report, HTML or Markdown."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from engine.cli._arguments import Subcommand, UsageError, add_store_option, open_output, resolve_store_url
from engine.cli._exports import add_sender_options, record_export
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
    add_sender_options(parser)


def _run(options: argparse.Namespace) -> int:
    if options.out is not None and options.out.suffix.lower() not in FORMATS:
        raise UsageError(f"--out {options.out}: give a file that ends in .html or .md")
    now = WallClock().now()
    wanted = parse_day(options.day, now)
    from engine.report.rendering import render_html, render_markdown
    from engine.report.sections import build_document
    from engine.store.read.reader import Reader
    from engine.store.read.report import find_tick_period, read_day

    url = resolve_store_url(options)
    reader = Reader(url, busy_ms=5000)
    rows = read_day(reader, (wanted - EPOCH).days * 86_400_000_000_000, now, wanted.isoformat())
    if rows is None:
        ends = find_tick_period(reader)
        there = "it has no ticks yet" if ends is None else f"it has ticks from {_day(ends.first)} to {_day(ends.last)}"
        raise UsageError(f"the store has no rows of {wanted}: {there}")
    record_export(url, "report", {"day": wanted.isoformat(), "format": "markdown" if options.out is None else options.out.suffix[1:]}, options)
    report = build_document(rows)
    with open_output(options.out) as draft:
        if draft is None:
            print(render_markdown(report), end="")
        else:
            html = FORMATS[options.out.suffix.lower()] == "html"
            draft.write_text(render_html(report) if html else render_markdown(report), encoding="utf-8")
    return 0


def parse_day(text: str, now: int) -> date:
    """Parse a day; raises UsageError in one line."""
    today = date.fromisoformat(_day(now))
    if text in RELATIVE_DAYS:
        return today - timedelta(days=RELATIVE_DAYS[text])
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--day {text!r} is not a day: write it as 2024-01-31, yesterday or today") from None
    if day > today:
        raise UsageError(f"--day {day} is in the future: give a day up to today, {today} in UTC")
    if day < EPOCH:
        raise UsageError(f"--day {day} is before 1970: give a later day")
    return day


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1e9, UTC):%Y-%m-%d}"


COMMAND = Subcommand("report", "write a day's report, HTML or Markdown: decisions, reasons, P&L with costs, health, optimizations", _add, _run)
