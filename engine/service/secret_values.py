"""Secrets of the settings from where secrets belong: the environment, a file of their own, or a credential of systemd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.domain.texts import find_control_character, shorten
from engine.service.setting_paths import expand_path
from engine.settings import SettingsError

SECRETS = ("alert_urls", "escalate_urls", "exchange_options", "oidc_client_secret")  # names of settings whose value is secret
OF_TABLES = ("escalate_urls", "oidc_client_secret")  # of these, those that podium.toml has in a table only
CREDENTIALS = "CREDENTIALS_DIRECTORY"  # set by systemd for LoadCredential= and SetCredential=
PREFIX, SUFFIX = "PODIUM_", "_FILE"
MAX_BYTES = 65_536


def gather_secrets(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """The environment without the variables of secrets, and each secret by its setting: the name that the user knows it by, and its value.

    PODIUM_X is the secret itself, PODIUM_X_FILE names a file of it, and podium_x in $CREDENTIALS_DIRECTORY is one that systemd made.
    Raises SettingsError, which never shows a value.
    """
    rest, secrets = dict(environ), {}
    for name in SECRETS:
        variable = PREFIX + name.upper()
        direct, path = environ.get(variable, "").strip(), rest.pop(variable + SUFFIX, "").strip()
        credential = Path(environ[CREDENTIALS]) / f"podium_{name}" if environ.get(CREDENTIALS) else None
        if direct and path:
            raise SettingsError(f"{variable} and {variable}{SUFFIX} are the same setting: give {variable}{SUFFIX} alone")
        if direct:
            secrets[name] = (variable, direct)
        elif path:
            secrets[name] = (variable + SUFFIX, read_secret_file(variable + SUFFIX, path, has_lines=name != "oidc_client_secret"))
        elif credential is not None and credential.is_file():
            secrets[name] = (
                f"the credential podium_{name}",
                read_secret_file(f"the credential podium_{name}", str(credential), has_lines=name != "oidc_client_secret"),
            )
    for name in OF_TABLES:
        rest.pop(PREFIX + name.upper(), None)
    return rest, secrets


def read_file_keys(table_name: str, table: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """A table of podium.toml with the texts of the files that `KEY_file` names under KEY; raises SettingsError, which shows no text."""
    read = dict(table)
    for key in keys:
        if f"{key}_file" in read:
            if key in read:
                raise SettingsError(f"[{table_name}] in podium.toml has {key} and {key}_file: give {key}_file alone")
            read[key] = read_secret_file(f"{table_name}.{key}_file in podium.toml", read.pop(f"{key}_file"), has_lines=True)
    return read


def read_secret_file(name: str, value: object, *, has_lines: bool = False) -> str:
    """The text of a file that holds a secret, without space around it; raises SettingsError, which shows the path and never the text.

    Lines of a text that may have several, such as addresses, are joined by a space.
    """
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{name} is {shorten(value)}: give the path of a file")
    path = expand_path(name, value.strip())
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{name} is {shorten(str(path))}, which cannot be read ({reason}): give a file that holds the secret alone") from None
    if not text or len(content) > MAX_BYTES:
        raise SettingsError(
            f"{name} is {shorten(str(path))}, which is {'empty' if not text else 'too large'}: give a file that holds the secret alone"
        )
    text = " ".join(text.split("\n")).replace("\r", "") if has_lines else text
    if find_control_character(text) is not None:
        raise SettingsError(f"{name} is {shorten(str(path))}, which has a control character: give a file that holds the secret alone, in UTF-8")
    return text
