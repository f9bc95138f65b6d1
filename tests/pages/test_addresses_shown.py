"""An address that is no page says so, and what is there; every other address is left as it was."""

from __future__ import annotations

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from pages.ui.navigation import PAGES, NotFoundMiddleware
from tests.coroutines import run_coroutine


async def single_page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers as Streamlit does: its one page at any address that it does not know."""
    answers = {"/healthz": JSONResponse({}, 503), "/metrics": Response("x", media_type="text/plain")}
    await answers.get(scope["path"], HTMLResponse("<head></head>the app"))(scope, receive, send)


def get(path: str) -> tuple[int, str]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    run_coroutine(NotFoundMiddleware(single_page)({"type": "http", "method": "GET", "path": path, "headers": []}, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode()


@pytest.mark.parametrize("path", ["/nosuchpage", "/a/b", "/decision/x", "/overview", "/nosuch.html"])
def test_an_address_without_a_page_says_so_and_lists_the_pages(path: str) -> None:
    status, shown = get(path)
    assert status == 404
    assert f"There is no page {path}<" in shown
    assert "the app" not in shown
    for _, title, address, _ in PAGES:
        assert f'<a href="/{address or ""}">{title}</a>' in shown


def test_what_was_asked_for_is_text_and_is_cut() -> None:
    _, shown = get("/<script>alert(1)</script>" + "x" * 5_000)
    assert "<script>" not in shown
    assert len(shown) < 3_000


@pytest.mark.parametrize("path", ["/", "/decision", "/_stcore/health", "/app/static/x.html", "/component/a/index.html"])
def test_pages_and_files_are_passed_on(path: str) -> None:
    assert get(path) == (200, "<head></head>the app")


def test_what_is_no_page_of_the_app_is_passed_on() -> None:
    assert get("/healthz")[0] == 503
    assert get("/metrics") == (200, "x")
