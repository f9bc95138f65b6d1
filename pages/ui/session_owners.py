"""Whose log-in a session of Streamlit belongs to, so that nobody resumes the session of somebody else."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

MOST = 10_000  # sessions that are remembered; one that is forgotten is not resumed, but begun anew

_owners: OrderedDict[str, str] = OrderedDict()  # by session
_lock = Lock()


def mark_login(cookie: str | None) -> str:
    """A mark of a log-in, by its cookie: worth nothing to whoever sees it. "" without one."""
    return hashlib.sha256(f"podium owner {cookie}".encode()).hexdigest()[:16] if cookie else ""


def remember_owner(session: str, cookie: str | None) -> None:
    """Note whose session this is; the first log-in that runs a page in it owns it."""
    with _lock:
        _owners.setdefault(session, mark_login(cookie))
        _owners.move_to_end(session)
        while len(_owners) > MOST:
            _owners.popitem(last=False)


def may_resume(session: str, cookie: str | None) -> bool:
    """Whether a browser with this cookie may go on with a session."""
    with _lock:
        return bool(cookie) and _owners.get(session) == mark_login(cookie)


def list_owners() -> Mapping[str, str]:
    """The sessions that are known, with the marks of their log-ins."""
    with _lock:
        return dict(_owners)
