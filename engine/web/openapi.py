"""The OpenAPI 3.1 document of the API, made from its routes, the typed commands and the columns of the views."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.commands.router import list_commands
from engine.commands.types import CommandType
from engine.schema import Parameter, parameters_of
from engine.store.read.api_views import TIME_COLUMNS, ApiView, list_api_views, list_controls
from engine.store.view_columns import REAL, TEXT, WHOLE, ViewColumn
from engine.web import parameters
from engine.web.api_routes import ApiRoute, Schema
from engine.web.problems import MEDIA_TYPE

VERSION = "1"  # of the API, as its addresses have it
MAX_WHOLE = 2**63 - 1
TIME_PATTERN = r"^(\d{9,19}|0|\d{4}-?\d{2}-?\d{2}.*|[\d.]+[smhd].*)$"
PLAIN_TEXT = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"  # without control characters
KEY_PATTERN = r"^[!-~]([ -~]{0,98}[!-~])?$"
_PROBLEMS = {
    304: "Nothing has changed since the answer with that ETag.",
    400: "A parameter, a header or the body cannot be used; `detail` names the value and the remedy.",
    401: "Nobody known asks: log in, or send a token that is valid.",
    403: "Whoever asks may not do this; `detail` says what it takes.",
    404: "There is nothing at that address.",
    409: "It differs from what was accepted before, or comes too late; `detail` names what and the remedy.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    422: "The body can be read and cannot be carried out; `detail` names the value and the remedy.",
    429: "Too many requests at once; `Retry-After` says when the next one is taken.",
    503: "The store cannot be read or written right now; `Retry-After` says when to try again.",
}
_JSON_TYPES = {WHOLE: "integer", REAL: "number", TEXT: "string"}
_COMMAND_TYPES = {"number": "number", "whole number": "integer", "truth": "boolean"}


def build_document(routes: Iterable[ApiRoute], *, has_login: bool, title: str = "Podium") -> Schema:
    """The document of these routes. With log-in every operation takes a token or a log-in; without, a token may be sent."""
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = {"operationId": _name_operation(route), **route.operation}
    security: list[Schema] = [{"token": []}, {"login": []}]
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": VERSION, "description": "Decisions, evidence and commands of one Podium."},
        "paths": paths,
        "security": security if has_login else [*security, {}],
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of `python -m engine token create`."},
                "login": {"type": "apiKey", "in": "cookie", "name": "podium_login", "description": "The cookie of a person's log-in."},
            },
            "schemas": {
                "Problem": _describe_problem(),
                "Command": _describe_command_record(),
                **{_title(view.name): _describe_row(view.columns) for view in list_api_views().values()},
            },
        },
    }


def describe_view(view: ApiView) -> Schema:
    """The operation that reads a view."""
    page = {
        "view": {"const": view.name}, "limit": {"type": "integer"}, "count": {"type": "integer"},
        "rows": {"type": "array", "maxItems": parameters.MAX_LIMIT, "items": {"$ref": f"#/components/schemas/{_title(view.name)}"}},
        "next": {"type": ["string", "null"], "description": "The `cursor` of the rows that follow; null where nothing follows."},
        "as_of": {
            "type": "object", "description": "The tick that `at` stands for; both values are null before the first.",
            "properties": {"tick": {"type": ["integer", "null"]}, "at": {"type": ["integer", "null"]}}, "required": ["tick", "at"],
        },
    }  # fmt: skip
    required = ["view", "limit", "count", "rows", "next"]
    return {
        "summary": f"The newest rows of {view.name}, page by page",
        "description": "docs/views.md describes the columns. A page with filters may have fewer rows than `limit` and still a `next`.",
        "parameters": [*(_filter(column) for column in view.filters), *(_control(name, view) for name in list_controls(view.name))],
        "responses": describe_responses(
            {200: describe_body({"type": "object", "properties": page, "required": required, "additionalProperties": False}, tagged=True)},
            304, 400, 401, 403, 429, 503,
        ),
    }  # fmt: skip


def describe_submission() -> Schema:
    """The operation that submits a command: one schema for each of them, from its typed arguments."""
    accepted = describe_body({"$ref": "#/components/schemas/Command"}, "The command waits for the engine.")
    accepted["headers"] = {"Location": {"schema": {"type": "string"}, "description": "The address of the command."}}
    return {
        "summary": "Submit a command",
        "parameters": [describe_key("command")],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"oneOf": [describe_command(command) for command in list_commands().values()]}}},
        },
        "responses": describe_responses({202: accepted}, 400, 401, 403, 413, 415, 422, 429, 503),
    }


def describe_key(what: str) -> Schema:
    """The header that makes a request accepted once."""
    return {
        "name": "Idempotency-Key", "in": "header", "required": True, "schema": {"type": "string", "pattern": KEY_PATTERN},
        "description": f"A new one for each {what}: the same request with the same key is accepted once.",
    }  # fmt: skip


def describe_command(command: CommandType) -> Schema:
    """A command as it is sent: its name, its arguments with their bounds, and the reason."""
    rows = parameters_of(command.arguments)
    needed = [row.name for row in rows.values() if row.is_required]
    arguments: Schema = {"type": "object", "properties": {name: _argument(row) for name, row in rows.items()}, "additionalProperties": False}
    if needed:
        arguments["required"] = needed
    return {
        "type": "object", "title": command.name, "description": f"{command.summary[:1].upper()}{command.summary[1:]}.",
        "properties": {
            "name": {"const": command.name}, "args": arguments, "reason": {"type": "string", "maxLength": 500, "pattern": PLAIN_TEXT},
        },
        "required": ["name", "args"] if needed else ["name"], "additionalProperties": False,
    }  # fmt: skip


def describe_command_read() -> Schema:
    """The operation that reads one command."""
    number = {"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}}
    answer = describe_body({"$ref": "#/components/schemas/Command"}, "The command, with its progress and result.")
    return {
        "summary": "Read a command that was submitted", "parameters": [number],
        "responses": describe_responses({200: answer}, 401, 403, 404, 429, 503),
    }  # fmt: skip


def describe_object(summary: str, description: str) -> Schema:
    """An operation that answers one JSON object."""
    return {
        "summary": summary,
        "responses": describe_responses({200: describe_body({"type": "object"}, description, tagged=True)}, 304, 400, 401, 403, 429, 503),
    }


def describe_responses(answers: Mapping[int, Schema], *codes: int) -> Schema:
    """The responses of an operation: its own, and the problems of these codes."""
    responses = {str(code): answer for code, answer in answers.items()}
    for code in codes:
        responses[str(code)] = {"description": _PROBLEMS[code]}
        if code >= 400:
            responses[str(code)]["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        if code in {429, 503}:
            responses[str(code)]["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}}
    return responses


def describe_body(schema: Schema, description: str = "The answer.", *, tagged: bool = False) -> Schema:
    """A response with a JSON body; `tagged` where it has an ETag."""
    body: Schema = {"description": description, "content": {"application/json": {"schema": schema}}}
    if tagged:
        body["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "Send it as `If-None-Match` to get only what is new."}}
    return body


def _filter(column: ViewColumn) -> Schema:
    schema: Schema = {"type": "string", "maxLength": parameters.MAX_TEXT}
    if column.type == WHOLE:
        schema = {"type": "integer", "minimum": -MAX_WHOLE, "maximum": MAX_WHOLE}
    elif column.name == "symbol":
        schema["minLength"] = 1
    return {"name": column.name, "in": "query", "schema": schema, "description": f"Rows with that {column.name} only."}


def _control(name: str, view: ApiView) -> Schema:
    row = parameters.SCHEMA[name]
    schema: Schema = {"type": "string"}
    if name == "limit":
        schema = {"type": "integer", "minimum": 1, "maximum": parameters.MAX_LIMIT, "default": parameters.DEFAULT_LIMIT}
    elif name in {"since", "at"}:
        schema |= {"maxLength": 40, "pattern": TIME_PATTERN}
    elif name == "cursor":
        schema |= {"maxLength": parameters.MAX_TEXT, "pattern": "^[A-Za-z0-9_-]+$"}
    described: Schema = {"name": name, "in": "query", "schema": schema, "description": f"{row.help[:1].upper()}{row.help[1:]}."}
    if name == "fields":
        columns = [column.name for column in view.columns]
        described |= {"style": "form", "explode": False}
        described["schema"] = {"type": "array", "items": {"enum": columns}, "minItems": 1, "uniqueItems": True}
    return described


def _argument(row: Parameter) -> Schema:
    """The schema of an argument. A value may also be sent as the text that people write."""
    bounds, schema = row.bounds, dict[str, Any]()
    if row.form:
        schema = {"type": ["string", "number", "boolean"]}
    elif bounds.kind == "choice":
        schema = {"enum": list(bounds.choices)}
    elif bounds.kind in _COMMAND_TYPES:
        schema = {"type": _COMMAND_TYPES[bounds.kind]}
        if bounds.low is not None:
            schema["minimum"] = int(bounds.low) if bounds.kind == "whole number" else bounds.low
        if bounds.high is not None:
            schema["maximum"] = int(bounds.high) if bounds.kind == "whole number" else bounds.high
    else:
        schema = {"type": "string", "pattern": PLAIN_TEXT}
        if bounds.high is not None:
            schema["maxLength"] = int(bounds.high)
    about = "; ".join(part for part in (row.help, row.wanted, row.unit and f"in {row.unit}") if part)
    if row.default is not None and isinstance(row.default, str | int | float | bool):
        schema["default"] = row.default
    return {**schema, "description": about}


def _describe_row(columns: Sequence[ViewColumn]) -> Schema:
    properties: Schema = {column.name: _describe_column(column) for column in columns}
    for column in columns:
        if column.name in TIME_COLUMNS:
            properties[f"{column.name}_utc"] = {"type": ["string", "null"], "format": "date-time"}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _describe_column(column: ViewColumn) -> Schema:
    kind = _JSON_TYPES.get(column.type)
    schema: Schema = {"type": [kind, "null"] if kind else ["string", "number", "boolean", "null"]}
    return schema | ({"description": "ns since 1970, UTC"} if column.name in TIME_COLUMNS else {})


def _describe_problem() -> Schema:
    return {
        "type": "object", "description": "Problem details (RFC 9457).",
        "properties": {
            "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
            "detail": {"type": "string", "description": "One line with the value and the remedy."},
        },
        "required": ["type", "title", "status", "detail"],
    }  # fmt: skip


def _describe_command_record() -> Schema:
    whole: dict[str, Any] = {"type": ["integer", "null"]}
    return {
        "type": "object",
        "properties": {
            "id": {"type": "integer"}, "name": {"type": "string"}, "args": {"type": "object", "additionalProperties": {"type": "string"}},
            "by": {"type": "string"}, "reason": {"type": "string"}, "at": {"type": "integer"},
            "status": {"enum": ["queued", "running", "done", "failed"]}, "started_at": whole, "finished_at": whole,
            "progress": {"type": ["number", "null"]}, "result": {"type": ["object", "null"]},
        },
        "additionalProperties": False,
    }  # fmt: skip


def _title(view: str) -> str:
    return "".join(part.capitalize() for part in view.split("_")) + "Row"


def _name_operation(route: ApiRoute) -> str:
    """Such as get_decisions or post_commands."""
    words = re.sub(r"[^a-z0-9]+", "_", route.path.removeprefix("/api/v1").lower()).strip("_")
    return f"{route.method.lower()}_{words}"
