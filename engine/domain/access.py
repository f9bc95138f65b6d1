"""Who may do what: roles, rights, and the one function that refuses with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
VIEW, OPERATE, ADMINISTER, PUSH = "view", "operate", "administer", "push"
RIGHTS = {  # by role
    "viewer": frozenset({VIEW}),
    "operator": frozenset({VIEW, OPERATE, PUSH}),
    "admin": frozenset({VIEW, OPERATE, ADMINISTER, PUSH}),
}
SCOPES = ("read", "command", "push")  # of tokens; "command:NAME" is for one command
COMMAND_SCOPE, TOKEN_PREFIX = "command", "token:"  # the name of a token's visitor begins with it, and that of no account can
_NEEDED = {VIEW: "viewer", OPERATE: "operator", ADMINISTER: "admin", PUSH: "operator"}
_DEEDS = {VIEW: "see this", OPERATE: "do this", ADMINISTER: "change settings, rules, roles and tokens", PUSH: "post market data or intents"}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is logged in, or whoever reaches a Podium without log-in."""

    name: str  # of the account; the name that commands are sent under
    role: str
    is_known: bool = True  # has an account or a token; False where there is no log-in
    scopes: tuple[str, ...] | None = None  # of a token, which has no role


LOCAL_VISITOR = Visitor("dashboard", "admin", is_known=False)  # without log-in, whoever reaches the loopback address


def judge_access(visitor: Visitor | None, right: str, command: str = "") -> str | None:
    """The reason why somebody may not do what needs this right, in one line; None where they may. The one place where that is decided.

    `command` is the name of the command that is to be sent, for tokens that may send some.
    """
    if visitor is None:
        return "log in first"
    if visitor.scopes is not None:
        return _judge_scopes(visitor.name, visitor.scopes, right, command)
    if right in RIGHTS.get(visitor.role, frozenset()):
        return None
    needed = _NEEDED.get(right)
    if needed is None:
        return f"there is no right {right}"
    article = "an" if needed[0] in "ao" else "a"
    return f"{visitor.name} is {visitor.role or 'nobody'} and may not {_DEEDS[right]}: it takes {article} {needed}"


def _judge_scopes(name: str, scopes: tuple[str, ...], right: str, command: str) -> str | None:
    """The same for a token: "read" sees, "push" posts market data and intents, "command" sends what an operator may, "command:NAME" that command."""
    if right in {VIEW, PUSH}:
        needed = ["read" if right == VIEW else "push"]
    elif command:
        needed = [f"{COMMAND_SCOPE}:{command}", *([COMMAND_SCOPE] if right == OPERATE else [])]
    else:
        return f"{name} has no role and may not {_DEEDS.get(right, right)}"
    if any(scope in scopes for scope in needed):
        return None
    return f"{name} has the scope {', '.join(scopes) or 'nothing'} and may not do this: it takes {' or '.join(needed)}"
