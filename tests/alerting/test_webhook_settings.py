"""The tables [[webhook]] of podium.toml, and the secrets that they name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.domain.webhooks import Webhook
from engine.service.settings_loader import load_settings
from engine.service.webhook_settings import read_secret
from engine.settings import SettingsError, serialize_settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"


def load(folder: Path, text: str, **environ: str) -> Any:
    (folder / "podium.toml").write_text(text)
    return load_settings({"HOME": str(folder), "PODIUM_HOME": str(folder), **environ}, folder)


GOOD = '[[webhook]]\nname = "bot"\nurl = "https://bot.example/in?key=hidden-token"\nsecret_env = "BOT_SECRET"\n'


def test_a_webhook_is_read_and_nothing_of_it_is_stored_or_shown_that_is_secret(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD + 'events = ["decisions", "trials"]\n', BOT_SECRET=SECRET)
    (webhook,) = settings.webhooks
    assert (webhook.name, webhook.events, webhook.target) == ("bot", ("decisions", "trials"), "webhook bot")
    for shown in (repr(settings), repr(webhook), serialize_settings(settings)):
        assert "hidden-token" not in shown
        assert "example" not in shown
    assert json.loads(serialize_settings(settings))["webhooks"] == [{"name": "bot", "events": ["decisions", "trials"]}]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"bot"', '"a b"', "needs a name"), ('name = "bot"', "", "needs a name"), ("https://", "http://", "write https://"),
        ("https://", "ftp://", "not an address"), ("https://", "https://user:pw@", "not an address"), ('url = "h', 'url2 = "h', "unknown key"),
        ("secret_env", "secret_envv", "did you mean secret_env"), ("BOT_SECRET", "PODIUM_BOT", "would be a setting"),
        ("BOT_SECRET", SECRET, "is not the secret"),
        ('secret_env = "BOT_SECRET"', 'secret_credential = "../x"', "without a folder"),
        ('secret_env = "BOT_SECRET"', "", "give its secret by one of"),
        ('secret_env = "BOT_SECRET"', 'secret_env = "A"\nsecret_file = "b"', "give its secret by one of"),
        ("[[webhook]]", GOOD + "[[webhook]]", "has a name twice"), ("[[webhook]]\n", "webhook = 3\n[other]\n", "unknown key"),
        ('secret_env = "BOT_SECRET"', 'secret_env = "A"\nevents = ["fills"]', "events are some of"),
    ],
)  # fmt: skip
def test_what_is_no_webhook_is_refused_in_a_line_without_secrets(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert "\n" not in str(refused.value)
    for secret in ("hidden-token", SECRET, "user:pw"):
        assert secret not in str(refused.value)


def test_a_secret_is_read_from_the_environment_a_file_or_a_systemd_credential(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    for source, place in (("secret_env", "BOT_SECRET"), ("secret_file", str(tmp_path / "secret")), ("secret_credential", "secret")):
        webhook = Webhook("bot", "https://x", source, place)
        assert read_secret(webhook, {"BOT_SECRET": SECRET, "CREDENTIALS_DIRECTORY": str(tmp_path)}) == SECRET
        with pytest.raises(ValueError, match="webhook bot: "):
            read_secret(replace(webhook, place=f"{place}x"), {})
    for text in ("short", "whsec_AAAA", "x" * 200, "whsec_" + "é" * 40, SECRET + " " + SECRET):
        with pytest.raises(ValueError, match="webhook bot: ") as refused:
            read_secret(Webhook("bot", "https://x", "secret_env", "A"), {"A": text})
        assert text not in str(refused.value)
