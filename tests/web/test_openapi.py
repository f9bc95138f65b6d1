"""The OpenAPI document has every route of the API and nothing else, and what is answered is what it says, whatever is sent."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from schemathesis import checks
from schemathesis.core.result import Ok
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from engine.access.desk import FrontDesk
from engine.access.tokens import open_tokens
from engine.commands.router import list_commands, read_arguments
from engine.schema import SchemaError, parameters_of
from engine.service.clock import WallClock
from engine.service.settings_loader import load_settings
from engine.store.read.api_views import list_api_views
from engine.web import stream
from engine.web.access_guard import AccessGuard
from engine.web.api_routes import PREFIX, ApiRoute
from engine.web.guard import Guard, internal_error
from engine.web.openapi import describe_command
from engine.web.routes import build_routes
from tests.store import made
from tests.web.asked import Asked

BASE = "http://127.0.0.1"
# Valid data that is refused for what it means: an unknown symbol or parameter, a date such as 2024-02-31, a cursor of another view.
MEANING = [checks.positive_data_acceptance]
UNCHANGED = ("commands", "users", "tokens", "rules", "actions", "sessions", "ticks", "alerts", "silences")


class Hurried(WallClock):
    """Time for another request passes between any two looks, so that nobody is put off for asking often."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def tick(self) -> float:
        self.seconds += 1.0
        return self.seconds


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openapi")
    made.filled(folder, 30)
    return folder


@pytest.fixture(scope="module")
def app(home: Path) -> ASGIApp:
    """Routes and guards as app.py has them, with log-in, over a store that no engine works on: commands wait."""
    desk = FrontDesk(load_settings({"HOME": str(home), "PODIUM_HOME": str(home)}, home), WallClock())
    routes = build_routes(lambda: f"sqlite:///{home / 'podium.db'}", Hurried(), lambda: True)
    guards = [Middleware(Guard, (), lambda: True), Middleware(AccessGuard, lambda: desk)]
    return Starlette(routes=routes, middleware=guards, exception_handlers={500: internal_error})


@pytest.fixture(scope="module")
def tokens(home: Path) -> Iterator[dict[str, str]]:
    store, opened = open_tokens(f"sqlite:///{home / 'podium.db'}", "root", "command line")
    yield {
        name: opened.create(name, scopes, 1.0, list_commands(), WallClock().now())
        for name, scopes in {"read": ["read"], "all": ["read", "command", *(f"command:{name}" for name in list_commands())]}.items()
    }
    store.close()


def dump(home: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(home / "podium.db")) as store:
        return {table: store.execute(f"SELECT * FROM {table}").fetchall() for table in UNCHANGED if table != "tokens"}


def document_of(app: ASGIApp, token: str) -> dict[str, Any]:
    answer = Asked.of(app).get(f"{PREFIX}/openapi.json", authorization=f"Bearer {token}", host="127.0.0.1")
    assert answer.code == 200
    document: dict[str, Any] = answer.json
    return document


def test_the_document_has_every_route_of_the_api_and_nothing_else(app: ASGIApp, tokens: dict[str, str]) -> None:
    document = document_of(app, tokens["read"])
    described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    routes = [route for route in build_routes(lambda: "", WallClock()) if isinstance(route, Route) and route.path.startswith(PREFIX)]
    assert described == {(route.path, method) for route in routes for method in (route.methods or set()) - {"HEAD"}}
    assert all(isinstance(route, ApiRoute) for route in routes)
    assert {f"{PREFIX}/{view}" for view in list_api_views()} <= set(document["paths"])
    assert document["openapi"].startswith("3.1")
    assert document["security"] == [{"token": []}, {"login": []}]


def test_every_command_and_column_is_in_the_document_with_its_bounds(app: ASGIApp, tokens: dict[str, str]) -> None:
    document = document_of(app, tokens["read"])
    bodies = document["paths"][f"{PREFIX}/commands"]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert [body["properties"]["name"]["const"] for body in bodies] == list(list_commands())
    by_name = {body["title"]: body["properties"]["args"] for body in bodies}
    assert by_name["set"]["properties"]["signal"]["maximum"] == 0.5
    assert by_name["set"]["required"] == ["signal"]
    for name, command in list_commands().items():
        assert list(by_name[name]["properties"]) == list(parameters_of(command.arguments))
    for view in list_api_views().values():
        address = document["paths"][f"{PREFIX}/{view.name}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        row = document["components"]["schemas"][address["properties"]["rows"]["items"]["$ref"].rsplit("/", 1)[-1]]
        assert set(row["properties"]) >= {column.name for column in view.columns}
        kinds = [row["properties"][column.name]["type"] for column in view.columns]
        assert all(len(kind) == 2 for kind in kinds), f"a computed column of {view.name} has no type: name it in engine/store/view_columns.py"


@seed(7)
@settings(max_examples=200, deadline=None, database=None)
@given(data=st.data())
def test_a_value_that_the_schema_of_a_command_refuses_is_refused_by_the_command(data: st.DataObject) -> None:
    """And the other way round, but for what a value means."""
    command = data.draw(st.sampled_from(list(list_commands().values())))
    schema = Draft202012Validator(describe_command(command)["properties"]["args"])
    names = [*parameters_of(command.arguments), "unknown"]
    values = st.one_of(
        st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6), st.booleans(), st.text(max_size=50), st.sampled_from(["auto", "all", "7d"])
    )
    arguments = data.draw(st.dictionaries(st.sampled_from(names), values, max_size=4))
    try:
        read_arguments(command.name, {name: str(value).lower() if isinstance(value, bool) else f"{value}" for name, value in arguments.items()})
    except (SchemaError, ValueError):
        return
    if not schema.is_valid(arguments):  # a number may be sent as a text, and a text be a number
        wrong = [str(error.message) for error in schema.iter_errors(arguments)]
        assert all("is not of type" in line or "does not match" in line for line in wrong), (command.name, arguments, wrong)


def probe(app: ASGIApp, token: str, examples: int, *, only: str = "") -> Counter[int]:
    """Send seeded requests to the operations, valid and not, and check what is answered; return how often each code was."""
    headers = {"Authorization": f"Bearer {token}", "Host": "127.0.0.1"}
    schema = schemathesis.openapi.from_asgi(f"{PREFIX}/openapi.json", app, headers=headers)
    limits = settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
    )
    codes: Counter[int] = Counter()
    for described in schema.get_all_operations():
        assert isinstance(described, Ok), described
        operation = described.ok()
        is_endless = operation.path == stream.PATH  # tests/web/test_stream.py
        if is_endless or only not in operation.path:
            continue
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

            @seed(7)
            @limits
            @given(case=operation.as_strategy(generation_mode=mode))
            def send(case: schemathesis.Case[Any]) -> None:
                codes[case.call_and_validate(headers=headers, base_url=BASE, excluded_checks=MEANING).status_code] += 1

            send()
    return codes


def test_whatever_is_sent_is_answered_as_the_document_says_and_changes_nothing_without_the_right(
    app: ASGIApp, home: Path, tokens: dict[str, str]
) -> None:  # fmt: skip
    before = dump(home)
    codes = probe(app, tokens["read"], 5)
    assert min(codes[200], codes[400], codes[403]) > 2, codes
    assert dump(home) == before


def test_whatever_is_sent_as_a_command_is_accepted_or_refused_with_a_reason(app: ASGIApp, home: Path, tokens: dict[str, str]) -> None:
    before = dump(home)
    codes = probe(app, tokens["all"], 60, only="/commands")
    assert min(codes[202], codes[400], codes[422]) > 5, codes
    after = dump(home)
    assert {table for table in before if before[table] != after[table]} <= {"commands"}  # that wait for an engine
