"""Addresses of alerts: accepted in every usual form, and shown without their secrets everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.domain import addresses
from engine.domain.addresses import label_addresses, mask_secrets, split_addresses
from engine.service.settings_loader import load_settings
from engine.settings import Settings, SettingsError, serialize_settings

SECRET = "tgram://123456:AAbbCCddEE/987654321"
MAIL = "mailto://ada:p%40ssw0rd@example.org?to=desk@example.org,night@example.org"
HOOK = "json://hooks.example.org/T0ken/s3cret?key=hunter22"


def test_several_addresses_are_told_apart_by_the_address_that_follows_the_comma() -> None:
    assert split_addresses(f"{SECRET}, {MAIL},{HOOK}") == (SECRET, MAIL, HOOK)


def test_nothing_secret_is_in_a_label_and_the_same_address_has_the_same_one() -> None:
    shown = label_addresses((SECRET, MAIL, HOOK, SECRET))
    for part in ("123456", "AAbb", "9876", "ada", "ssw0rd", "T0ken", "s3cret", "hunter"):
        assert all(part not in label for label in shown)
    assert shown[2].startswith("json://hooks.example.org #")
    assert len(set(shown)) == 4
    assert label_addresses((SECRET,))[0] == shown[0]


def test_an_error_that_repeats_an_address_is_shown_without_it() -> None:
    message = f"cannot reach {HOOK}: /T0ken/s3cret answered for p@ssw0rd and AAbbCCddEE"
    result = mask_secrets(message, (SECRET, MAIL, HOOK))
    for part in ("T0ken", "s3cret", "hunter22", "p@ssw0rd", "AAbbCCddEE"):
        assert part not in result
    assert result.startswith("cannot reach ****")


def test_no_text_made_of_the_settings_holds_an_address(tmp_path: Path) -> None:
    result = load_settings({"PODIUM_ALERT_URLS": f"{HOOK},{SECRET}"}, tmp_path)
    assert result.alert_urls == (HOOK, SECRET)
    for text in (repr(result), serialize_settings(result)):
        assert "s3cret" not in text
        assert "AAbb" not in text


def test_the_table_of_alerts_is_taken_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "podium.toml").write_text(f'[alerts]\nurls = ["{MAIL}"]\nescalate_urls = ["{SECRET}"]\nescalate_minutes = 5\ndrill_hours = 0\n')
    result = load_settings({}, tmp_path)
    assert (result.alert_urls, result.escalate_urls, result.escalate_minutes, result.drill_hours) == ((MAIL,), (SECRET,), 5.0, 0.0)
    result = load_settings({"PODIUM_ALERT_URLS": HOOK}, tmp_path)
    assert (result.alert_urls, result.escalate_urls) == ((HOOK,), (SECRET,))


@pytest.mark.parametrize("given", ["s3cret-token", f"s3cret,{HOOK}", f"{HOOK},{HOOK}"])
def test_a_wrong_address_is_refused_without_being_repeated(given: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"PODIUM_ALERT_URLS": given}, tmp_path)
    assert "s3cret" not in str(caught.value)
    assert "PODIUM_ALERT_URLS" in str(caught.value)


def test_an_unknown_key_of_the_table_is_refused_with_the_near_one(tmp_path: Path) -> None:
    (tmp_path / "podium.toml").write_text("[alerts]\nurl = ['json://here']\n")
    with pytest.raises(SettingsError, match="did you mean urls"):
        load_settings({}, tmp_path)


def test_settings_have_no_addresses_by_themselves() -> None:
    assert Settings("", "").alert_urls == ()
    assert not addresses.is_address("http:/one-slash")
