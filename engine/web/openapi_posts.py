"""The descriptions of what programs post: market data and the intents of bots."""

from __future__ import annotations

from engine.web.api_routes import Schema
from engine.web.openapi import describe_body, describe_key, describe_responses

_NUMBER = {"type": "number"}
_TIME = {"type": ["string", "integer"], "description": "Text in UTC, or s, ms, us or ns since 1970."}
_WHOLE_OR_NULL = {"type": ["integer", "null"]}


def describe_market(max_wait: float) -> Schema:
    """The operation that posts bars, books or trades; `max_wait` in seconds."""
    rows = {
        "bars": _describe_rows("open", "high", "low", "close", "volume"),
        "trades": _describe_rows("price", "size"),
        "books": _describe_rows("bid_px_0", "bid_sz_0", "ask_px_0", "ask_sz_0"),
    }
    wait = {
        "name": "wait", "in": "query", "schema": {"type": "number", "minimum": 0, "maximum": max_wait, "default": 0},
        "description": "Seconds to wait for the decisions on the newest bar.",
    }  # fmt: skip
    answer: Schema = {
        "type": "object",
        "properties": {
            "rows": {"type": "integer"}, "repeated": {"type": "integer"}, "bar": _WHOLE_OR_NULL, "bar_utc": {"type": "string"},
            "decided": {"type": "boolean"}, "decisions": {"type": "array", "items": {"$ref": "#/components/schemas/DecisionsRow"}},
            "poll": {"type": "string", "description": "Where the decisions can be read later."},
        },
        "required": ["rows", "repeated", "bar", "decided", "decisions"],
        "additionalProperties": False,
    }  # fmt: skip
    return {
        "summary": "Post market data, and get the decisions on it",
        "description": "docs/push.md describes the columns. A post is taken whole or refused whole, and the same post again changes nothing.",
        "parameters": [wait],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object", "properties": rows, "minProperties": 1, "additionalProperties": False}},
                "application/vnd.apache.arrow.stream": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        "responses": describe_responses(
            {200: describe_body(answer, "Taken, and decided on."), 202: describe_body(answer, "Taken; the decisions are not there yet.")},
            400, 401, 403, 409, 413, 415, 422, 429, 503,
        ),
    }  # fmt: skip


def describe_intent() -> Schema:
    """The operation that posts the intent of a bot."""
    intent: Schema = {
        "type": "object",
        "properties": {
            "bot": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$"},
            "symbol": {"type": "string", "minLength": 1},
            "target": {**_NUMBER, "description": "The position to hold, as a share of equity; negative is short."},
            "bar": {
                "type": ["integer", "string", "null"],
                "description": "Its close, ns since 1970 or text in UTC; the open bar if left out.",
            },
            "if_late": {"enum": ["refuse", "next"], "default": "refuse"},
        },
        "required": ["bot", "symbol", "target"],
        "additionalProperties": False,
    }
    properties: Schema = {name: {"type": "integer"} for name in ("id", "bar", "received_at")}
    properties |= {name: {"type": "string"} for name in ("bot", "symbol", "bar_utc", "received_at_utc")}
    properties |= {"target": _NUMBER, "was_late": {"type": "boolean"}}
    answer = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {
        "summary": "Post what a bot wants to hold",
        "parameters": [describe_key("intent")],
        "requestBody": {"required": True, "content": {"application/json": {"schema": intent}}},
        "responses": describe_responses({201: describe_body(answer, "The intent counts.")}, 400, 401, 403, 409, 413, 415, 422, 429, 503),
    }


def _describe_rows(*numbers: str) -> Schema:
    """Rows with a symbol, a time and these columns; a recording may have more."""
    properties = {"symbol": {"type": "string"}, "ts": _TIME, **{name: {"type": ["number", "null"]} for name in numbers}}
    return {"type": "array", "items": {"type": "object", "properties": properties, "required": ["symbol", "ts", *numbers[:1]]}}
