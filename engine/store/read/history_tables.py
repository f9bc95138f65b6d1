"""The tables of history that can be paged through: their columns, filters and keys, as data for `keyset`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from engine.domain.intents import HOLD, HOLD_REASONS
from engine.store.read.decisions import explain_rows
from engine.store.schema import METADATA
from engine.store.views import INTENT_SQL

_COMPUTED: dict[str, type[object]] = {"intent": str, "reason": str, "outcome_bps": float, "tick_ms": float, "wall": int}


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """A column by its name on pages, in addresses and in files."""

    name: str
    sql: str  # the value it is sorted by; "" where it cannot be sorted
    searched: str = ""  # the text that is searched, in SQL; "" for none
    parts: tuple[str, ...] = ()  # the fields of a row that it shows, by default the one of its name
    within: str = ""  # the column that follows it in an index and never falls while the key grows; "" where no index has its order


@dataclass(frozen=True, slots=True)
class StoredFilter:
    """A condition on rows, with :value; `has_index` where an index finds its rows newest first."""

    sql: str
    has_index: bool = False


@dataclass(frozen=True, slots=True)
class HistoryTable:
    """A table of the store whose rows are paged through by key, newest first.

    The first part of the key grows with time, the second, if any, ascends within it.
    """

    name: str
    base: str  # the table with its alias: only it is searched
    key: tuple[str, ...]
    columns: tuple[StoredColumn, ...]
    fields: str  # the fields of the rows on a page, in SQL
    default: tuple[str, ...]  # names of the columns shown unless others are chosen
    ordered: tuple[str, ...] = ("at",)  # names of the columns that grow with the key: to sort by them is to sort by the key
    joins: str = ""  # for the fields
    filters: tuple[tuple[str, Callable[[str], StoredFilter]], ...] = ()  # name: the condition of a value
    clock: str = "wall"  # of jumps to a time: "market" for rows of a tick, else "wall"
    complete: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame  # adds fields that SQL cannot give

    def find_kind(self, field: str) -> str:
        """The type of a field: int, float or str."""
        columns = METADATA.tables[self.base.split()[0]].columns
        kind: type[object] = columns[field].type.python_type if field in columns else _COMPUTED[field]
        return kind.__name__

    def find_filter(self, name: str) -> Callable[[str], StoredFilter] | None:
        """The filter of this name; None for an unknown name."""
        return next((condition for filter_name, condition in self.filters if filter_name == name), None)

    def find_column(self, name: str) -> StoredColumn | None:
        """The column of this name; None for an unknown name."""
        return next((column for column in self.columns if column.name == name), None)


def _plain(alias: str, *names: str, is_searched: bool = False) -> tuple[StoredColumn, ...]:
    return tuple(StoredColumn(name, sql, sql if is_searched else "") for name in names for sql in (f'{alias}."{name}"',))


def _equal(sql: str) -> Callable[[str], StoredFilter]:
    condition = StoredFilter(f"{sql} = :value")
    return lambda _value: condition


def _by_action(value: str) -> StoredFilter:
    return StoredFilter("d.action = :value") if value == HOLD else StoredFilter("(d.action <> 'hold' AND d.action = :value)", has_index=True)


def _by_intent(value: str) -> StoredFilter:
    if value == HOLD:  # as in decisions.read_latest_decisions: what holds its target has no intent but this
        return StoredFilter("(d.action = 'hold' AND :value = 'hold')")
    return StoredFilter(f"(d.action <> 'hold' AND {INTENT_SQL} = :value)", has_index=True)


def _by_gate(value: str) -> StoredFilter:
    return StoredFilter("(d.binding_gate IS NULL AND :value = 'none')" if value == "none" else "d.binding_gate = :value", has_index=True)


def _by_kind(value: str) -> StoredFilter:
    conditions = {"treated": "t.placebo = 0 AND t.mode <> 'manual'", "control": "t.placebo = 1", "manual": "t.mode = 'manual'"}
    return StoredFilter(f"({conditions.get(value, '0')} AND :value <> '')")


# What a hold says on the page; the reason of a decision that acts is in JSON and cannot be searched.
_HOLD_REASONS = " ".join(f"WHEN '{gate}' THEN '{reason}'" for gate, reason in HOLD_REASONS.items())
_REASON_TEXT = f"({INTENT_SQL}) || ': ' || CASE d.binding_gate {_HOLD_REASONS} ELSE '' END"
_DEGRADED = StoredFilter(
    "d.tick IN (SELECT g.tick FROM ticks g WHERE g.degraded <> '[]' AND g.tick >= :low AND g.tick <= :high AND :value <> '')", has_index=True
)

DECISIONS = HistoryTable(
    "decisions",
    "decisions d",
    ("d.tick", "d.symbol"),
    (
        *_plain("d", "symbol", "action", is_searched=True),
        StoredColumn("reason", INTENT_SQL, _REASON_TEXT, parts=("intent", "reason")),
        *_plain("d", "edge_bps", "cost_bps", "target", "tick", "at", "position", "confidence"),
        *_plain("d", "regime", is_searched=True),
        *_plain("d", "price"),
        StoredColumn("binding_gate", "d.binding_gate", "d.binding_gate", within="d.tick"),
        *_plain("d", "edge_to_flip_bps", "horizon", "degraded"),
        StoredColumn("outcome_bps", "", parts=("outcome_bps",)),
        StoredColumn("tick_ms", "", parts=("tick_ms",)),
        StoredColumn("wall", "d.tick"),
    ),
    f"""d.tick, d.at, d.symbol, d.action, {INTENT_SQL} AS intent, d.target, d.position, d.confidence, d.edge_bps, d.cost_bps, d.binding_gate,
        d.degraded, d.regime, d.price, d.edge_to_flip_bps, d.horizon, t.wall, t.ms AS tick_ms, json_extract(d.gates, '$.fault') AS fault,
        CASE WHEN d.fresh = 1 THEN (f.log_price - d.log_price) * 10000.0 END AS outcome_bps,
        CASE WHEN d.action <> 'hold' THEN d.limits END AS steps, CASE WHEN d.action <> 'hold' THEN d.gates END AS gates,
        s.limits AS limit_names, s.gates AS gate_names""",
    ("symbol", "action", "reason", "edge_bps", "cost_bps", "target", "tick", "at", "position", "confidence", "regime", "price"),
    joins="CROSS JOIN ticks t ON t.tick = d.tick CROSS JOIN sessions s ON s.id = d.session "
    "LEFT JOIN {outcomes} f ON f.tick = d.tick + d.horizon AND f.symbol = d.symbol AND f.session = d.session AND f.fresh = 1",
    filters=(
        ("symbol", _equal("d.symbol")), ("action", _by_action), ("intent", _by_intent), ("gate", _by_gate),
        ("degraded", lambda _value: _DEGRADED),
    ),
    ordered=("tick", "at", "wall"),
    clock="market",
    complete=explain_rows,
)  # fmt: skip

FILLS = HistoryTable(
    "fills",
    "fills f",
    ("f.id",),
    (
        *_plain("f", "tick"),
        StoredColumn("symbol", "f.symbol", "f.symbol", within="f.tick"),
        *_plain("f", "side", is_searched=True),
        StoredColumn("size", "f.size", parts=("size", "unfilled")),
        *_plain("f", "price", "mid", "fee_bps", "spread_bps", "impact_bps", "cost_bps", "realised", "at"),
    ),
    "f.id, f.tick, f.at, f.symbol, f.side, f.size, f.unfilled, f.price, f.mid, f.fee_bps, f.spread_bps, f.impact_bps, f.cost_bps, f.realised",
    ("tick", "symbol", "side", "size", "price", "mid", "fee_bps", "spread_bps", "impact_bps", "cost_bps", "realised"),
    filters=(("symbol", _equal("f.symbol")), ("side", _equal("f.side"))),
    ordered=("tick", "at"),
    clock="market",
)

TRIALS = HistoryTable(
    "trials",
    "trials t",
    ("t.id",),
    (
        *_plain("t", "at"),
        StoredColumn("action", "t.action", "t.action"),
        StoredColumn("verdict", "t.verdict", "t.verdict", parts=("verdict", "placebo", "mode", "undone")),
        StoredColumn("effect", "t.effect", parts=("effect", "low", "high", "windows", "unit")),
        *_plain("t", "metric", is_searched=True),
        *_plain("t", "before", "after"),
        StoredColumn("trigger", 't."trigger"', 't."trigger"', parts=("trigger", "reason", "by")),
        StoredColumn("amount", "t.amount", parts=("amount", "amount_unit")),
        *_plain("t", "seconds"),
        *_plain("t", "detail", is_searched=True),
    ),
    't.id, t.at, t.action, t."trigger", t.mode, t.placebo, t.metric, t.unit, t.before, t.after, t.effect, t.low, t.high, t.windows, t.verdict, '
    't.undone, t.amount, t.amount_unit, t.detail, t."by", t.reason, t.seconds',
    ("at", "action", "verdict", "effect", "metric", "before", "after", "trigger", "amount"),
    filters=(("kind", _by_kind), ("action", _equal("t.action"))),
)

COMMANDS = HistoryTable(
    "commands",
    "commands c",
    ("c.id",),
    (
        *_plain("c", "at"),
        StoredColumn("name", "c.name", "c.name", parts=("name", "args")),
        *_plain("c", "by", "reason", "status", "result", "args", is_searched=True),
        *_plain("c", "started_at", "finished_at"),
    ),
    'c.id, c.at, c.name, c.args, c."by", c.reason, c.status, c.result, c.started_at, c.finished_at, c.progress, c.note',
    ("at", "name", "by", "reason", "status", "result"),
)

ALERTS = HistoryTable(
    "alerts",
    "alerts a",
    ("a.id",),
    (
        StoredColumn("rule", "a.rule", "a.rule", parts=("id", "rule")),
        *_plain("a", "severity", "state", is_searched=True),
        *_plain("a", "at"),
        StoredColumn("lasted", "a.resolved_at - a.at", parts=("resolved_at",)),
        *_plain("a", "message", "acked_by", is_searched=True),
        *_plain("a", "value"),
    ),
    "a.id, a.at, a.rule, a.severity, a.state, a.message, a.acked_by, a.acked_at, a.resolved_at, a.value",
    ("rule", "severity", "state", "at", "lasted", "message"),
    filters=(("state", _equal("a.state")),),
)

VERSIONS = HistoryTable(
    "versions",
    "artifacts a",
    ("a.id",),
    (
        StoredColumn("version", "a.version", "a.version", parts=("model", "version")),
        StoredColumn("role", ""),
        *_plain("a", "trained_at"),
        StoredColumn("trained", "a.trained_to", parts=("trained_from", "trained_to")),
        *_plain("a", "rows", "seconds", "serves_from"),
        StoredColumn("agreement", ""),
        StoredColumn("skill", ""),
        *_plain("a", "digest", "origin", is_searched=True),
    ),
    "a.id, a.model, a.version, a.digest, a.session, a.trained_at, a.trained_from, a.trained_to, a.rows, a.seconds, a.serves_from, "
    "a.recipe, a.origin, a.columns",
    ("version", "role", "trained_at", "trained", "rows", "seconds", "serves_from", "agreement", "skill", "digest"),
    ordered=("trained_at",),
    filters=(("model", _equal("a.model")),),
)

AUDIT = HistoryTable(
    "audit",
    "audit u",
    ("u.id",),
    (
        StoredColumn("id", "u.id"),
        *_plain("u", "at"),
        *_plain("u", "who", "origin", "kind", "subject", "why", "before", "after", "digest", is_searched=True),
    ),
    'u.id, u.at, u.who, u.origin, u.kind, u.subject, u.why, u."before", u."after", u.digest',
    ("id", "at", "who", "origin", "kind", "subject", "why", "before", "after"),
    ordered=("id", "at"),
    filters=(("kind", _equal("u.kind")),),
)

HISTORY_TABLES = MappingProxyType({table.name: table for table in (DECISIONS, FILLS, TRIALS, COMMANDS, ALERTS, VERSIONS, AUDIT)})
