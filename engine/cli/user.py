"""user: the local accounts of people who log in."""

from __future__ import annotations

import argparse
import getpass
import sys

from engine.cli._arguments import Subcommand, UsageError, add_store_option, format_time_utc, print_notice, resolve_settings
from engine.cli._exports import find_user
from engine.domain.access import ROLES
from engine.domain.audit import LOCAL

MAX_LINE = 4_000  # characters read of a password


def _add(parser: argparse.ArgumentParser) -> None:
    below = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action, about in (
        ("add", "add an account; its password is asked for, or read from stdin where that is no terminal"), ("list", "every account with its role"),
        ("remove", "remove an account and end its log-ins"), ("role", "give an account another role, which holds at once"),
        ("password", "give an account another password and end its log-ins"),
    ):  # fmt: skip
        own = below.add_parser(action, help=about, description=about, allow_abbrev=False)
        if action != "list":
            own.add_argument("name", metavar="NAME")
        if action == "role":
            own.add_argument("role", metavar="ROLE", help=", ".join(ROLES))
        if action == "add":
            own.add_argument("--role", required=True, metavar="ROLE", help=", ".join(ROLES))
        add_store_option(own)


def _run(options: argparse.Namespace) -> int:
    from engine.access.accounts import Accounts, list_accounts
    from engine.service.clock import WallClock

    settings = resolve_settings(options, headless=False)
    if options.action == "list":
        for account in list_accounts(options.store or settings.database_url):
            where = "" if account.is_local else "  at the provider"
            print(f"{account.name:24} {account.role or 'no role':9} since {format_time_utc(account.created_at)}{where}")
        return 0
    accounts, now = Accounts(options.store or settings.database_url, find_user(), LOCAL), WallClock().now()
    try:
        if options.action == "add":
            accounts.require_free(options.name, options.role)
            accounts.add(options.name, options.role, read_password(options.name), now)
        elif options.action == "password":
            accounts.change_password(options.name, read_password(options.name), now)
        elif options.action == "role":
            accounts.change_role(options.name, options.role, now)
        else:
            accounts.remove(options.name, now)
    finally:
        accounts.close()
    if options.action in {"role", "remove"} and settings.provider is not None:
        print_notice("podium: whoever logs in at the provider has the role of [auth] again at the next log-in: change it there, or at the provider")
    print(f"{options.name}: {'removed' if options.action == 'remove' else 'saved'}")
    if settings.login == "off":
        print_notice("podium: nobody needs to log in yet: add the table [auth] to podium.toml and start again")
    return 0


def read_password(name: str) -> str:
    """Ask for a password twice, or read a line of stdin where that is no terminal; raises UsageError."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline(MAX_LINE).rstrip("\r\n")
        if not line:
            raise UsageError(f"no password for {name}: give it as a line on stdin, or run this on a terminal")
        return line
    password = getpass.getpass(f"Password for {name}: ")
    if getpass.getpass("Again: ") != password:
        raise UsageError("the two passwords differ: try again")
    return password


COMMAND = Subcommand("user", "manage local accounts: add, list, remove, role, password", _add, _run)
