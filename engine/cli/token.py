"""token: the tokens by which programs call the API."""

from __future__ import annotations

import argparse

from engine.cli._arguments import Subcommand, add_store_option, float_in_range, format_time_utc, print_notice, resolve_settings
from engine.cli._exports import find_user
from engine.domain.access import COMMAND_SCOPE, SCOPES
from engine.domain.audit import LOCAL


def _add(parser: argparse.ArgumentParser) -> None:
    below = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action, about in (
        ("create", "create a token and print it, once"), ("list", "every token with its scopes, its end and its last use"),
        ("revoke", "make a token worth nothing from now on"),
    ):  # fmt: skip
        own = below.add_parser(action, help=about, description=about, allow_abbrev=False)
        if action != "list":
            own.add_argument("name", metavar="NAME")
        if action == "create":
            scopes = f"{', '.join(SCOPES)}, or {COMMAND_SCOPE}:NAME for one command; may be given several times"
            own.add_argument("--scope", action="append", required=True, metavar="SCOPE", help=scopes)
            own.add_argument("--days", type=float_in_range(0.01, 3_650), default=90.0, metavar="N", help="days until it expires, 90 if not given")
        add_store_option(own)


def _run(options: argparse.Namespace) -> int:
    from engine.access.tokens import open_tokens
    from engine.commands.router import list_commands
    from engine.service.clock import WallClock

    settings, now = resolve_settings(options, headless=False), WallClock().now()
    store, tokens = open_tokens(options.store or settings.database_url, find_user(), LOCAL)
    try:
        if options.action == "list":
            for token in tokens.list():
                used = "never used" if token.used_at is None else f"last used {format_time_utc(token.used_at)}"
                print(f"{token.name:24} {token.describe_state(now):8} {' '.join(token.scopes):24} until {format_time_utc(token.expires_at)}, {used}")
        elif options.action == "create":
            print(tokens.create(options.name, options.scope, options.days, list_commands(), now))
            print_notice("podium: this is shown once; send it as Authorization: Bearer TOKEN")
        else:
            tokens.revoke(options.name, now)
            print(f"{options.name}: revoked")
    finally:
        store.close()
    if settings.login == "off" and options.action == "create":
        print_notice("podium: without log-in no token is asked for: add the table [auth] to podium.toml and start again")
    return 0


COMMAND = Subcommand("token", "manage tokens of the API: create, list, revoke", _add, _run)
