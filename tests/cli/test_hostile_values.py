"""Values that nobody means: one line with the value shortened and the remedy, exit 64, whatever the command and the setting."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.service.settings_loader import load_settings
from tests.cli.test_cli import ROOT

LONG, DIGITS = "a" * 10_000, "9" * 10_000
LINES = (
    ["serve", "--port", DIGITS],
    ["serve", "--port", LONG],
    ["serve", "--address", LONG],
    ["serve", "--path", LONG],
    ["run", "--path", LONG],
    ["run", "--symbols", LONG],
    ["run", "--symbols", f"A,{LONG},{LONG}"],
    ["run", "--seed", DIGITS],
    ["run", "--ticks", DIGITS],
    ["run", "--interval", f"{DIGITS}m"],
    ["run", "--tick-interval", DIGITS],
    ["run", "--feed", LONG],
    ["run", f"--{LONG}"],
    ["backtest", LONG],
    ["backtest", "simulated", "--bars", DIGITS],
    ["backtest", "simulated", "--symbols", LONG, "--bars", "5"],
    ["backtest", "simulated", "--signal", LONG],
    ["backtest", "simulated", "--from", LONG],
    ["backtest", "simulated", "--from", f"{DIGITS}d"],
    ["replay", DIGITS],
    ["replay", "1", "--store", f"sqlite:////tmp/{LONG}"],
    ["replay", "1", "--store", LONG],
    ["replay", "1", "--store", f"{LONG}://x"],
    ["export", "decisions", "--out", f"/tmp/{LONG}"],
    ["export", "decisions", "--format", LONG],
    ["report", "--day", LONG],
    ["report", "--out", f"/tmp/{LONG}.md"],
    ["command", LONG],
    ["command", "pause", LONG],
    ["command", "pause", f"{LONG}=1"],
    ["status", "--store", f"sqlite:////tmp/{LONG}/x.db"],
    [LONG],
    ["run", "--symbols", f"{'a ' * 5_000}"],
)
SETTINGS = (
    ("PODIUM_PORT", DIGITS),
    ("PODIUM_PORT", LONG),
    ("PODIUM_HOME", f"/tmp/{LONG}"),
    ("PODIUM_HOME", "/tmp" + "/a" * 5_000),
    ("PODIUM_HOME", "~nobody-of-that-name/x"),
    ("PODIUM_FEED_PATH", LONG),
    ("PODIUM_SYMBOLS", LONG),
    ("PODIUM_MODELS", LONG),
    ("PODIUM_SEED", DIGITS),
    ("PODIUM_INTERVAL", f"{DIGITS}m"),
    ("PODIUM_CAPITAL", f"1e{DIGITS}"),
    ("PODIUM_RETENTION", f"{DIGITS}d"),
    ("PODIUM_RETENTION", f"{DIGITS}MB"),
    ("PODIUM_ADDRESS", LONG),
    ("PODIUM_DATABASE_URL", f"sqlite:////tmp/{LONG}"),
    ("PODIUM_DATABASE_URL", LONG),
    ("PODIUM_DATABASE_URL", "sqlite:////tmp/a?mode=memory"),
    ("PODIUM_DATABASE_URL", "sqlite:////tmp/a%00b"),
    ("PODIUM_DATABASE_URL", "sqlite:////tmp/%FF"),
    (f"PODIUM_{LONG}", "1"),
    ("PODIUM_CLUSTER", LONG),
    ("PODIUM_ALERT_URLS", LONG),
)
FAULTS = ("\0", "\n", "\x1b[2J", "\x7f", "\udc80", "\u2028")


def is_one_short_line(err: str) -> bool:
    return err.startswith("podium: ") and err.count("\n") == 1 and len(err) < 500 and err[:-1].isprintable()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("a server was started"))
    return tmp_path / "home"


@pytest.mark.parametrize("words", LINES, ids=lambda words: " ".join(word[:12] for word in words))
def test_a_value_of_ten_thousand_letters_is_one_short_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 64
    out, err = capsys.readouterr()
    assert is_one_short_line(err), err[:300]
    assert "letters" in err or "thousands of digits" in err or "a" * 41 not in err
    assert out == ""


@pytest.mark.parametrize(("name", "value"), SETTINGS, ids=[f"{name[:24]}={value[:24]}" for name, value in SETTINGS])
def test_a_setting_that_nobody_means_is_one_short_line_in_every_entry_point(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv(name, value)
    if name == "PODIUM_FEED_PATH":
        monkeypatch.setenv("PODIUM_FEED", "recorded")
    for words in (["run", "--ticks", "1"], ["serve"], ["status"]):
        assert main(words) == 64
        _, err = capsys.readouterr()
        assert is_one_short_line(err), err[:300]
    assert main(["doctor", "--quiet"]) == 1
    out = capsys.readouterr().out
    assert any(line.startswith("wrong  settings: ") and len(line) < 500 for line in out.splitlines())


@pytest.mark.parametrize("fault", FAULTS)
def test_characters_that_are_no_text_are_refused_in_every_argument_and_setting(
    fault: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for words in (["run", "--symbols", f"A{fault}"], ["backtest", f"a{fault}b"], ["command", "pause", f"reason=a{fault}b"], [f"run{fault}"]):
        assert main(words) == 64
        out, err = capsys.readouterr()
        assert is_one_short_line(err)
        assert f"(U+{ord(fault[0]):04X}) at place" in err
        assert out == ""
    for name in ("PODIUM_HOME", "PODIUM_SYMBOLS", "PODIUM_FEED_PATH", "PODIUM_ALERT_URLS", "PODIUM_DATABASE_URL", "HOME"):
        environ = {name: f"/a{fault}b" if name != "PODIUM_DATABASE_URL" else f"sqlite:////a{fault}b"}
        with pytest.raises(ValueError, match=r"\(U\+[0-9A-F]{4}\) at place \d+") as caught:
            load_settings(environ, tmp_path)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text", ['symbols = ["A\\u0000"]', '[rules."a\\nb"]\nabove = 1', '[alerts]\nurls = ["json://h/\\u001b"]', f"port = {DIGITS}", f"port = 0x{LONG}",
             f"seed = {'[' * 5_000}", f"{LONG} = 1", f"[knobs]\n{LONG} = 1", f'feed = "{LONG}"'],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_a_file_with_such_values_is_one_short_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "podium.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"podium\.toml") as caught:
        load_settings({}, tmp_path)
    assert type(caught.value).__name__ == "SettingsError"
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1_000  # an unknown name is answered with those that there are


def test_bytes_that_are_no_text_are_refused_as_the_system_passes_them(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "engine", b"backtest", b"a\xff\x1b"], cwd=ROOT, capture_output=True, check=False, timeout=600)
    assert done.returncode == 64
    assert is_one_short_line(done.stderr.decode())
