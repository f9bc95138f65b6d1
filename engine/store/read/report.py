"""One day of the store, read in one snapshot for its report."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from engine.report.day import (
    LISTED,
    ActionCounts,
    AlertSummary,
    DayRecord,
    EvolutionSummary,
    GateSummary,
    MetricSavings,
    RecoverySummary,
    RunSummary,
    SessionPart,
    SkillSummary,
    TradingCosts,
)
from engine.report.savings import sum_proved_effects
from engine.store.read import live_ticks
from engine.store.read.audit import read_head_until
from engine.store.read.clean_rate import CleanTicks
from engine.store.read.decisions import count_decisions, count_intents
from engine.store.read.live_ticks import TickRanges
from engine.store.read.reader import Reader, fetch_all, fetch_first, fetch_scalar
from engine.store.read.status import parse_carry
from engine.store.write.alerts import parse_drill

DAY = 86_400_000_000_000  # ns
EQUITY_POINTS = 96  # of the equity chart
MAX_RUNS = 1_000


@dataclass(frozen=True, slots=True)
class TickPeriod:
    """The wall times of the first and the last stored tick, ns UTC."""

    first: int
    last: int


def find_tick_period(reader: Reader) -> TickPeriod | None:
    """The period of the stored ticks; None before the first."""
    with reader.reading() as connection:
        first, last = (fetch_scalar(connection, f"SELECT wall FROM ticks ORDER BY wall {order} LIMIT 1") for order in ("", "DESC"))
    return None if first is None or last is None else TickPeriod(int(first), int(last))


def read_day(reader: Reader, begin: int, now: int, name: str) -> DayRecord | None:
    """The day that begins at `begin` (ns UTC), up to `now`; None where nothing happened on it."""
    until = min(begin + DAY, now)
    with reader.reading() as connection:
        parts = _parts(connection, begin, until)
        live = tuple(part for part in parts if not part.warm)
        day = _day(connection, name, begin, until, live or parts)
        day = replace(
            day, is_over=begin + DAY <= now, warmup_ticks=sum(part.ticks for part in parts) - day.ticks,
            truncated_at=_truncated_at(connection, begin, until), audit_head=read_head_until(connection, until),
        )  # fmt: skip
    happened = day.spans or day.runs or day.alerts or day.engine_starts or day.commands or day.recoveries or day.rule_firings
    return day if happened else None


def _day(connection: Connection, name: str, begin: int, until: int, parts: tuple[SessionPart, ...]) -> DayRecord:
    within: dict[str, Any] = {"begin": begin, "until": until}
    ranges = tuple((part.first, part.last) for part in parts)
    market, simulated, gates = _market(connection, parts)
    newest = fetch_scalar(connection, "SELECT max(tick) FROM ticks")
    runs = _runs(connection, within)
    clean = CleanTicks(
        live_ticks.count_ticks(ranges), live_ticks.count_degraded(connection, ranges), live_ticks.count_without_data(connection, ranges)
    )
    return DayRecord(
        day=name, since=begin, until=until, is_over=True, market=market, simulated=simulated, spans=parts, warmup_ticks=0,
        equity_points=_equity_points(connection, parts), actions=_actions(connection, parts), gates=_gates(connection, ranges, gates),
        ungated=count_decisions(connection, ranges, "binding_gate IS NULL"), intents=tuple(count_intents(connection, ranges).most_common()),
        trading=_trading(connection, ranges), clean_counts=(clean.ticks, clean.degraded, clean.no_data), clean_interval=clean.band,
        fallbacks=_fallbacks(connection, ranges), incidents=_incidents(connection, parts), recoveries=_recoveries(connection, within),
        drills=_drills(connection, within), skill=_skill(connection), skill_at=None if newest is None else int(newest),
        skill_then=_skill_then(connection, parts), runs=runs[:MAX_RUNS], more_runs=len(runs) > MAX_RUNS,
        savings=_savings(connection, runs[:MAX_RUNS]), rule_firings=_rule_firings(connection, within), alerts=_alerts(connection, within),
        engine_starts=_count(connection, "runs WHERE started_at >= :begin AND started_at < :until", within),
        models_trained=_count(connection, "artifacts WHERE trained_at >= :begin AND trained_at < :until", within),
        commands=_count(connection, "commands WHERE at >= :begin AND at < :until", within),
        evolutions=_evolutions(connection, ranges),
    )  # fmt: skip


def _count(connection: Connection, table: str, within: dict[str, Any]) -> int:
    return int(fetch_scalar(connection, f"SELECT count(*) FROM {table}", **within))


def _parts(connection: Connection, begin: int, until: int) -> tuple[SessionPart, ...]:
    """The day's ticks by session, warm-up ticks apart."""
    first = fetch_scalar(connection, "SELECT tick FROM ticks WHERE wall >= :begin ORDER BY wall LIMIT 1", begin=begin)
    last = fetch_scalar(connection, "SELECT tick FROM ticks WHERE wall < :until ORDER BY wall DESC LIMIT 1", until=until)
    if first is None or last is None or first > last:
        return ()
    rows = fetch_all(
        connection,
        "SELECT session, min(tick) AS first, max(tick) AS last, warm, min(at) AS first_at, max(at) AS last_at, max(drawdown) AS drawdown "
        "FROM ticks WHERE tick >= :first AND tick <= :last GROUP BY session, warm ORDER BY first",
        first=int(first), last=int(last),
    )  # fmt: skip
    return tuple(_valued(connection, SessionPart(**dict(row) | {"warm": bool(row["warm"]), "equity": None, "benchmark": None})) for row in rows)


def _truncated_at(connection: Connection, begin: int, until: int) -> int | None:
    """The wall time of the oldest stored tick, where it is on the day and pruning has dropped earlier ones."""
    first = fetch_first(connection, "SELECT tick, wall FROM ticks ORDER BY tick LIMIT 1")
    return int(first["wall"]) if first is not None and first["tick"] > 0 and begin < first["wall"] < until else None


def _valued(connection: Connection, part: SessionPart) -> SessionPart:
    """Add the account before the part's first tick (at it where the session begins there) and after its last."""
    before = fetch_first(
        connection, "SELECT equity, benchmark, account FROM ticks WHERE session = :session AND tick IN (:before, :first) ORDER BY tick LIMIT 1",
        session=part.session, before=part.first - 1, first=part.first,
    )  # fmt: skip
    after = fetch_first(connection, "SELECT equity, benchmark, account FROM ticks WHERE tick = :last", last=part.last)
    if before is None or after is None:
        return part
    equity, benchmark = ((before[name], after[name]) for name in ("equity", "benchmark"))
    carry_after = parse_carry(after["account"])
    earlier, later = (sum(part or 0.0 for part in carry) for carry in (parse_carry(before["account"]), carry_after))
    return replace(
        part, equity=None if None in equity else equity, benchmark=None if None in benchmark else benchmark,
        carry=None if None in carry_after else later - earlier,
    )  # fmt: skip


def _market(connection: Connection, parts: tuple[SessionPart, ...]) -> tuple[str, bool, tuple[str, ...]]:
    """The market's label, whether it is simulated, and the gates' names."""
    session = fetch_first(
        connection, "SELECT label, simulated, gates FROM sessions WHERE id = coalesce(:session, (SELECT max(id) FROM sessions))",
        session=parts[-1].session if parts else None,
    )  # fmt: skip
    if session is None:
        return "No market yet", False, ()
    return str(session["label"]), bool(session["simulated"]), tuple(str(gate["name"]) for gate in json.loads(session["gates"] or "[]"))


def _equity_points(connection: Connection, parts: tuple[SessionPart, ...]) -> tuple[tuple[int, float, float], ...]:
    """The last session's equity and benchmark at up to 96 ticks."""
    if not parts:
        return ()
    picked = live_ticks.spaced(parts[-1].first, parts[-1].last, EQUITY_POINTS)
    sql = "SELECT t.wall, t.equity, t.benchmark FROM json_each(:picked) p JOIN ticks t ON t.tick = p.value ORDER BY t.tick"
    points = [(int(row["wall"]), row["equity"], row["benchmark"]) for row in fetch_all(connection, sql, picked=json.dumps(picked))]
    return tuple(point for point in points if None not in point)


def _actions(connection: Connection, parts: tuple[SessionPart, ...]) -> tuple[ActionCounts, ...]:
    """Decisions by symbol. Every tick decides each symbol of its session; decisions that acted have an index, the rest held."""
    counts: defaultdict[str, dict[str, int]] = defaultdict(lambda: {"buy": 0, "sell": 0, "hold": 0})
    for part in parts:
        symbols = fetch_scalar(connection, "SELECT symbols FROM sessions WHERE id = :session", session=part.session)
        for symbol in json.loads(symbols or "[]"):
            counts[symbol]["hold"] += part.ticks
        sql = """SELECT symbol, action, count(*) AS n FROM decisions WHERE action <> 'hold' AND tick >= :first AND tick <= :last
                 GROUP BY symbol, action"""
        for row in fetch_all(connection, sql, first=part.first, last=part.last):
            counts[row["symbol"]][row["action"]] += row["n"]
            counts[row["symbol"]]["hold"] -= row["n"]
    return tuple(ActionCounts(symbol, **by_action) for symbol, by_action in counts.items())


def _gates(connection: Connection, ranges: TickRanges, names: tuple[str, ...]) -> tuple[GateSummary, ...]:
    """How often each gate bound, most often first, with its declined-trade P&L."""
    declined = {str(row["gate"]): row for row in fetch_all(connection, "SELECT gate, n, mean_bps, low, high FROM declined")}
    gates = []
    for name in dict.fromkeys((*names, *declined)):
        row = declined.get(name)
        figures = None if row is None else (row["mean_bps"], row["low"], row["high"])
        n = count_decisions(connection, ranges, "binding_gate = :gate", gate=name)
        gates.append(GateSummary(name, n, None if figures is None or None in figures else figures, 0 if row is None else row["n"]))
    return tuple(sorted(gates, key=lambda gate: -gate.n))


def _trading(connection: Connection, ranges: TickRanges) -> TradingCosts:
    sql = """
        SELECT count(CASE WHEN size > 0 THEN 1 END) AS fills, count(CASE WHEN size = 0 THEN 1 END) AS unfilled, total(size * price) AS turnover,
               total(size * price * fee_bps / 1e4) AS fee, total(size * price * spread_bps / 1e4) AS spread,
               total(size * price * impact_bps / 1e4) AS impact, total(realised) AS realised
        FROM fills WHERE tick >= :first AND tick <= :last"""
    sums: Counter[str] = Counter(dict.fromkeys(("fills", "unfilled", "turnover", "fee", "spread", "impact", "realised"), 0))
    for first, last in ranges:
        sums.update(dict(fetch_first(connection, sql, first=first, last=last) or {}))
    return TradingCosts(**sums)


def _fallbacks(connection: Connection, ranges: TickRanges) -> tuple[tuple[str, int], ...]:
    sql = """SELECT j.value AS phase, count(*) AS n FROM ticks t CROSS JOIN json_each(t.degraded) j
             WHERE t.degraded <> '[]' AND t.tick >= :first AND t.tick <= :last GROUP BY j.value"""
    counts: defaultdict[str, int] = defaultdict(int)
    for first, last in ranges:
        for row in fetch_all(connection, sql, first=first, last=last):
            counts[str(row["phase"])] += row["n"]
    return tuple(sorted(counts.items(), key=lambda count: -count[1]))


def _incidents(connection: Connection, parts: tuple[SessionPart, ...]) -> tuple[tuple[str, int, int], ...]:
    """Incidents that began in the market time of the day's ticks: kind, count, symbols."""
    sql = """SELECT kind, count(*) AS n, count(DISTINCT symbol) AS symbols FROM incidents
             WHERE session = :session AND since >= :first AND since <= :last GROUP BY kind ORDER BY n DESC, kind LIMIT 40"""
    return tuple(
        (row["kind"], row["n"], row["symbols"])
        for part in parts
        for row in fetch_all(connection, sql, session=part.session, first=part.first_at, last=part.last_at)
    )


def _recoveries(connection: Connection, within: dict[str, Any]) -> tuple[RecoverySummary, ...]:
    sql = f"""SELECT at, component, fault, how AS remedy, tries AS attempts, (recovered_at - at) / 1e9 AS seconds FROM recoveries
             WHERE at >= :begin AND at < :until ORDER BY id DESC LIMIT {LISTED}"""
    return tuple(RecoverySummary(**row) for row in fetch_all(connection, sql, **within))


def _drills(connection: Connection, within: dict[str, Any]) -> tuple[tuple[int, bool, float | None, str], ...]:
    sql = f"SELECT at, passed, seconds, detail FROM drills WHERE at >= :begin AND at < :until ORDER BY id DESC LIMIT {LISTED}"
    drills = (parse_drill(**row) for row in fetch_all(connection, sql, **within))
    return tuple((drill.at, drill.passed, drill.seconds, "; ".join(f"{check.name}: {check.detail}" for check in drill.checks)) for drill in drills)


def _skill(connection: Connection) -> tuple[SkillSummary, ...]:
    """The ensemble at every horizon, over the session and recently, and every model at the first horizon."""
    sql = """SELECT CASE WHEN scope = 'recent' THEN model || ', recent' ELSE model END AS model, horizon, r2, low, high, n, n_effective FROM skill
             WHERE regime = 'all' AND (scope IN ('ensemble', 'recent') OR horizon = (SELECT min(horizon) FROM skill))
             ORDER BY scope = 'model', scope, skill.model, horizon LIMIT 40"""
    return tuple(SkillSummary(**row) for row in fetch_all(connection, sql))


def _skill_then(connection: Connection, parts: tuple[SessionPart, ...]) -> tuple[tuple[int, float | None, float | None], ...]:
    """Estimate and lower bound by horizon at the day's last tick."""
    if not parts:
        return ()
    sql = "SELECT t.skill, s.horizons FROM ticks t JOIN sessions s ON s.id = t.session WHERE t.tick = :last"
    row = fetch_first(connection, sql, last=parts[-1].last)
    if row is None:
        return ()
    skill = json.loads(row["skill"])
    return tuple(zip(json.loads(row["horizons"]), skill["estimate"], skill["low"], strict=True))


def _runs(connection: Connection, within: dict[str, Any]) -> tuple[RunSummary, ...]:
    sql = f"""SELECT at, action, coalesce("trigger", 'by hand') AS "trigger", mode, placebo, coalesce(metric, '') AS metric,
                     coalesce(unit, '') AS unit, effect, low, high, coalesce(windows, 1) AS windows, verdict, undone, amount,
                     coalesce(amount_unit, '') AS amount_unit, before, after
              FROM trials WHERE at >= :begin AND at < :until ORDER BY id DESC LIMIT {MAX_RUNS + 1}"""
    rows = fetch_all(connection, sql, **within)
    return tuple(RunSummary(**dict(row) | {"placebo": bool(row["placebo"]), "undone": bool(row["undone"])}) for row in rows)


def _savings(connection: Connection, runs: tuple[RunSummary, ...]) -> tuple[MetricSavings, ...]:
    directions = {str(row["cures"]): row["better"] for row in fetch_all(connection, "SELECT cures, better FROM actions")}
    return sum_proved_effects(runs, directions)


def _rule_firings(connection: Connection, within: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    sql = """SELECT rule, count(*) AS n FROM
             (SELECT rule FROM triggers WHERE at >= :begin AND at < :until AND state = 'fired' LIMIT 100000) GROUP BY rule ORDER BY n DESC, rule"""
    return tuple((row["rule"], row["n"]) for row in fetch_all(connection, sql, **within))


def _evolutions(connection: Connection, ranges: TickRanges) -> tuple[EvolutionSummary, ...]:
    """The changes of models that began or were decided within these ticks."""
    sql = f"""SELECT began, "trigger" AS "trigger", detail, strategy, model, version, state, evidence, threshold FROM
              (SELECT * FROM evolutions ORDER BY id DESC LIMIT 5000)
              WHERE (began BETWEEN :first AND :last) OR (decided BETWEEN :first AND :last) ORDER BY id DESC LIMIT {LISTED}"""
    rows = [EvolutionSummary(**row) for first, last in reversed(ranges) for row in fetch_all(connection, sql, first=first, last=last)]
    return tuple(dict.fromkeys(rows))[:LISTED]


def _alerts(connection: Connection, within: dict[str, Any]) -> tuple[AlertSummary, ...]:
    """Alerts that were open at some time of the day: those still open first, the most severe of them first."""
    sql = f"""SELECT at, rule, severity, message, resolved_at, acked_by FROM
              (SELECT * FROM alerts WHERE at < :until ORDER BY id DESC LIMIT 5000)
              WHERE at >= :begin OR resolved_at IS NULL OR resolved_at >= :begin
              ORDER BY resolved_at IS NOT NULL, severity <> 'critical', severity <> 'warning', id DESC LIMIT {LISTED}"""
    return tuple(AlertSummary(**row) for row in fetch_all(connection, sql, **within))
