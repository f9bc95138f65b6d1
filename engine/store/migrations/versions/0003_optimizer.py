"""Readings in four tiers, what the rules fired, what trials together say of an action, recoveries, drills, and alerts that are delivered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _texts(*names: str, null: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=null) for name in names]


def _wholes(*names: str, null: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=null) for name in names]


def _reals(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Float(53)) for name in names]


def upgrade() -> None:
    """Adds the tables, and columns to those of ticks, trials, actions and alerts."""
    _readings()
    op.create_table(
        "triggers", sa.Column("id", Id, primary_key=True),
        *_wholes("at"), *_texts("rule", "kind", "metric"), *_reals("value", "threshold"), *_texts("state"), *_texts("answer", null=True),
    )  # fmt: skip
    op.create_index("ix_triggers_at", "triggers", ["at"])
    op.create_table("rules", sa.Column("name", sa.Text, primary_key=True), *_texts("data"), *_wholes("changed_at"), *_texts("by", "reason"))
    op.create_table(
        "judgements",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("action", "metric")),
        *_wholes("at"), *_texts("unit"), *_wholes("treated", "placebos"), *_reals("effect", "low", "high"), *_texts("verdict"),
        *_reals("latency", "latency_low", "latency_high", "honest", "honest_low", "honest_high"),
    )  # fmt: skip
    op.create_table(
        "recoveries", sa.Column("id", Id, primary_key=True),
        *_wholes("at"), *_texts("component", "fault"), *_texts("how", null=True), *_wholes("tries"), *_wholes("recovered_at", null=True),
    )  # fmt: skip
    op.create_index("ix_recoveries_at", "recoveries", ["at"])
    op.create_table("drills", sa.Column("id", Id, primary_key=True), *_wholes("at", "passed"), *_reals("seconds"), *_texts("detail"))
    op.create_table("silences", sa.Column("id", Id, primary_key=True), *_wholes("at", "until"), *_texts("rule", "by", "reason"))
    op.create_table(
        "deliveries", sa.Column("id", Id, primary_key=True),
        sa.Column("alert", sa.BigInteger, nullable=False), *_wholes("at"), *_texts("kind", "target", "message", "status"), *_wholes("tries"),
        *_wholes("next_at", "sent_at", null=True), *_texts("error", null=True),
    )  # fmt: skip
    op.create_index("ix_deliveries_status_next_at", "deliveries", ["status", "next_at"])
    op.create_index("uq_deliveries_alert_kind_target", "deliveries", ["alert", "kind", "target"], unique=True)
    for table, column in (
        ("ticks", sa.Column("machine", sa.Text)),
        ("trials", sa.Column("also", sa.Text)), ("trials", sa.Column("chance", sa.Float(53))),
        ("trials", sa.Column("compared", sa.Text)), ("actions", sa.Column("cost", sa.Text)), ("actions", sa.Column("better", sa.BigInteger)),
        ("actions", sa.Column("why", sa.Text)), ("actions", sa.Column("licensed_at", sa.BigInteger)),
        ("alerts", sa.Column("acked_at", sa.BigInteger)), ("alerts", sa.Column("value", sa.Float(53))),
        ("alerts", sa.Column("escalated_at", sa.BigInteger)),
    ):  # fmt: skip
        op.add_column(table, column)
    _count()


def _count() -> None:
    """Counts what is there: from now on every count grows with what it counts."""
    op.create_table(
        "totals", *(sa.Column(name, sa.Text, primary_key=True) for name in ("kind", "one", "two")), sa.Column("value", sa.Float(53)),
        sqlite_with_rowid=False,
    )  # fmt: skip
    acted = "SELECT count(*) FROM decisions WHERE action <> 'hold'"
    bounds = ["0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "10"]
    shorter = " ".join(f"WHEN ms <= {float(bound) * 1e3} THEN '{bound}'" for bound in bounds)
    for query in (
        "SELECT 'decisions', action, '', count(*) FROM decisions WHERE action <> 'hold' GROUP BY action",
        f"SELECT 'decisions', 'hold', '', n FROM (SELECT (SELECT count(*) FROM decisions) - ({acted}) AS n) WHERE n > 0",
        "SELECT 'bound', binding_gate, '', count(*) FROM decisions WHERE binding_gate IS NOT NULL GROUP BY binding_gate",
        f"SELECT 'ticks', CASE {shorter} ELSE '+Inf' END, '', count(*) FROM ticks WHERE ms IS NOT NULL GROUP BY 2",
        "SELECT 'ticks', 'sum', '', sum(ms) / 1000.0 FROM ticks HAVING sum(ms) IS NOT NULL",
        "SELECT 'degraded', '', '', n FROM (SELECT count(*) AS n FROM ticks WHERE degraded <> '[]') WHERE n > 0",
        "SELECT 'fallbacks', j.value, '', count(*) FROM ticks t, json_each(t.degraded) j WHERE t.degraded <> '[]' GROUP BY j.value",
        "SELECT 'fills', side, '', count(*) FROM fills WHERE size > 0 GROUP BY side",
        *(
            f"SELECT 'costs', '{name}', '', sum(size * price * {name}_bps / 10000.0) FROM fills WHERE size > 0 AND {name}_bps > 0 HAVING count(*) > 0"
            for name in ("fee", "spread", "impact")
        ),
        "SELECT CASE WHEN placebo = 1 THEN 'placebos' ELSE 'trials' END, action, verdict, count(*) FROM trials GROUP BY 1, 2, 3",
    ):
        op.execute(f"INSERT INTO totals (kind, one, two, value) {query}")


def _readings() -> None:
    """Rolled-up readings name their series by number; minutes that there are become minutes and hours."""
    op.create_table("series", sa.Column("id", Id, primary_key=True), *_texts("source", "name", "unit"))
    op.create_index("uq_series_source_name", "series", ["source", "name"], unique=True)
    op.rename_table("readings_minute", "minutes_before")
    for table in ("readings_ten", "readings_minute", "readings_hour"):
        op.create_table(
            table,
            *(sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False) for name in ("series", "at")),
            *_reals("low", "mean", "high"), *_wholes("n"),
            sqlite_with_rowid=False,
        )  # fmt: skip
    op.execute("INSERT INTO series (source, name, unit) SELECT source, name, min(unit) FROM minutes_before GROUP BY source, name")
    for table, width in (("readings_minute", 60 * 10**9), ("readings_hour", 3_600 * 10**9)):
        op.execute(
            f"INSERT INTO {table} SELECT s.id, m.at / {width} * {width}, min(m.low), sum(m.mean * m.n) / sum(m.n), max(m.high), sum(m.n) "
            f"FROM series s JOIN minutes_before m ON m.source = s.source AND m.name = s.name GROUP BY s.id, m.at / {width}"
        )
    op.drop_table("minutes_before")
