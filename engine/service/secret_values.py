"""Secrets of the settings from where secrets belong: the environment, a file of their own, or a credential of systemd."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.domain.texts import find_control_character, shorten
from engine.service.setting_paths import expand_path
from engine.settings import SettingsError

SECRETS = ("oidc_client_secret",)  # names of settings whose value is secret
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
            secrets[name] = (variable + SUFFIX, read_secret_file(variable + SUFFIX, path))
        elif credential is not None and credential.is_file():
            secrets[name] = (f"the credential podium_{name}", read_secret_file(f"the credential podium_{name}", str(credential)))
    rest.pop(PREFIX + "OIDC_CLIENT_SECRET", None)  # belongs to the table [auth]
    return rest, secrets


def read_secret_file(name: str, value: object) -> str:
    """The text of a file that holds a secret, without space around it; raises SettingsError, which shows the path and never the text."""
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{name} is {shorten(value)}: give the path of a file")
    path = expand_path(name, value.strip())
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{name} is {shorten(str(path))}, which cannot be read ({reason}): give a file that holds the secret alone") from None
    if not text or len(content) > MAX_BYTES:
        raise SettingsError(
            f"{name} is {shorten(str(path))}, which is {'empty' if not text else 'too large'}: give a file that holds the secret alone"
        )
    if find_control_character(text) is not None:
        raise SettingsError(f"{name} is {shorten(str(path))}, which has more than one line: give a file that holds the secret alone")
    return text
