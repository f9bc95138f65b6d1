"""Secrets from every place where they may stand, and refusals that show none of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.service.settings_loader import load_settings
from engine.settings import Settings, SettingsError, serialize_settings

URL, SECOND = "json://bob:distinctive-password@127.0.0.1:9/path", "json://127.0.0.1:9/distinctive-path"
OPTIONS = '{"headers": {"X-Key": "distinctive-header"},\n "timeout": 20000}'
VALUES = {"alert_urls": f"{URL}\n{SECOND}\n", "escalate_urls": URL, "exchange_options": OPTIONS}
TABLES = {"alert_urls": "[alerts]\nurls_file", "escalate_urls": "[alerts]\nescalate_urls_file", "exchange_options": "[exchange]\noptions_file"}


def load(folder: Path, text: str = "", **env: str) -> Settings:
    (folder / "podium.toml").write_text(text)
    return load_settings({"HOME": str(folder), **env}, folder)


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", list(VALUES))
@pytest.mark.parametrize("source", ["variable", "variable of a file", "key of a file", "credential"])
def test_a_secret_comes_from_each_of_its_places(name: str, source: str, tmp_path: Path) -> None:
    value, path = VALUES[name], write(tmp_path, f"podium_{name}", VALUES[name])
    variable = f"PODIUM_{name.upper()}"
    if source == "variable":
        settings = load(tmp_path, **{variable: " ".join(value.split("\n"))})
    elif source == "variable of a file":
        settings = load(tmp_path, **{f"{variable}_FILE": path})
    elif source == "key of a file":
        settings = load(tmp_path, f'{TABLES[name]} = "{path}"\n')
    else:
        settings = load(tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path))
    loaded = getattr(settings, name)
    assert (json.loads(loaded) if name == "exchange_options" else loaded) == {
        "alert_urls": (URL, SECOND), "escalate_urls": (URL,), "exchange_options": json.loads(OPTIONS),
    }[name]  # fmt: skip
    assert "distinctive" not in repr(settings) + serialize_settings(settings)


def test_a_variable_wins_over_a_credential_and_a_credential_over_the_file(tmp_path: Path) -> None:
    write(tmp_path, "podium_alert_urls", "json://127.0.0.1/credential")
    text = '[alerts]\nurls = ["json://127.0.0.1/file"]\n'
    assert load(tmp_path, text, CREDENTIALS_DIRECTORY=str(tmp_path)).alert_urls == ("json://127.0.0.1/credential",)
    both = {"CREDENTIALS_DIRECTORY": str(tmp_path), "PODIUM_ALERT_URLS": "json://127.0.0.1/variable"}
    assert load(tmp_path, text, **both).alert_urls == ("json://127.0.0.1/variable",)


@pytest.mark.parametrize(
    ("text", "env", "words"),
    [
        ("", {"PODIUM_ALERT_URLS": URL, "PODIUM_ALERT_URLS_FILE": "{good}"}, "are the same setting: give PODIUM_ALERT_URLS_FILE alone"),
        ('[alerts]\nurls = ["' + URL + '"]\nurls_file = "{good}"\n', {}, "give urls_file alone"),
        ('[exchange]\ntimeout = 1\noptions_file = "{good}"\n', {}, "give options_file alone"),
        ('[alerts]\nurls_file = "{bad}"\n', {}, "number 1 is no Apprise address"), ('[exchange]\noptions_file = "{bad}"\n', {}, "is no JSON object"),
        ("", {"PODIUM_EXCHANGE_OPTIONS_FILE": "{account}"}, "has secret: Podium reads public data"),
        ("", {"PODIUM_ALERT_URLS_FILE": "{empty}"}, "which is empty"), ("", {"PODIUM_ALERT_URLS_FILE": "{large}"}, "which is too large"),
        ("", {"PODIUM_ALERT_URLS_FILE": "{binary}"}, "it is not UTF-8"), ("", {"PODIUM_ALERT_URLS_FILE": "{folder}"}, "cannot be read"),
        ("", {"PODIUM_ALERT_URLS_FILE": "/no/such"}, "cannot be read (No such file"), ("[alerts]\nurls_file = 7\n", {}, "give the path of a file"),
    ],
)  # fmt: skip
def test_what_is_no_secret_is_refused_in_a_line_that_shows_none(text: str, env: dict[str, str], words: str, tmp_path: Path) -> None:
    places = {
        "good": write(tmp_path, "good", URL), "bad": write(tmp_path, "bad", "distinctive text"), "empty": write(tmp_path, "empty", " \n"),
        "account": write(tmp_path, "account", '{"secret": "distinctive"}'), "large": write(tmp_path, "large", "distinctive" * 9_000),
        "folder": str(tmp_path), "binary": str(tmp_path / "binary"),
    }  # fmt: skip
    (tmp_path / "binary").write_bytes(b"distinctive\xff")
    for name, path in places.items():
        text, env = text.replace(f"{{{name}}}", path), {key: value.replace(f"{{{name}}}", path) for key, value in env.items()}
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text, **env)
    assert words in str(caught.value)
    assert "distinctive" not in str(caught.value)
    assert "\n" not in str(caught.value)
