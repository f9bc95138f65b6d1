"""What the guard does with connections: whose session a tab goes on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from engine.access.desk import FrontDesk
from engine.access.refusals import RefusalLog
from engine.domain.access import Visitor
from engine.store.connection import Store
from engine.store.read.audit import verify_trail
from engine.store.read.reader import Reader
from engine.web.access_guard import AccessGuard
from pages.ui import session_owners
from tests.makers import awaited
from tests.store import made


class Desk:
    """A desk that knows everybody."""

    def __init__(self) -> None:
        self.uses: list[bool] = []

    def find_visitor(self, cookie: str | None, *, is_use: bool = False) -> Visitor | None:
        self.uses.append(is_use)
        return Visitor("ann", "operator") if cookie else None


async def shaken(guard_words: str, cookie: str) -> list[bytes]:
    """The header of a handshake as it reaches Streamlit."""
    reached: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        reached.append(dict(scope["headers"])[b"sec-websocket-protocol"])

    async def nothing(*_: object) -> Any:
        return {"type": "websocket.connect"}

    headers = [(b"sec-websocket-protocol", guard_words.encode()), (b"cookie", f"podium_login={cookie}".encode())]
    scope = {"type": "websocket", "path": "/_stcore/stream", "headers": headers}
    desk = cast("FrontDesk", type("Known", (Desk,), {"clock": type("Clock", (), {"tick": staticmethod(lambda: 0.0)})})())
    await AccessGuard(inner, lambda: desk, lambda: True, session_owners.may_resume)(scope, nothing, nothing)
    return reached


@pytest.mark.parametrize(
    ("words", "cookie", "reaches"),
    [
        ("streamlit, token, of-ann", "cookie of ann", "streamlit, token, of-ann"), ("streamlit, token, of-ann", "cookie of ben", "streamlit, token"),
        ("streamlit, token, unknown", "cookie of ann", "streamlit, token"), ("streamlit, token", "cookie of ben", "streamlit, token"),
        ("streamlit, , of-ann", "cookie of ben", "streamlit, "), ("streamlit, token, ", "cookie of ben", "streamlit, token, "),
    ],
)  # fmt: skip
def test_a_tab_goes_on_with_a_session_of_its_own_log_in_only(words: str, cookie: str, reaches: str) -> None:
    session_owners.remember_owner("of-ann", "cookie of ann")
    assert awaited(shaken(words, cookie)) == [reaches.encode()]


def test_a_session_stays_whose_it_was_first() -> None:
    session_owners.remember_owner("first", "cookie of ann")
    session_owners.remember_owner("first", "cookie of ben")
    assert (session_owners.may_resume("first", "cookie of ann"), session_owners.may_resume("first", "cookie of ben")) == (True, False)
    assert "cookie of ann" not in session_owners.list_owners()["first"]


def test_sessions_that_are_many_are_forgotten_and_not_given_away() -> None:
    session_owners.remember_owner("old", "cookie of ann")
    for number in range(session_owners.MOST):
        session_owners.remember_owner(str(number), "cookie of ben")
    assert len(session_owners.list_owners()) == session_owners.MOST
    assert not session_owners.may_resume("old", "cookie of ann")


def test_what_strangers_repeat_is_entered_five_times_a_minute_whatever_they_vary(tmp_path: Path) -> None:
    url, minute = made.empty(tmp_path), 60 * 10**9
    log = RefusalLog(Store(url, None))
    for number in range(40):
        for visitor, sent_token in ((None, False), (None, True), (Visitor("ann", "viewer"), False)):
            log.enter(
                visitor, sent_token=sent_token, address=f"10.0.0.{number}", request=f"GET /api/v1/{number}\r\n<b>", reason="log in first",
                now=made.WALL - made.WALL % minute + number,
            )  # fmt: skip
    log.enter(None, sent_token=False, address="10.0.0.1", request="GET /metrics", reason="log in first", now=made.WALL + minute)
    frame = Reader(url).view("audit")
    assert list(frame["who"].value_counts().sort_index().items()) == [("ann", 5), ("false token", 5), ("nobody", 6)]
    assert set(frame["subject"]) == {"request"}
    assert "\n" not in "".join(frame["after"])
    assert verify_trail(Reader(url)).fault is None


@pytest.mark.parametrize(
    ("method", "path", "is_use"),
    [
        ("GET", "/", True), ("GET", "/decisions", True), ("GET", "/api/v1/status", True), ("POST", "/podium/use", True), ("GET", "/healthz", False),
        ("GET", "/podium/updates/Overview.json", False), ("GET", "/_stcore/health", False), ("GET", "/app/static/x.js", False),
    ],
)  # fmt: skip
def test_what_a_page_asks_for_by_itself_is_no_use(method: str, path: str, is_use: bool) -> None:
    desk = Desk()

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        return

    async def visit() -> None:
        scope = {"type": "http", "method": method, "path": path, "headers": [(b"cookie", b"podium_login=x")]}
        await AccessGuard(inner, lambda: cast("FrontDesk", desk))(scope, cast("Any", None), cast("Any", None))

    awaited(visit())
    assert desk.uses == [is_use]
