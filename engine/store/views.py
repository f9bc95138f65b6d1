"""The SQL of the views that other tools may rely on. The views are recreated whenever their SQL changes."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection

from engine.domain.intents import FLAT

# The intent of a decision `d`, as engine.domain.intents has it.
INTENT_SQL = f"""CASE WHEN coalesce(d.position, 0.0) = coalesce(d.target, 0.0) THEN 'hold'
     WHEN abs(coalesce(d.target, 0.0)) <= {FLAT!r} THEN 'close'
     WHEN abs(coalesce(d.position, 0.0)) <= {FLAT!r} OR d.position * d.target < 0.0 THEN 'open'
     WHEN abs(d.target) > abs(d.position) THEN 'add' ELSE 'cut' END"""

# CROSS JOIN keeps the order of the tables, decisions first: the newest few then cost the same however many there are.
# The outcome is the log return over the decision's horizon, where both ends have a bar.
_DECISIONS = f"""
SELECT d.tick, d.at, d.symbol, d.action, {INTENT_SQL} AS intent, d.target, d.position, d.confidence, d.edge_bps, d.cost_bps, d.binding_gate,
       d.degraded, d.regime,
       CASE WHEN d.fresh = 1 THEN (f.log_price - d.log_price) * 10000.0 END AS outcome_bps, t.ms AS tick_ms
FROM decisions d
CROSS JOIN ticks t ON t.tick = d.tick
LEFT JOIN decisions f ON f.tick = d.tick + d.horizon AND f.symbol = d.symbol AND f.session = d.session AND f.fresh = 1
"""

_GATES = """
SELECT d.tick, d.at, d.symbol, v.key + 1 AS rung,
       coalesce(json_extract(d.gates, '$.names[' || v.key || ']'), json_extract(s.gates, '$[' || v.key || '].name')) AS gate, v.value AS value,
       json_extract(d.gates, '$.limit[' || v.key || ']') AS threshold, json_extract(d.gates, '$.passed[' || v.key || ']') AS passed
FROM decisions d
CROSS JOIN sessions s ON s.id = d.session
CROSS JOIN json_each(d.gates, '$.value') v
"""

_VOTES = """
SELECT d.tick, d.symbol, json_extract(s.horizons, '$[' || h.key || ']') AS horizon, json_extract(s.models, '$[' || m.key || ']') AS model,
       (SELECT a.version FROM artifacts a WHERE a.digest = json_extract(t.serving, '$[' || m.key || ']') AND a.session = t.session
           AND a.serves_from <= t.tick ORDER BY a.serves_from DESC LIMIT 1) AS version,
       h.value AS mean, json_extract(d.votes, '$.trust[' || m.key || '][' || h.key || ']') AS trust,
       json_extract(t.weights, '$[' || m.key || '][' || h.key || ']') AS weight
FROM decisions d
CROSS JOIN ticks t ON t.tick = d.tick
CROSS JOIN sessions s ON s.id = d.session
CROSS JOIN json_each(d.votes, '$.mean') m
CROSS JOIN json_each(m.value) h
"""

_SPANS = """
SELECT t.tick, json_extract(p.value, '$[0]') AS phase, json_extract(p.value, '$[1]') AS start_ms, json_extract(p.value, '$[2]') AS ms,
       json_extract(p.value, '$[3]') AS fallback, json_extract(p.value, '$[4]') AS error
FROM ticks t
JOIN json_each(t.spans) p
"""

_FILLS = "SELECT tick, at, symbol, side, size, price, mid, fee_bps, cost_bps FROM fills WHERE size > 0"

_POSITIONS = "SELECT tick, at, symbol, units AS size, entry, mark FROM decisions WHERE units <> 0"

_EQUITY = "SELECT tick, at, equity, benchmark, drawdown FROM ticks"

_REGIMES = """
SELECT d.tick, d.at, d.symbol, json_extract(s.regimes, '$[' || r.key || ']') AS regime, r.value AS probability
FROM decisions d
CROSS JOIN sessions s ON s.id = d.session
CROSS JOIN json_each(d.regimes) r
"""

_SKILL = "SELECT scope, model, horizon, regime, r2, low, high, n, n_effective FROM skill"

# The champion serves at the newest tick; of a model that rests, it is the version that serves again. A challenger races in a contest or waits for its
# first tick; any other version that predicts without a vote is a shadow. Skill is that of the champion's place.
_MODELS = """
WITH last AS (SELECT coalesce(max(tick), -1) AS tick, coalesce(max(session), -1) AS session FROM
         (SELECT tick, session FROM ticks ORDER BY tick DESC LIMIT 1)),
     now AS (SELECT coalesce(max(id), -1) AS session FROM sessions),
     places AS (SELECT m.value AS model, json_extract(t.serving, '$[' || m.key || ']') AS digest
         FROM ticks t JOIN last ON last.tick = t.tick JOIN sessions s ON s.id = t.session JOIN json_each(s.models) m),
     shadows AS (SELECT d.value AS digest FROM ticks t JOIN last ON last.tick = t.tick JOIN json_each(t.shadows) d),
     ranked AS (
         SELECT a.*, CASE
             WHEN a.session <> now.session THEN 'retired'
             WHEN a.serves_from <= last.tick AND a.id = (SELECT b.id FROM artifacts b LEFT JOIN places p ON p.model = b.model
                 WHERE b.model = a.model AND b.session = a.session AND b.serves_from <= last.tick AND b.digest = coalesce(p.digest, b.digest)
                 ORDER BY b.serves_from DESC, b.id DESC LIMIT 1) THEN 'champion'
             WHEN a.serves_from > last.tick OR EXISTS (SELECT 1 FROM evolutions e
                 WHERE e.session = a.session AND e.state IN ('training', 'racing') AND instr(', ' || e.version || ',', ', ' || a.version || ',') > 0)
                 THEN 'challenger'
             WHEN a.digest IN (SELECT digest FROM shadows) THEN 'shadow'
             ELSE 'retired' END AS role
         FROM artifacts a, last, now)
SELECT r.model, r.version, r.role, r.trained_at, r.trained_from AS train_from, r.trained_to AS train_to, r.digest, k.r2, k.low, k.high, k.n
FROM ranked r
JOIN sessions s ON s.id = r.session
LEFT JOIN skill k ON r.role = 'champion' AND k.scope = 'model' AND k.model = r.model AND k.regime = 'all'
    AND k.horizon = json_extract(s.horizons, '$[0]')
"""

_EVOLUTIONS = """
SELECT id, at, "trigger", detail, strategy, model, nullif(version, '') AS version, nullif(parent, '') AS parent, state, evidence, threshold,
       decided_at
FROM evolutions
"""

# The finest tier that covers each time: raw readings as long as they are stored, means of longer and longer buckets before that.
_READINGS = """
SELECT at, source, name, value, unit FROM readings_raw
UNION ALL
SELECT t.at, s.source, s.name, t.mean AS value, s.unit FROM series s CROSS JOIN readings_ten t ON t.series = s.id
WHERE t.at < coalesce((SELECT min(at) / 60000000000 * 60000000000 FROM readings_raw), 9223372036854775807)
UNION ALL
SELECT t.at, s.source, s.name, t.mean AS value, s.unit FROM series s CROSS JOIN readings_minute t ON t.series = s.id
WHERE t.at < coalesce((SELECT min(at) / 60000000000 * 60000000000 FROM readings_raw), 9223372036854775807)
    AND NOT EXISTS (SELECT 1 FROM readings_ten f WHERE f.series = t.series AND f.at >= t.at AND f.at < t.at + 60000000000)
UNION ALL
SELECT t.at, s.source, s.name, t.mean AS value, s.unit FROM series s CROSS JOIN readings_hour t ON t.series = s.id
WHERE t.at + 3600000000000 <= coalesce((SELECT min(at) FROM readings_raw), 9223372036854775807)
    AND NOT EXISTS (SELECT 1 FROM readings_minute f WHERE f.series = t.series AND f.at >= t.at AND f.at < t.at + 3600000000000)
"""

_COMPONENTS = "SELECT component, state, since, last_error FROM components"

_TRIALS = 'SELECT id, at, action, "trigger", mode, placebo, metric, before, after, effect, low, high, verdict, undone FROM trials'

# Only randomised runs count: a person runs an action when a metric is high, and a high metric tends to fall anyway.
_ACTIONS = """
SELECT a.action, a.kind, a.cures, a.mode, a.licence, count(t.id) AS trials,
       count(CASE WHEN t.verdict = 'helped' THEN 1 END) AS helped,
       count(CASE WHEN t.verdict = 'no measurable effect' THEN 1 END) AS no_effect,
       count(CASE WHEN t.verdict = 'harmed' THEN 1 END) AS harmed
FROM actions a
LEFT JOIN trials t ON t.action = a.action AND t.placebo = 0 AND t.mode <> 'manual'
GROUP BY a.action, a.kind, a.cures, a.mode, a.licence
"""

_TRIGGERS = "SELECT id, at, rule, kind, metric, value, threshold, state FROM triggers"

_ALERTS = "SELECT id, at, rule, severity, state, message, acked_by FROM alerts"

_INCIDENTS = "SELECT id, kind, symbol, since, until, detail FROM incidents"

_LIQUIDITY_FORECAST = "SELECT measure, r2, low, high, n, n_effective FROM liquidity_forecast"

_DECLINED = "SELECT gate, n, mean_bps, low, high, n_effective FROM declined"

_COMMANDS = 'SELECT id, at, name, args, "by", reason, status, result FROM commands'

_AUDIT = 'SELECT id, at, who, origin, kind, subject, why, "before", "after", digest FROM audit'

_STREAMS = """
SELECT symbol, stream, state, last_at, messages, messages_per_second, reconnects, gaps, late_trades, revised_candles, filled_bars,
       latency_p50_ms, latency_p99_ms, problem, problem_since
FROM stream_status
"""

_BOTS = """
SELECT b.id AS number, b.name AS bot, b.session, b.sender, b.state, b.added_at AS at, b.last_at, b.intents, b.late, b.refused, b.tick, b.equity,
       b.own_gain, b.engine_gain, b.pairs, b.mean_gain * 10000.0 AS mean_gain_bps, b.log_e_better, b.log_e_worse, b.log_threshold, b.verdict,
       b.verdict_tick
FROM bots b
"""

_INTENTS = """
SELECT i.id, b.name AS bot, i.symbol, i.target, i.bar, i.sent_for, i.at, i.tick
FROM bot_intents i JOIN bots b ON b.id = i.bot
"""

VIEWS: dict[str, dict[str, str]] = {  # by dialect
    "sqlite": {
        "v_decisions": _DECISIONS, "v_gates": _GATES, "v_votes": _VOTES, "v_spans": _SPANS, "v_fills": _FILLS, "v_positions": _POSITIONS,
        "v_equity": _EQUITY, "v_regimes": _REGIMES, "v_skill": _SKILL, "v_models": _MODELS, "v_evolutions": _EVOLUTIONS, "v_readings": _READINGS,
        "v_components": _COMPONENTS, "v_trials": _TRIALS, "v_actions": _ACTIONS, "v_alerts": _ALERTS, "v_commands": _COMMANDS,
        "v_incidents": _INCIDENTS, "v_liquidity_forecast": _LIQUIDITY_FORECAST, "v_declined": _DECLINED, "v_triggers": _TRIGGERS,
        "v_streams": _STREAMS, "v_audit": _AUDIT, "v_bots": _BOTS, "v_intents": _INTENTS,
    },
}  # fmt: skip


def list_views() -> tuple[str, ...]:
    """The names of the views."""
    return tuple(VIEWS["sqlite"])


def digest_views(dialect: str) -> str:
    """A digest that changes with the SQL of any view."""
    return hashlib.blake2b(repr(sorted(VIEWS[dialect].items())).encode(), digest_size=8).hexdigest()


def recreate_views(connection: Connection) -> None:
    """Recreate every view, inside the caller's transaction."""
    dialect = connection.dialect.name
    for name, body in VIEWS[dialect].items():
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {body}")
