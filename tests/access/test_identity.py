"""Which role a person of a provider has, and what is no setting of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.__main__ import main
from engine.access.accounts import Accounts, list_accounts
from engine.access.logins import LoginLimits, Logins, load_key
from engine.access.oidc import IdentityProvider
from engine.access.provider_accounts import LoginRefused, ProviderAccounts
from engine.access.tokens import Tokens
from engine.domain.access import Visitor
from engine.domain.identity import Identity, ProviderSettings, build_identity, choose_role
from engine.service.clock import WallClock
from engine.service.settings_loader import load_settings
from engine.settings import SettingsError, serialize_settings
from engine.store.read.reader import Reader
from tests.e2e.served import free_port
from tests.store import made

NOW, SECRET = made.WALL, "distinctive-client-secret"
ISSUER = "https://id.example.com/realm"
RULES = ProviderSettings(
    ISSUER, "podium", admins=("ann@example.com",), operators=("group:desk", "claim:realm.roles=trader"), viewers=("claim:level=3",), default_role=""
)
AUTH = f'[auth]\nissuer = "{ISSUER}/"\nclient_id = "podium"\nadmins = ["Ann@Example.com"]\n'


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"email": "Ann@example.com", "email_verified": True}, "admin"), ({"email": "ann@example.com"}, None),
        ({"email": "ann@example.com", "email_verified": False}, None), ({"email": "ann@example.com", "email_verified": "true"}, "admin"),
        ({"groups": ["x", "desk"]}, "operator"), ({"groups": "desk"}, "operator"), ({"groups": ["ann@example.com", "group:desk"]}, None),
        ({"realm": {"roles": ["trader"]}}, "operator"), ({"realm.roles": "trader"}, "operator"), ({"realm": "trader"}, None),
        ({"level": 3}, "viewer"),
        ({"level": "3", "groups": ["desk"]}, "operator"), ({"level": [None, {}, 3]}, "viewer"), ({"level": "33"}, None), ({}, None),
        ({"email": ["ann@example.com"], "email_verified": True}, None),
    ],
)  # fmt: skip
def test_the_greatest_role_that_a_rule_gives_is_the_role(claims: dict[str, object], role: str | None) -> None:
    assert choose_role(RULES, build_identity(RULES, {"sub": "s", **claims})) == role


def test_an_address_counts_unverified_only_where_that_is_said_and_only_if_nothing_is_said_of_it() -> None:
    trusting = ProviderSettings(ISSUER, "podium", admins=("ann@example.com",), trust_email=True)
    assert choose_role(trusting, build_identity(trusting, {"sub": "s", "email": "ann@example.com"})) == "admin"
    assert choose_role(trusting, build_identity(trusting, {"sub": "s", "email": "ann@example.com", "email_verified": False})) is None


@pytest.mark.parametrize("subject", [None, "", 7, "a\nb", "x" * 300])
def test_a_token_about_nobody_is_refused(subject: object) -> None:
    with pytest.raises(ValueError, match="who it is about"):
        build_identity(RULES, {"sub": subject})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[auth]\nissuer = "https://a.example"\n', "no client_id"), ('[auth]\nadmins = ["a@b"]\n', "no issuer"),
        (AUTH.replace("https", "http"), "give the https address"), (AUTH + 'client_secret = "geheim"\n', "remove it, and give client_secret_file"),
        (AUTH + 'operators = "group:x"\n', "give a list"),
        (AUTH + 'operators = ["desk"]\n', "give an e-mail address, group:NAME or claim:NAME=VALUE"),
        (AUTH + 'default_role = "root"\n', "give viewer, operator or admin"), (AUTH + "trust_email = 1\n", "give true or false"),
        (AUTH.replace('admins = ["Ann@Example.com"]\n', ""), "gives nobody of the provider a role"), (AUTH + "isuer = 1\n", "did you mean issuer"),
        ('[auth]\nlogin = "oidc"\n', "names no provider"), (AUTH + 'client_secret_file = "/no/such"\n', "cannot be read"),
    ],
)  # fmt: skip
def test_a_provider_that_cannot_be_used_is_refused_in_a_line(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "podium.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings({"HOME": str(tmp_path)}, tmp_path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("source", ["variable", "variable of a file", "file", "credential"])
def test_the_secret_comes_from_where_secrets_belong_and_is_in_no_text(source: str, tmp_path: Path) -> None:
    (tmp_path / "podium_oidc_client_secret").write_text(f"{SECRET}\n")
    file = str(tmp_path / "podium_oidc_client_secret")
    given = {
        "variable": {"PODIUM_OIDC_CLIENT_SECRET": SECRET}, "variable of a file": {"PODIUM_OIDC_CLIENT_SECRET_FILE": file}, "file": {},
        "credential": {"CREDENTIALS_DIRECTORY": str(tmp_path)},
    }[source]  # fmt: skip
    (tmp_path / "podium.toml").write_text(AUTH + (f'client_secret_file = "{file}"\n' if source == "file" else ""))
    settings = load_settings({"HOME": str(tmp_path), **given}, tmp_path)
    assert settings.provider is not None
    assert (settings.login, settings.provider.issuer, settings.provider.client_secret) == ("both", ISSUER, SECRET)
    assert SECRET not in repr(settings) + serialize_settings(settings)
    assert load_settings({"HOME": str(tmp_path), "PODIUM_LOGIN": "local", **given}, tmp_path).provider is None


@pytest.fixture
def people(tmp_path: Path) -> ProviderAccounts:
    accounts = Accounts(made.empty(tmp_path), "root", "command line")
    accounts.add("local@example.com", "admin", "a long password", NOW)
    return ProviderAccounts(accounts.store, RULES)


def people_url(home: Path) -> str:
    return f"sqlite:///{home}/podium.db"


def admit(people: ProviderAccounts, home: Path, **facts: object) -> str | None:
    """Log somebody in; gives the cookie."""
    identity = build_identity(RULES, {"sub": "s", **facts})
    logins = Logins(people.store, load_key(home), LoginLimits(12.0, 7.0, has_provider=True))
    return people.admit(identity, "10.0.0.9", NOW, lambda connection, visitor: logins.begin_within(connection, visitor, "10.0.0.9", NOW)).cookie


def find(people: ProviderAccounts, home: Path, cookie: str | None, *, passwords: bool = True, provider: bool = True) -> str | None:
    """The role of whom a cookie belongs to."""
    visitor = Logins(people.store, load_key(home), LoginLimits(12.0, 7.0, passwords, provider)).find(cookie, NOW + 1)
    return None if visitor is None else visitor.role


def test_rules_that_changed_hold_from_the_next_start_on_for_whoever_is_logged_in(people: ProviderAccounts, tmp_path: Path) -> None:
    cookie = admit(people, tmp_path, groups=["desk"])
    assert find(people, tmp_path, cookie) == "operator"
    secret = Tokens(people.store, "s@id.example.com").create("bot", ["read"], 1.0, (), NOW)
    more = ProviderSettings(ISSUER, "podium", viewers=("group:desk",))
    ProviderAccounts(people.store, more).renew_roles(NOW)
    assert find(people, tmp_path, cookie) == "viewer"
    assert Tokens(people.store).find_visitor(secret, NOW) is None
    ProviderAccounts(people.store, ProviderSettings(ISSUER, "podium", admins=("group:other",))).renew_roles(NOW)
    assert find(people, tmp_path, cookie) is None
    frame = Reader(people_url(tmp_path)).view("audit")
    assert list(frame[(frame["kind"] == "account") & (frame["subject"] == "s@id.example.com")]["why"]) == [
        "first log-in at id.example.com", "by [auth]", "by [auth]",
    ]  # fmt: skip


def test_people_of_another_provider_are_logged_out_at_the_next_start(people: ProviderAccounts, tmp_path: Path) -> None:
    cookie = admit(people, tmp_path, groups=["desk"])
    ProviderAccounts(people.store, ProviderSettings("https://other.example", "podium", default_role="admin")).renew_roles(NOW)
    assert find(people, tmp_path, cookie) is None


def test_who_may_not_log_in_that_way_any_more_is_not_logged_in(people: ProviderAccounts, tmp_path: Path) -> None:
    cookie = admit(people, tmp_path, groups=["desk"])
    assert find(people, tmp_path, cookie, passwords=False) == "operator"
    assert find(people, tmp_path, cookie, provider=False) is None
    local = Logins(people.store, load_key(tmp_path), LoginLimits(12.0, 7.0)).begin(Visitor("local@example.com", "admin"), "", NOW)
    assert (find(people, tmp_path, local), find(people, tmp_path, local, passwords=False)) == ("admin", None)


def test_nobody_takes_over_an_account_by_its_name(people: ProviderAccounts, tmp_path: Path) -> None:
    with pytest.raises(LoginRefused, match=r"Another account is called local@example\.com"):
        admit(people, tmp_path, email="local@example.com", email_verified=True, groups=["desk"])
    admit(people, tmp_path, sub="one", preferred_username="ann", groups=["desk"])
    with pytest.raises(LoginRefused, match=r"Another account is called ann@id\.example\.com"):
        admit(people, tmp_path, sub="two", preferred_username="ann", groups=["desk"])
    assert Accounts(people_url(tmp_path)).log_in("ann@id.example.com", "", "10.0.0.1", NOW).visitor is None
    with pytest.raises(ValueError, match="has no password here"):
        Accounts(people_url(tmp_path)).change_password("ann@id.example.com", "another password", NOW)


def test_a_name_with_other_letters_becomes_a_digest(people: ProviderAccounts, tmp_path: Path) -> None:
    admit(people, tmp_path, preferred_username="<b>ann</b>", groups=["desk"])
    assert [account.name[:5] for account in list_accounts(people_url(tmp_path)) if not account.is_local] == ["oidc-"]


def test_tries_at_the_provider_are_slowed_like_those_with_a_password(people: ProviderAccounts) -> None:
    refusal = LoginRefused("no", "state used before")
    for _ in range(10):
        assert people.begin_try("10.0.0.66", NOW) == 0
        people.end_try("10.0.0.66", refusal, NOW)
    assert people.begin_try("10.0.0.66", NOW) == 1
    assert people.begin_try("10.0.0.67", NOW) == 0
    for _ in range(30):  # a provider that is down is nobody's failed try
        assert people.begin_try("10.0.0.68", NOW) == 0
        people.end_try("10.0.0.68", LoginRefused("down", "provider unreachable", 503), NOW)


def test_a_provider_that_does_not_answer_is_said_in_a_line() -> None:
    settings = ProviderSettings(f"http://127.0.0.1:{free_port()}", "podium", SECRET, default_role="viewer")
    with pytest.raises(LoginRefused, match=r"The provider 127\.0\.0\.1:\d+ cannot be reached right now: try again later\.") as caught:
        IdentityProvider(settings, WallClock()).begin("http://127.0.0.1/login/callback", "/")
    assert caught.value.code == 503


def test_identities_are_told_apart_by_issuer_and_subject() -> None:
    assert Identity("https://a", "s", "n").key != Identity("https://b", "s", "n").key


@pytest.mark.parametrize("secret", ["", SECRET])
def test_doctor_names_what_a_provider_lacks(secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The provider does not answer; without a secret, it must know Podium as a public client."""
    monkeypatch.chdir(tmp_path)
    port = free_port()
    (tmp_path / "podium.toml").write_text(AUTH.replace(f"{ISSUER}/", f"http://127.0.0.1:{port}"))
    for name, value in {"PODIUM_HOME": str(tmp_path / "home"), "PODIUM_OIDC_CLIENT_SECRET": secret}.items():
        monkeypatch.setenv(name, value)
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert f"wrong  log-in: The provider 127.0.0.1:{port} cannot be reached right now: try again later." in printed
    assert ("note   log-in: no client secret" in printed) == (secret == "")
    assert SECRET not in printed
