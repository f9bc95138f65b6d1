"""A day as the store has it: what it takes to report on it, read in one snapshot."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from engine.domain.optimization import MANUAL
from engine.evidence.effects import MeasuredEffect, is_effect_proved, sum_effects
from engine.evidence.proportions import wilson_interval
from engine.report.day import (
    LISTED,
    ActionCounts,
    AlertSummary,
    DayRecord,
    GateSummary,
    MetricSavings,
    RecoverySummary,
    RunSummary,
    SessionPart,
    SkillSummary,
    TradingCosts,
)
from engine.store.read.reader import Reader, fetch_all, fetch_first
from engine.store.read.status import parse_carry
from engine.store.views import INTENT_SQL
from engine.store.write.alerts import parse_drill

DAY = 86_400_000_000_000  # ns
EQUITY_POINTS = 96  # of the line of equity
MAX_RUNS = 1_000


@dataclass(frozen=True, slots=True)
class TickPeriod:
    """The wall times of the first and last tick kept, ns UTC."""

    first: int
    last: int


def find_tick_period(reader: Reader) -> TickPeriod | None:
    """Between when and when there are ticks; None before the first."""
    with reader.reading() as connection:
        first, last = (fetch_first(connection, f"SELECT wall FROM ticks ORDER BY wall {way} LIMIT 1") for way in ("", "DESC"))
    return None if first is None or last is None else TickPeriod(int(first[0]), int(last[0]))


def read_day(reader: Reader, begin: int, now: int, name: str) -> DayRecord | None:
    """The day that begins at `begin` (ns UTC), as far as it has come by `now`; None where nothing at all happened on it."""
    until = min(begin + DAY, now)
    with reader.reading() as connection:
        every = _spans(connection, begin, until)
        live = tuple(span for span in every if not span.warm)
        told = _day(connection, name, begin, until, live or every)
        told = replace(
            told, is_over=begin + DAY <= now, warmup_ticks=sum(span.ticks for span in every) - told.ticks, truncated_at=_cut(connection, begin, until)
        )
    happened = told.spans or told.runs or told.alerts or told.engine_starts or told.commands or told.recoveries or told.rule_firings
    return told if happened else None


def _day(connection: Connection, name: str, begin: int, until: int, spans: tuple[SessionPart, ...]) -> DayRecord:
    within: dict[str, Any] = {"begin": begin, "until": until}
    market, simulated, gates = _market(connection, spans)
    newest = fetch_first(connection, "SELECT max(tick) FROM ticks")
    bound, ungated = _gates(connection, spans, gates)
    runs = _runs(connection, within)
    honest = _honest(connection, spans)
    return DayRecord(
        day=name, since=begin, until=until, is_over=True, market=market, simulated=simulated, spans=spans, warmup_ticks=0,
        equity_points=_line(connection, spans), actions=_acted(connection, spans), gates=bound, ungated=ungated,
        intents=_intents(connection, spans), trading=_trading(connection, spans),
        clean_counts=honest, clean_interval=wilson_interval(1.0 - honest[1] / honest[0], honest[0]) if honest[0] else None, fallbacks=_fallbacks(connection, spans),
        incidents=_incidents(connection, spans), recoveries=_recoveries(connection, within), drills=_drills(connection, within),
        skill=_skill(connection), skill_at=None if newest is None or newest[0] is None else int(newest[0]),
        skill_then=_skill_then(connection, spans), runs=runs[:MAX_RUNS], more_runs=len(runs) > MAX_RUNS, savings=_saved(connection, runs[:MAX_RUNS]),
        rule_firings=tuple(fetch_all(connection, "SELECT rule, count(*) FROM (SELECT rule FROM triggers WHERE at >= :begin AND at < :until "
                                         "AND state = 'fired' LIMIT 100000) GROUP BY rule ORDER BY 2 DESC, 1", **within)),
        alerts=_alerts(connection, within),
        engine_starts=_count(connection, "runs WHERE started_at >= :begin AND started_at < :until", within),
        models_trained=_count(connection, "artifacts WHERE trained_at >= :begin AND trained_at < :until", within),
        commands=_count(connection, "commands WHERE at >= :begin AND at < :until", within),
    )  # fmt: skip


def _count(connection: Connection, what: str, within: dict[str, Any]) -> int:
    told = fetch_first(connection, f"SELECT count(*) FROM {what}", **within)
    return int(told[0]) if told else 0


def _spans(connection: Connection, begin: int, until: int) -> tuple[SessionPart, ...]:
    """The day's ticks by session, those of the warm-up apart."""
    first = fetch_first(connection, "SELECT tick FROM ticks WHERE wall >= :begin ORDER BY wall LIMIT 1", begin=begin)
    last = fetch_first(connection, "SELECT tick FROM ticks WHERE wall < :until ORDER BY wall DESC LIMIT 1", until=until)
    if first is None or last is None or first[0] > last[0]:
        return ()
    told = fetch_all(
        connection,
        "SELECT session, min(tick), max(tick), warm, min(at), max(at), max(drawdown) FROM ticks WHERE tick >= :first AND tick <= :last "
        "GROUP BY session, warm ORDER BY 2",
        first=int(first[0]), last=int(last[0]),
    )  # fmt: skip
    return tuple(_valued(connection, SessionPart(row[0], row[1], row[2], bool(row[3]), row[4], row[5], row[6], None, None)) for row in told)


def _cut(connection: Connection, begin: int, until: int) -> int | None:
    """When the first tick that is kept was decided, where that is on the day and retention has dropped those before it."""
    first = fetch_first(connection, "SELECT tick, wall FROM ticks ORDER BY tick LIMIT 1")
    return int(first[1]) if first is not None and first[0] > 0 and begin < first[1] < until else None


def _valued(connection: Connection, span: SessionPart) -> SessionPart:
    """With the account before its first tick, or at it where the session began there, and after its last."""
    before = fetch_first(
        connection, "SELECT equity, naive, account FROM ticks WHERE session = :session AND tick IN (:before, :first) ORDER BY tick LIMIT 1",
        session=span.session, before=span.first - 1, first=span.first,
    )  # fmt: skip
    after = fetch_first(connection, "SELECT equity, naive, account FROM ticks WHERE tick = :last", last=span.last)
    if before is None or after is None:
        return span
    equity, hold = ((before[place], after[place]) for place in (0, 1))
    earlier, later = (sum(part or 0.0 for part in parse_carry(found[2])) for found in (before, after))
    return replace(
        span, equity=None if None in equity else equity, benchmark=None if None in hold else hold,
        carry=None if None in parse_carry(after[2]) else later - earlier,
    )  # fmt: skip


def _market(connection: Connection, spans: tuple[SessionPart, ...]) -> tuple[str, bool, tuple[str, ...]]:
    told = fetch_first(
        connection, "SELECT label, simulated, gates FROM sessions WHERE id = coalesce(:session, (SELECT max(id) FROM sessions))",
        session=spans[-1].session if spans else None,
    )  # fmt: skip
    if told is None:
        return "No market yet", False, ()
    return str(told[0]), bool(told[1]), tuple(str(gate["name"]) for gate in json.loads(told[2] or "[]"))


def _line(connection: Connection, spans: tuple[SessionPart, ...]) -> tuple[tuple[int, float, float], ...]:
    """The last session's equity at up to 96 ticks."""
    if not spans:
        return ()
    span = spans[-1]
    picked = sorted(range(span.last, span.first - 1, -max(1, -(-span.ticks // EQUITY_POINTS))))
    sql = "SELECT t.wall, t.equity, t.naive FROM json_each(:picked) p JOIN ticks t ON t.tick = p.value ORDER BY t.tick"
    return tuple((int(at), equity, hold) for at, equity, hold in fetch_all(connection, sql, picked=json.dumps(picked)) if None not in {equity, hold})


def _acted(connection: Connection, spans: tuple[SessionPart, ...]) -> tuple[ActionCounts, ...]:
    """Every tick decides each symbol of its session: those acted on have an index, the rest held."""
    counts: defaultdict[str, dict[str, int]] = defaultdict(lambda: {"buy": 0, "sell": 0, "hold": 0})
    for span in spans:
        symbols = fetch_first(connection, "SELECT symbols FROM sessions WHERE id = :session", session=span.session)
        for symbol in json.loads(symbols[0]) if symbols else ():
            counts[symbol]["hold"] += span.ticks
        sql = "SELECT symbol, action, count(*) FROM decisions WHERE action <> 'hold' AND tick >= :first AND tick <= :last GROUP BY symbol, action"
        for symbol, action, n in fetch_all(connection, sql, first=span.first, last=span.last):
            counts[symbol][action] += n
            counts[symbol]["hold"] -= n
    return tuple(ActionCounts(symbol, told["buy"], told["sell"], told["hold"]) for symbol, told in counts.items())


def _intents(connection: Connection, spans: tuple[SessionPart, ...]) -> tuple[tuple[str, int], ...]:
    """How often each intent was acted on, the commonest first."""
    counts: Counter[str] = Counter()
    sql = f"SELECT {INTENT_SQL}, count(*) FROM decisions d WHERE d.action <> 'hold' AND d.tick >= :first AND d.tick <= :last GROUP BY 1"
    for span in spans:
        counts.update({str(intent): int(n) for intent, n in fetch_all(connection, sql, first=span.first, last=span.last)})
    return tuple(counts.most_common())


def _gates(connection: Connection, spans: tuple[SessionPart, ...], names: tuple[str, ...]) -> tuple[tuple[GateSummary, ...], int]:
    regret = {
        gate: (n, None if None in told else tuple(told))
        for gate, n, *told in fetch_all(connection, "SELECT gate, n, mean_bps, low, high FROM regret")
    }
    bound = []
    for name in dict.fromkeys((*names, *regret)):
        scored, known = regret.get(name, (0, None))
        bound.append(GateSummary(name, _in_spans(connection, spans, "binding_gate = :gate", gate=name), known, scored))
    return tuple(sorted(bound, key=lambda one: -one.n)), _in_spans(connection, spans, "binding_gate IS NULL")


def _in_spans(connection: Connection, spans: tuple[SessionPart, ...], what: str, **params: str) -> int:
    sql = f"SELECT count(*) FROM decisions WHERE {what} AND tick >= :first AND tick <= :last"
    return sum(int((fetch_first(connection, sql, first=span.first, last=span.last, **params) or (0,))[0]) for span in spans)


def _trading(connection: Connection, spans: tuple[SessionPart, ...]) -> TradingCosts:
    sql = """
        SELECT count(CASE WHEN size > 0 THEN 1 END), count(CASE WHEN size = 0 THEN 1 END), total(size * price), total(size * price * fee_bps / 1e4),
               total(size * price * spread_bps / 1e4), total(size * price * impact_bps / 1e4), total(realised)
        FROM fills WHERE tick >= :first AND tick <= :last"""
    told = [fetch_first(connection, sql, first=span.first, last=span.last) or (0,) * 7 for span in spans]
    fills, unfilled, *sums = (sum(row[place] for row in told) for place in range(7))
    return TradingCosts(fills, unfilled, *sums)


def _honest(connection: Connection, spans: tuple[SessionPart, ...]) -> tuple[int, int]:
    sql = "SELECT count(*) FROM ticks WHERE degraded <> '[]' AND tick >= :first AND tick <= :last"
    broken = sum(int((fetch_first(connection, sql, first=span.first, last=span.last) or (0,))[0]) for span in spans)
    return sum(span.ticks for span in spans), broken


def _fallbacks(connection: Connection, spans: tuple[SessionPart, ...]) -> tuple[tuple[str, int], ...]:
    counts: defaultdict[str, int] = defaultdict(int)
    for span in spans:
        sql = """SELECT j.value, count(*) FROM ticks t CROSS JOIN json_each(t.degraded) j
                 WHERE t.degraded <> '[]' AND t.tick >= :first AND t.tick <= :last GROUP BY j.value"""
        for phase, n in fetch_all(connection, sql, first=span.first, last=span.last):
            counts[str(phase)] += n
    return tuple(sorted(counts.items(), key=lambda one: -one[1]))


def _incidents(connection: Connection, spans: tuple[SessionPart, ...]) -> tuple[tuple[str, int, int], ...]:
    """Those that began in the market time of the day's ticks."""
    sql = """SELECT kind, count(*), count(DISTINCT symbol) FROM incidents WHERE session = :session AND since >= :first AND since <= :last
             GROUP BY kind ORDER BY 2 DESC, kind LIMIT 40"""
    return tuple(row for span in spans for row in fetch_all(connection, sql, session=span.session, first=span.first_at, last=span.last_at))


def _recoveries(connection: Connection, within: dict[str, Any]) -> tuple[RecoverySummary, ...]:
    sql = f"""SELECT at, component, fault, how, tries, (recovered_at - at) / 1e9 FROM recoveries WHERE at >= :begin AND at < :until
             ORDER BY id DESC LIMIT {LISTED}"""
    return tuple(RecoverySummary(*row) for row in fetch_all(connection, sql, **within))


def _drills(connection: Connection, within: dict[str, Any]) -> tuple[tuple[int, bool, float | None, str], ...]:
    sql = f"SELECT at, passed, seconds, detail FROM drills WHERE at >= :begin AND at < :until ORDER BY id DESC LIMIT {LISTED}"
    told = (parse_drill(*row) for row in fetch_all(connection, sql, **within))
    return tuple((one.at, one.passed, one.seconds, "; ".join(f"{proof.name}: {proof.detail}" for proof in one.checks)) for one in told)


def _skill(connection: Connection) -> tuple[SkillSummary, ...]:
    """The ensemble at every horizon, over the session and lately, and every model at the first."""
    sql = """SELECT CASE WHEN scope = 'recent' THEN model || ', recent' ELSE model END, horizon, r2, low, high, n, n_effective FROM skill
             WHERE regime = 'all' AND (scope IN ('ensemble', 'recent') OR horizon = (SELECT min(horizon) FROM skill))
             ORDER BY scope = 'model', scope, model, horizon LIMIT 40"""
    return tuple(SkillSummary(*row) for row in fetch_all(connection, sql))


def _skill_then(connection: Connection, spans: tuple[SessionPart, ...]) -> tuple[tuple[int, float | None, float | None], ...]:
    if not spans:
        return ()
    sql = "SELECT t.skill, s.horizons FROM ticks t JOIN sessions s ON s.id = t.session WHERE t.tick = :last"
    told = fetch_first(connection, sql, last=spans[-1].last)
    if told is None:
        return ()
    skill = json.loads(told[0])
    return tuple(zip(json.loads(told[1]), skill["estimate"], skill["low"], strict=True))


def _runs(connection: Connection, within: dict[str, Any]) -> tuple[RunSummary, ...]:
    sql = f"""SELECT at, action, coalesce("trigger", 'by hand'), mode, placebo, coalesce(metric, ''), coalesce(unit, ''), effect, low, high,
                     coalesce(windows, 1), verdict, undone, amount, coalesce(amount_unit, ''), before, after
              FROM trials WHERE at >= :begin AND at < :until ORDER BY id DESC LIMIT {MAX_RUNS + 1}"""
    told = (RunSummary(*row) for row in fetch_all(connection, sql, **within))
    return tuple(replace(one, placebo=bool(one.placebo), undone=bool(one.undone)) for one in told)


def _saved(connection: Connection, runs: tuple[RunSummary, ...]) -> tuple[MetricSavings, ...]:
    """By metric, in the direction that is a gain of it; runs by hand, without a proved effect, or undone, are in no sum.

    The direction is that of the action which cures the metric, else the way it went in a run that helped.
    """
    better = {
        one.metric: 1 if one.effect > 0 else -1
        for one in runs
        if one.verdict == "helped" and one.effect and one.mode != MANUAL and not (one.placebo or one.undone)
    }
    better |= dict(fetch_all(connection, "SELECT cures, better FROM actions"))
    parts: defaultdict[tuple[str, str], list[MeasuredEffect]] = defaultdict(list)
    for one in runs:
        way = better.get(one.metric)
        if one.mode == MANUAL or one.placebo or one.undone or way is None or not is_effect_proved(one.verdict, one.low, one.high):
            continue
        if one.effect is None or one.low is None or one.high is None:
            continue
        low, high = sorted((way * one.low, way * one.high))
        parts[one.metric, one.unit].append(MeasuredEffect(way * one.effect, low, high, max(1, one.windows)))
    found = ((metric, unit, sum_effects(told)) for (metric, unit), told in parts.items())
    return tuple(MetricSavings(metric, unit, told) for metric, unit, told in found if told is not None)


def _alerts(connection: Connection, within: dict[str, Any]) -> tuple[AlertSummary, ...]:
    """Open at some time of the day: those still open first, the worst of them first."""
    sql = f"""SELECT at, rule, severity, message, resolved_at, acked_by FROM
              (SELECT * FROM alerts WHERE at < :until ORDER BY id DESC LIMIT 5000)
              WHERE at >= :begin OR resolved_at IS NULL OR resolved_at >= :begin
              ORDER BY resolved_at IS NOT NULL, severity <> 'critical', severity <> 'warning', id DESC LIMIT {LISTED}"""
    return tuple(AlertSummary(*row) for row in fetch_all(connection, sql, **within))
