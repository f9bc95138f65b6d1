"""What the HTTP API serves: every view by its name, with the key that its rows are ordered by and what they may be filtered by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from engine.store import schema, views
from engine.store.view_columns import TEXT, WHOLE, ViewColumn, list_table_columns, list_view_columns

TIME_COLUMNS = ("at", "since", "until", "changed_at", "decided_at", "trained_at", "last_at", "problem_since", "bar")  # ns UTC
CONTROLS = ("since", "at", "limit", "cursor", "fields")  # parameters that are no filters
SPARSE = frozenset({"fills", "positions"})  # views of ticks with no row for most of them


@dataclass(frozen=True, slots=True)
class Key:
    """A column that rows are ordered by; together the columns of a key tell every row from every other."""

    column: str
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class ApiView:
    """A view as the API serves it."""

    name: str
    table: str  # or query in parentheses
    columns: tuple[ViewColumn, ...]
    key: tuple[Key, ...]
    since: str | None = None  # column that `since` bounds; of a view of ticks, the time of the tick
    has_ticks: bool = False  # a row belongs to a tick, which its key begins with
    has_past: bool = True  # can be read as of a past tick

    @property
    def filters(self) -> tuple[ViewColumn, ...]:
        """The columns whose value may be given: texts and whole numbers, but no times and nothing that has the name of another parameter."""
        return tuple(
            column
            for column in self.columns
            if column.type in {TEXT, WHOLE} and column.name not in TIME_COLUMNS and column.name not in CONTROLS
        )  # fmt: skip


_DOWN_ID, _BY_TICK = (Key("id", True),), Key("tick", True)
_KEYS: Mapping[str, tuple[Key, ...]] = {  # a view that is not named here is ordered by the first of its columns
    "decisions": (_BY_TICK, Key("symbol")),
    "gates": (_BY_TICK, Key("symbol"), Key("rung")),
    "votes": (_BY_TICK, Key("symbol"), Key("horizon"), Key("model")),
    "spans": (_BY_TICK, Key("phase")),
    "fills": (_BY_TICK, Key("id", True)),
    "positions": (_BY_TICK, Key("symbol")),
    "equity": (_BY_TICK,),
    "regimes": (_BY_TICK, Key("symbol"), Key("regime")),
    "skill": (Key("scope"), Key("model"), Key("horizon"), Key("regime")),
    "models": (Key("trained_at", True), Key("model"), Key("version"), Key("digest")),
    "streams": (Key("symbol"), Key("stream")),
    "readings": (Key("at", True), Key("source"), Key("name")),
    "bots": (Key("number", True),),
}
_SINCE = {"components": None, "streams": None, "models": "trained_at", "incidents": "since"}
_NOW_ONLY = frozenset({"components", "actions", "streams", "readings", "bots", "intents"})  # the store has the newest state only
_RULES = ApiView("rules", "rules", list_table_columns(schema.RULES), (Key("name"),), has_past=False)


@cache
def list_api_views() -> Mapping[str, ApiView]:
    """Every view that the API serves, by its name in an address."""
    served = [_build_view(view.removeprefix("v_"), columns) for view, columns in list_view_columns().items()]
    return MappingProxyType({view.name: view for view in (*served, _RULES)})


def _build_view(name: str, columns: tuple[ViewColumn, ...]) -> ApiView:
    names = [column.name for column in columns]
    key = _KEYS.get(name) or (_DOWN_ID if names[0] == "id" else (Key(names[0]),))
    has_ticks = key[0] == _BY_TICK
    table = {"readings": "readings_raw", "fills": _with_id(views.VIEWS["sqlite"]["v_fills"])}.get(name, f"v_{name}")
    since = "at" if has_ticks or "at" in names else None
    return ApiView(name, table, columns, key, _SINCE.get(name, since), has_ticks, name not in _NOW_ONLY)


def _with_id(query: str) -> str:
    """The query of fills with the number of each, since several of a tick may be alike."""
    return f"({query.replace('SELECT ', 'SELECT id, ', 1)})"


def list_controls(view: str) -> tuple[str, ...]:
    """The parameters of a view besides its filters."""
    served = list_api_views()[view]
    left_out = {*(() if served.since else ("since",)), *(() if served.has_past else ("at",))}
    return tuple(name for name in CONTROLS if name not in left_out)


def list_parameters(view: str) -> tuple[str, ...]:
    """The parameters of a view: its filters, and what bounds the rows."""
    return (*(column.name for column in list_api_views()[view].filters), *list_controls(view))
