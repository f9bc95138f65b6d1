"""audit: check the audit trail, row by row."""

from __future__ import annotations

import argparse

from engine.cli._arguments import Subcommand, add_store_option, resolve_store_url
from engine.domain.audit import parse_head


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("verify",), metavar="verify", help="exit 0, or 1 with the first row that is changed, missing or cut off")
    parser.add_argument(
        "--head", metavar="ROW:DIGEST",
        help="the head that a daily report printed: its row must still be in the trail, which finds a trail that was written anew",
    )  # fmt: skip
    add_store_option(parser)


def _run(options: argparse.Namespace) -> int:
    from engine.store.read.audit import verify_trail
    from engine.store.read.reader import Reader

    anchor = None if options.head is None else parse_head(options.head)
    verdict = verify_trail(Reader(resolve_store_url(options), busy_ms=5000), anchor)
    if verdict.fault is not None:
        print(verdict.fault)
        return 1
    if verdict.first is None:
        print("sound: the audit trail is empty")
        return 0
    print(f"sound: rows {verdict.first:,} to {verdict.first + verdict.rows - 1:,}, head {verdict.head}")
    return 0


COMMAND = Subcommand("audit", "check the audit trail: audit verify", _add, _run)
