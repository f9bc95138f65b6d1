"""The documentation holds: whatever can be set, asked for or read is on its page, and every page, link and record is in its index."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest
from starlette.routing import Route

from engine.alerting.rules import RULES
from engine.cli import _reference
from engine.cli._arguments import list_subcommands
from engine.commands.router import list_commands
from engine.domain.ports import Clock
from engine.domain.rules import MODES
from engine.domain.trading_config import TradingConfig
from engine.health import Health, HealthInputs
from engine.optimizer.default_rules import DEFAULT_RULES
from engine.optimizer.rule_schema import RULE_KEYS
from engine.plugins import discover_plugins
from engine.schema import parameters_of
from engine.service.clock import WallClock
from engine.service.health_inputs import format_health
from engine.service.settings_loader import ALERT_KEYS, RENAMED, RESERVED_SETTINGS, SETTING_NAMES, SETTING_TABLES
from engine.store.read.api_views import list_api_views
from engine.store.views import list_views
from engine.trading_parameters import SET_ELSEWHERE, TradingParameters
from engine.web import parameters
from engine.web.routes import build_routes
from tests.store import made

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
RECORDS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
LINKING = [ROOT / "CONTRIBUTING.md", ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
RECORD_LINES = 62
STATUS = re.compile(r"^Status: (accepted), (\d{4}-\d{2}-\d{2})(?:; (superseded(?: in part)? by (\[\d{4}\]\([\w-]+\.md\))), \d{4}-\d{2}-\d{2})?$")
SHOWN = {"engine/models/momentum.py", "engine/features/streak.py"}  # for the reader to add


def read_page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def read_section(page: str, title: str) -> str:
    """The text under a heading that begins so, to the next heading of its level or above."""
    match = re.search(rf"^(#+) {re.escape(title)}.*?\n(.*?)(?=^##? |\Z)", read_page(page), re.MULTILINE | re.DOTALL)
    assert match, f"docs/{page} has no section {title!r}"
    return match[2]


def read_rows(text: str) -> list[list[str]]:
    """The cells of every row of every table, code without its marks."""
    rows = [[cell.strip() for cell in line.strip("|").split(" |")] for line in text.splitlines() if line.startswith("|")]
    return [[cell.replace("`", "") for cell in row] for row in rows if not set("".join(row)) <= set("- |")]


def first_cells(text: str) -> set[str]:
    """Every name in the first column of the tables."""
    return {name.strip() for row in read_rows(text) for name in row[0].split(",")}


@pytest.mark.parametrize("name", [page.name for page in PAGES if "<!-- generated" in page.read_text(encoding="utf-8")])
def test_generated_tables_are_in_step_with_the_code(name: str) -> None:
    assert read_page(name) == _reference.fill_blocks(read_page(name)), "write them again: python -m engine.cli._reference"


def test_every_generated_table_is_on_a_page() -> None:
    assert {block for page in PAGES for block in re.findall(r"<!-- generated: (\w+) -->", page.read_text(encoding="utf-8"))} == set(_reference.BLOCKS)


def test_every_setting_is_documented_with_its_variable() -> None:
    page = read_page("settings.md")
    documented = first_cells(page)
    for name in set(SETTING_NAMES) - set(SETTING_TABLES):
        assert name in documented, name
        assert name in RESERVED_SETTINGS or f"`PODIUM_{name.upper()}`" in page, name
    for table in SETTING_TABLES:
        assert f"## `[{table}" in page, table
    for old in RENAMED:
        assert f"`{old}`" in page, old


def test_every_trading_parameter_is_documented_with_its_default_or_its_place() -> None:
    rows = read_rows(read_section("settings.md", "`[knobs]`"))
    documented = {row[0]: row for row in rows if row[0] not in {"parameter", *SET_ELSEWHERE}}
    assert list(documented) == list(parameters_of(TradingParameters))
    for name, row in documented.items():
        assert row[2] == format_default(getattr(TradingConfig(), name)), name
        assert row[3], name
        assert row[4], name
    assert [row[0] for row in rows if row[0] in SET_ELSEWHERE] == list(SET_ELSEWHERE)


def format_default(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, int | float) and not isinstance(value, bool) else json.dumps(value)


def test_every_rule_action_mode_and_alert_is_documented() -> None:
    rules = first_cells(read_section("settings.md", "`[rules.NAME]`"))
    assert {rule.name for rule in DEFAULT_RULES} | set(RULE_KEYS) <= rules
    actions = first_cells(read_section("settings.md", "`[actions]`"))
    assert {action.name for action in discover_plugins("engine.actions", "ACTION")} | set(MODES) <= actions
    alerts = first_cells(read_section("settings.md", "`[alerts]`"))
    assert {rule.name for rule in RULES} | set(ALERT_KEYS) <= alerts


def test_every_command_is_documented() -> None:
    assert re.findall(r"^## (\S+)$", read_page("commands.md"), re.MULTILINE) == list(list_commands())
    table = (ROOT / "README.md").read_text(encoding="utf-8")
    for subcommand in list_subcommands():
        assert re.search(rf"`{subcommand.name}[` ]", table), subcommand.name


def test_every_view_is_documented_with_its_columns(tmp_path: Path) -> None:
    made.empty(tmp_path)
    connection = sqlite3.connect(tmp_path / "podium.db")
    try:
        columns = {view: {row[1] for row in connection.execute(f"PRAGMA table_info({view})")} for view in list_views()}
    finally:
        connection.close()
    assert set(re.findall(r"^## (v_\w+)$", read_page("views.md"), re.MULTILINE)) == set(columns)
    for view, names in columns.items():
        assert first_cells(read_section("views.md", view)) - {"column"} == names, view


def test_every_metric_is_documented() -> None:
    documented = first_cells(read_section("monitoring.md", "`GET /metrics`"))
    families = _reference.list_families()
    assert len(families) > 50
    for family in families:
        assert (f"{family.name}_total" if family.type == "counter" else family.name) in documented, family.name


def test_every_address_is_documented_with_its_parameters() -> None:
    page = read_page("monitoring.md")
    clock: Clock = WallClock()
    for route in build_routes(lambda: "", clock):
        assert isinstance(route, Route)
        assert "{" in route.path or f"{route.path}`" in page, route.path
    rows = read_rows(read_section("monitoring.md", "The API"))
    assert {row[0] for row in rows if row[0].startswith("/api/v1/")} == {f"/api/v1/{name}" for name in list_api_views()}
    documented = {row[0] for row in rows}
    assert set(parameters.SCHEMA) <= documented


def test_every_key_of_the_health_answer_is_documented() -> None:
    inputs = HealthInputs(0, None, None, 0.0, None, None, (), 0, 0, 0)
    keys = set(format_health(inputs, Health("down", False, ())))
    assert first_cells(read_section("monitoring.md", "`GET /healthz`")) - {"key"} == keys


def test_every_page_is_linked_from_the_index() -> None:
    linked = {(DOCS / link.split("#")[0]).resolve() for link in re.findall(r"\]\(([^)\s]+)\)", read_page("index.md")) if "://" not in link}
    for page in {*PAGES, DOCS / "decisions" / "README.md"} - {DOCS / "index.md"}:
        assert page in linked, page.name


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.name)
def test_every_link_and_every_named_file_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target = page.parent / link.split("#")[0]
        assert "://" in link or target.exists(), f"{page.name} links to {link}"
    named = set(re.findall(r"(?<![\w/.])(?:engine|pages|tests|docs)/[\w/.-]*\w", text)) - SHOWN
    for path in named:
        assert (ROOT / path).exists() or (ROOT / f"{path}.py").exists(), f"{page.name} names {path}"


def test_every_module_in_a_diagram_of_the_architecture_exists() -> None:
    diagrams = "".join(re.findall(r"```mermaid\n(.*?)```", read_page("architecture.md"), re.DOTALL))
    named = set(re.findall(r"\b[a-z_]+/[a-z_]+\b", diagrams))
    assert len(named) > 10
    for name in named:
        places = (ROOT / name, ROOT / "engine" / name, ROOT / "engine" / f"{name}.py")
        assert any(place.exists() for place in places), name


def test_decision_records_are_numbered_and_each_is_one_page() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))
    for number, path in enumerate(RECORDS, 1):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith(f"# {number}. "), path.name
        assert STATUS.match(lines[2]), path.name
        assert len(lines) <= RECORD_LINES, path.name
        assert sum(line.startswith("# ") for line in lines) == 1, path.name


def test_the_index_of_decision_records_says_what_they_say() -> None:
    rows = [line for line in (DOCS / "decisions" / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| [")]
    expected = []
    for path in RECORDS:
        lines = path.read_text(encoding="utf-8").splitlines()
        status = STATUS.match(lines[2])
        assert status, path.name
        expected.append(f"| [{path.name[:4]}]({path.name}) | {lines[0].split('. ', 1)[1]} | {status[3] or status[1]} | {status[2]} |")
    assert rows == expected
