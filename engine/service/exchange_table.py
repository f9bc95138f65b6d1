"""The table [exchange] of podium.toml as the settings that it stands for."""

from __future__ import annotations

from typing import NamedTuple

from engine.service.secret_values import read_file_keys
from engine.settings import SettingsError


class Given(NamedTuple):
    """A value, and the name that the user knows it by."""

    name: str
    value: object


def split_exchange(given: dict[str, Given]) -> dict[str, Given]:
    """The values with the table [exchange] as the exchange's name and its options, so that the environment replaces each on its own."""
    table = given["exchange"].value if "exchange" in given else None
    if not isinstance(table, dict):
        return given
    if "exchange_options" in given:
        raise SettingsError("[exchange] and exchange_options in podium.toml are the same setting: give the table alone")
    options: object = {key: value for key, value in table.items() if key not in {"name", "options_file"}}
    if "options_file" in table:
        if options:
            raise SettingsError("[exchange] in podium.toml has options_file and options: give options_file alone")
        options = read_file_keys("exchange", table, ("options",))["options"]
    rest = {key: value for key, value in given.items() if key != "exchange"}
    if "name" in table:
        rest["exchange"] = Given("exchange.name in podium.toml", table["name"])
    return rest | ({"exchange_options": Given("[exchange] in podium.toml", options)} if options else {})
