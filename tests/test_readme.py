"""The README holds: what it shows runs, what it names is there, and what it says is not there refuses."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from engine.cli._arguments import build_parser, list_subcommands
from engine.feeds.recorded import RecordedFeed
from engine.feeds.simulated import SimulatedFeed
from engine.service.settings_loader import RESERVED_SETTINGS, SETTING_NAMES, load_settings
from engine.settings import SECOND, Settings, SettingsError, parse_retention
from pages.ui.navigation import PAGES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = list_subcommands()


def blocks(kind: str) -> list[str]:
    """The fenced blocks of that kind, in order."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    """What stands under a heading, to the next heading of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^##? |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"the README has no section {title!r}"
    return found[2]


def rows(title: str) -> list[list[str]]:
    """The rows of the table under a heading, cell by cell, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def told_by(name: str) -> str:
    """The code the README shows for that file."""
    return next(block.split("\n", 1)[1] for block in blocks("python") if block.startswith(f"# {name}\n"))


def typed() -> list[str]:
    """Everything a reader is to type: fenced shell lines and code in the text."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL))


def test_the_call_that_decides_runs_as_it_stands_and_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code = next(block for block in blocks("python") if "import decide" in block)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    shown = re.search(r"```text\n(ALFA .*?)```", README, re.DOTALL)
    assert shown is not None
    assert capsys.readouterr().out == shown[1]


def test_the_model_and_the_features_shown_are_found_trained_and_heard(tmp_path: Path) -> None:
    """In a copy of the engine, as a reader would add them."""
    shutil.copytree(ROOT / "engine", tmp_path / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("engine/models/momentum.py", "engine/features/streak.py"):
        (tmp_path / name).write_text(told_by(name), encoding="utf-8")
    (tmp_path / "podium.toml").write_text('models = ["momentum", "ridge"]\n[knobs]\nfirst_training = 150\nmin_history = 60\n', encoding="utf-8")
    code = "from engine.plugins import discover_plugins; print(*[family.columns for family in discover_plugins('engine.features', 'FAMILY')])"
    families = run(tmp_path, "-c", code)
    assert "rise_7" in families
    told = json.loads(run(tmp_path, "-m", "engine", "backtest", "simulated", "--bars", "200", "--symbol-count", "3", "--json"))
    assert told["fallbacks"] == 0
    assert told["skill"]["momentum"]["n"] > 0
    assert told["training"]["fits"] == 2


def run(folder: Path, *words: str) -> str:
    told = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_every_python_block_is_one_of_those_that_are_run() -> None:
    firsts = [block.splitlines()[0] for block in blocks("python")]
    assert firsts == ["# engine/models/momentum.py", "# engine/features/streak.py", "# push_bars.py", "# post_intent.py", "from engine import broker"]


def test_the_recording_shown_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "BTCUSDT").mkdir()
    (tmp_path / "BTCUSDT" / "bars.csv").write_text(blocks("csv")[0], encoding="utf-8")
    feed = RecordedFeed(tmp_path)
    bars = list(feed.slices(None))
    assert feed.info.interval == 60 * SECOND
    assert [bar.close[0] for bar in bars] == [100.2, 100.0]


def test_the_settings_file_shown_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "my_recording").mkdir()
    text = blocks("toml")[0]
    assert 'feed_path = "my_recording"' in text
    (tmp_path / "podium.toml").write_text(text.replace('"my_recording"', f'"{tmp_path / "my_recording"}"'), encoding="utf-8")
    told = load_settings({}, tmp_path)
    assert (told.feed, told.symbols, told.fee_bps, told.trading.max_position) == ("recorded", ("BTCUSDT", "ETHUSDT"), 7.5, 0.10)


def test_every_setting_named_is_one_and_its_default_is_the_one_told(tmp_path: Path) -> None:
    given = {"home": "/there", "database_url": "sqlite:////there/podium.db"}
    plain = load_settings({"HOME": "/home/ada"}, tmp_path)
    assert plain.home == "/home/ada/.local/share/podium"
    for names, default, _ in rows("Settings"):
        for name, value in zip(re.findall(r"`(\w+)`", names), re.findall(r"`([^`]+)`", default) or [""], strict=False):
            assert name in set(SETTING_NAMES) - set(RESERVED_SETTINGS), name
            if name not in {"home", "database_url", "fee_bps", "spread_bps", "retention"} and value:
                assert value == as_text(getattr(plain, name)), name
            told = given.get(name, value)
            if told and told != "podium.db":
                load_settings({f"PODIUM_{name.upper()}": told, "HOME": "/home/ada"}, tmp_path)


def as_text(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, int | float) else str(value)


def test_the_defaults_that_are_not_settings_are_the_ones_told(tmp_path: Path) -> None:
    told = {re.findall(r"`(\w+)`", names)[0]: re.findall(r"`([^`]+)`", default) for names, default, _ in rows("Settings")}
    plain = Settings("", "")
    assert parse_retention(told["retention"][0]) == (plain.retention_days, plain.retention_bytes)
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "bars.csv").write_text(blocks("csv")[0], encoding="utf-8")
    recorded, simulated = RecordedFeed(tmp_path).info, SimulatedFeed(bars=1).info
    assert told["fee_bps"] == [as_text(recorded.fee_bps), as_text(simulated.fee_bps)]
    assert told["spread_bps"] == [as_text(recorded.spread_bps)] == [as_text(simulated.spread_bps)]
    assert told["warmup_bars"] == [
        "3000",
        as_text(load_settings({"PODIUM_FEED": "recorded", "PODIUM_FEED_PATH": str(tmp_path)}, tmp_path).warmup_bars),
        as_text(load_settings({"PODIUM_FEED": "live", "PODIUM_EXCHANGE": "kraken", "PODIUM_SYMBOLS": "BTC/USD"}, tmp_path).warmup_bars),
    ]


def test_every_variable_named_is_a_setting() -> None:
    named = set(re.findall(r"PODIUM_([A-Z_]+)", README))
    assert {"HOME", "PORT", "EXCHANGE_OPTIONS", "RECORD"} <= named
    assert {name.lower() for name in named} <= set(SETTING_NAMES)


def test_every_make_target_named_is_there() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {word for text in typed() for word in re.findall(r"\bmake (\w+)", text)}
    assert {"run", "test", "check", "fix", "bench"} <= named <= targets


def test_the_table_of_commands_is_the_command_line() -> None:
    named = {name for row in rows("The command line") for name in re.findall(r"`([\w-]+)[^`]*`", row[0])}
    assert named == {command.name for command in COMMANDS if not command.is_reserved}
    assert {command.name for command in COMMANDS if command.is_reserved} <= set(re.findall(r"`([\w-]+)`", section("What it does not do")))


@pytest.mark.parametrize("line", [text for text in typed() if "-m engine" in text and "COMMAND" not in text])
def test_every_command_shown_can_be_parsed(line: str) -> None:
    words = shlex.split(line.split("-m engine", 1)[1])
    assert build_parser(COMMANDS).parse_args(words).command == words[0]


def test_the_pages_named_are_the_pages_there_are() -> None:
    assert [row[0] for row in rows("What you see")] == [title for _, title, _, _ in PAGES]
    assert sorted(path.name for path in (ROOT / "pages").glob("[0-9]*.py")) == [file for file, _, _, _ in PAGES]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADDRESS", "0.0.0.0"),
        ("CLUSTER", "tcp://there"),
        ("DATABASE_URL", "postgresql://there/podium"),
    ],
)
def test_what_is_said_not_to_be_there_refuses(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match="yet"):
        load_settings({f"PODIUM_{name}": value}, tmp_path)


def test_the_file_that_requirements_point_to_names_every_package() -> None:
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    found = re.search(r"docs/decisions/[\w-]+\.md", requirements)
    assert found is not None
    told = (ROOT / found[0]).read_text(encoding="utf-8").lower()
    for name in re.findall(r"^([a-z0-9-]+)", requirements, re.MULTILINE):
        assert name in told, name


def test_the_changelog_begins_with_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert next(name for name in versions if name != "Unreleased") == version
    assert "Unreleased" not in versions[1:]
