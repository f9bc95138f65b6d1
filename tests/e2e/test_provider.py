"""In a browser, with a real identity provider: the way in and out, roles that change, and every answer that must log nobody in."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import expect

from engine.store.read.audit import verify_trail
from engine.store.read.reader import Reader
from tests.access.mock_provider import SECRET, Provider, providing, write_settings
from tests.e2e.served import OWN, SLOW, Served, serving
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.browser
NOT_OURS = "This log-in was begun in another browser, took too long or was used before, so nobody was logged in: begin again."
OTHER_APPLICATION = "The provider's token is for another application, so nobody was logged in."
CLOCKS = "The clocks of the provider and this machine differ by more than 2 min: set the clock of this machine."


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("provider")
    variables = write_settings(folder / "here", provider)
    with serving(folder, OWN | variables, root=str(folder / "here")) as served:
        served.wait(lambda: served.tick() > int(OWN["PODIUM_WARMUP_BARS"]), "the warm-up to be over")
        yield served
        assert served.tracebacks() == []
        assert SECRET not in served.log.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def no_failed_tries(server: Served) -> None:
    """All tests come from one address, and each is about something else than its wait."""
    with closing(sqlite3.connect(server.home / "podium.db", timeout=SLOW)) as store, store:
        store.execute("DELETE FROM login_tries")


def go_to_provider(visitor: Visitor) -> None:
    """Press the provider's button of the log-in page."""
    visitor.page.goto(f"{visitor.url}/login")
    visitor.page.get_by_role("link", name="Log in with Example").click()
    expect(visitor.page.get_by_role("heading", name="Authorize Client")).to_be_visible()


def log_in(visitor: Visitor, subject: str) -> None:
    """The whole way, as far as the provider leads."""
    go_to_provider(visitor)
    visitor.page.get_by_placeholder("sub").fill(subject)
    visitor.page.get_by_role("button", name="Authorize").click()


def is_refused(visitor: Visitor, words: str) -> None:
    """One line says why, and nobody is logged in."""
    expect(visitor.page.get_by_role("alert")).to_have_text(words)
    assert not [cookie for cookie in visitor.context.cookies() if cookie.get("name") == "podium_login"]
    assert visitor.page.request.get(f"{visitor.url}/api/v1/status").status == 401
    visitor.complaints.clear()  # the answers are 401, 403 or 503


def test_somebody_logs_in_by_the_provider_and_out_of_both(server: Served, provider: Provider, visit: Callable[..., Visitor]) -> None:
    provider.set_claims("s-root", email="Root@Example.com", email_verified=True)
    visitor = visit(server.url)
    visitor.page.goto(f"{server.url}/decisions?symbol=ALFA")
    visitor.page.get_by_role("link", name="Log in with Example").click()
    visitor.page.get_by_placeholder("sub").fill("s-root")
    visitor.page.get_by_role("button", name="Authorize").click()
    visitor.is_on("Decisions")
    visitor.has_query(symbol="ALFA")
    account = visitor.page.locator(".pd-account")
    expect(account).to_contain_text("root@example.com")
    expect(account).to_contain_text("admin")
    cookie = next(cookie for cookie in visitor.context.cookies() if cookie.get("name") == "podium_login")
    account.get_by_role("link", name="Log out").click()
    visitor.page.get_by_role("button", name="Log out").click()
    expect(visitor.page).to_have_url(re.compile(rf"^{provider.issuer}/oauth2/end_session\?"))
    visitor.page.locator("form button").first.click()  # the provider asks again
    expect(visitor.page.get_by_role("link", name="Log in with Example")).to_be_visible()
    visitor.context.add_cookies([{"name": "podium_login", "value": str(cookie.get("value")), "url": server.url}])  # as whoever copied it
    assert visitor.page.request.get(f"{server.url}/api/v1/status").status == 401
    frame = Reader(f"sqlite:///{server.home}/podium.db").view("audit")
    own = frame[frame["who"] == "root@example.com"]
    assert {("account", "root@example.com"), ("log-in", "began"), ("log-in", "ended")} <= set(zip(own["kind"], own["subject"], strict=True))


def test_a_role_that_changes_holds_in_every_open_page(server: Served, provider: Provider, visit: Callable[..., Visitor]) -> None:
    provider.set_claims("s-ben", preferred_username="ben", department="risk")
    visitor = visit(server.url)
    log_in(visitor, "s-ben")
    visitor.is_on("Overview")
    expect(visitor.page.locator(".pd-account")).to_contain_text("ben@127.0.0.1, viewer")
    pause = visitor.page.get_by_role("button", name="Pause")
    visitor.is_idle()
    expect(pause).to_have_count(0)
    provider.set_claims("s-ben", preferred_username="ben", groups=["desk"])
    again = visit(server.url)
    log_in(again, "s-ben")
    again.is_on("Overview")
    visitor.to("Components")  # the page that was open all the time
    expect(pause).to_be_visible()
    provider.set_claims("s-ben", preferred_username="ben")
    third = visit(server.url)
    log_in(third, "s-ben")
    is_refused(third, "ben@127.0.0.1 has no role here: an administrator can give one in [auth] of podium.toml.")
    assert visitor.page.request.get(f"{server.url}/api/v1/status").status == 401  # what was open before has ended
    for window in (visitor, again):
        window.complaints.clear()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"aud": "another"}, OTHER_APPLICATION),
        ({"aud": ["podium-test", "another"], "azp": "another"}, OTHER_APPLICATION),
        ({"nonce": "of another log-in"}, "This log-in was begun elsewhere or used before, so nobody was logged in: begin again."),
        ({"nonce": None}, "This log-in was begun elsewhere or used before, so nobody was logged in: begin again."),
        ({"iss": "https://evil.example"}, "The token is of another provider, so nobody was logged in."),
        ({"exp": 1}, "The provider's token has expired: begin again, and if that does not help, set the clock of this machine."),
        ({"shift": 600}, CLOCKS),
        ({"key": True}, "The provider's token is not signed by its keys, so nobody was logged in."),
        ({"sub": ""}, "The provider's token does not say who it is about, so nobody was logged in."),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_wrong_token_logs_nobody_in(
    server: Served, provider: Provider, visit: Callable[..., Visitor], fault: dict[str, object], words: str
) -> None:  # fmt: skip
    provider.set_claims("s-root", email="root@example.com", email_verified=True)
    provider.spoil(**fault)
    visitor = visit(server.url)
    log_in(visitor, "s-root")
    is_refused(visitor, words)
    provider.spoil()


def test_clocks_that_differ_by_a_minute_are_no_fault(server: Served, provider: Provider, visit: Callable[..., Visitor]) -> None:
    provider.set_claims("s-root", email="root@example.com", email_verified=True)
    for seconds in (90, -3_600 - 60):  # issued in the future, and just expired
        provider.spoil(shift=seconds)
        visitor = visit(server.url)
        log_in(visitor, "s-root")
        visitor.is_on("Overview")
    provider.spoil()


def test_an_answer_of_the_provider_is_accepted_once_and_only_from_the_browser_that_began(
    server: Served, provider: Provider, visit: Callable[..., Visitor]
) -> None:
    provider.set_claims("s-root", email="root@example.com", email_verified=True)
    visitor, answers = visit(server.url), []
    visitor.page.on("request", lambda request: answers.append(request.url) if "/login/callback?" in request.url else None)
    go_to_provider(visitor)
    pending = next(cookie for cookie in visitor.context.cookies() if cookie.get("name") == "podium_provider")
    visitor.page.get_by_placeholder("sub").fill("s-root")
    visitor.page.get_by_role("button", name="Authorize").click()
    visitor.is_on("Overview")
    visitor.context.clear_cookies()
    visitor.page.goto(answers[0])  # without the cookie of the log-in that was begun
    is_refused(visitor, NOT_OURS)
    visitor.context.add_cookies([{"name": "podium_provider", "value": str(pending.get("value")), "url": server.url}])
    visitor.page.goto(answers[0])  # as whoever recorded all of it
    is_refused(visitor, NOT_OURS)
    go_to_provider(visitor)
    visitor.page.goto(answers[0])  # an answer to another log-in
    is_refused(visitor, NOT_OURS)


def test_a_refusal_at_the_provider_is_said(server: Served, visit: Callable[..., Visitor]) -> None:
    visitor = visit(server.url)
    go_to_provider(visitor)
    visitor.page.get_by_role("button", name="Deny").click()
    is_refused(visitor, "The provider refused the log-in (access_denied).")


def test_an_unverified_address_gives_no_role(server: Served, provider: Provider, visit: Callable[..., Visitor]) -> None:
    provider.set_claims("s-mallory", preferred_username="mallory", email="root@example.com")
    visitor = visit(server.url)
    log_in(visitor, "s-mallory")
    is_refused(visitor, "mallory@127.0.0.1 has no role here: an administrator can give one in [auth] of podium.toml.")


def test_a_provider_that_is_down_is_said_and_every_failure_is_in_a_sound_trail(
    server: Served, provider: Provider, visit: Callable[..., Visitor]
) -> None:  # the last of the file
    visitor = visit(server.url)
    provider.set_claims("s-root", email="root@example.com", email_verified=True)
    provider.spoil(die=True)  # when Podium asks it for the token
    log_in(visitor, "s-root")
    is_refused(visitor, f"The provider 127.0.0.1:{provider.port} cannot be reached right now: try again later.")
    reader = Reader(f"sqlite:///{server.home}/podium.db")
    frame = reader.view("audit")
    failed = frame[(frame["kind"] == "log-in") & (frame["subject"] == "failed")]
    assert "token refused: aud" in set(failed["why"])  # of later ones in the same minute only five are entered
    assert set(failed["who"]) <= {"unknown name", "ben@127.0.0.1"}
    assert verify_trail(reader).fault is None
    assert SECRET not in frame.to_csv()
    assert dict(server.ask("SELECT name, value FROM counters WHERE kind = 'logins'"))["failed"] >= 12
