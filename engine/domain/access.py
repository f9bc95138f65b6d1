"""Who may do what: roles, rights, and the one function that refuses with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
VIEW, OPERATE, ADMINISTER = "view", "operate", "administer"
RIGHTS = {  # by role
    "viewer": frozenset({VIEW}),
    "operator": frozenset({VIEW, OPERATE}),
    "admin": frozenset({VIEW, OPERATE, ADMINISTER}),
}
_NEEDED = {VIEW: "viewer", OPERATE: "operator", ADMINISTER: "admin"}
_DEEDS = {VIEW: "see this", OPERATE: "do this", ADMINISTER: "change settings, rules, roles and tokens"}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is logged in, or whoever reaches a Podium without log-in."""

    name: str  # of the account; the name that commands are sent under
    role: str
    is_known: bool = True  # has an account; False where there is no log-in


LOCAL_VISITOR = Visitor("dashboard", "admin", is_known=False)  # without log-in, whoever reaches the loopback address


def judge_access(visitor: Visitor | None, right: str) -> str | None:
    """The reason why somebody may not do what needs this right, in one line; None where they may. The one place where that is decided."""
    if visitor is None:
        return "log in first"
    if right in RIGHTS.get(visitor.role, frozenset()):
        return None
    needed = _NEEDED.get(right)
    if needed is None:
        return f"there is no right {right}"
    article = "an" if needed[0] in "ao" else "a"
    return f"{visitor.name} is {visitor.role or 'nobody'} and may not {_DEEDS[right]}: it takes {article} {needed}"
