"""The tables of the store. The migrations create them; the views are based on them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.types import TypeEngine

METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

Tick = BigInteger().with_variant(Integer, "sqlite")  # "INTEGER PRIMARY KEY" is the row itself in SQLite


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _whole(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _real(name: str) -> Column[float]:
    """NaN is stored as NULL, so every real may be missing."""
    return Column(name, Float(53))


def _blob(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


def _key(name: str, kind: TypeEngine[int] | type[Text]) -> Column[int | str]:
    return Column(name, kind, primary_key=True)


def _session() -> Column[int]:
    return Column("session", Integer, ForeignKey("sessions.id"), nullable=False)


SESSIONS = Table(
    "sessions", METADATA,
    _key("id", Tick), _whole("started_at"), _text("identity"), _text("feed"), _text("label"), _text("symbols"), _whole("interval_ns"),
    _text("models"), _text("horizons"), _text("regimes"),
    _text("gates", null=True),  # [{name, sense, unit}], known from the first tick on, like limits and columns
    _text("limits", null=True), _text("columns", null=True), _text("tick_size"), _text("settings"), _text("fingerprint"), _whole("simulated"),
)  # fmt: skip

# A session continues over restarts, maybe with other settings or on another platform: each start is a run.
RUNS = Table(
    "runs", METADATA,
    _key("id", Tick), _session(), _whole("started_at"), _whole("first_tick"), _text("settings"), _text("fingerprint"),
    Index("ix_runs_session", "session"),
)  # fmt: skip

TRADING_CONFIGS = Table("trading_configs", METADATA, _key("digest", Text), _blob("data"))

TICKS = Table(
    "ticks", METADATA,
    _key("tick", Tick), _session(), _whole("at"), _whole("wall"), _whole("warm"), _real("ms"), _text("digest"), _text("phase_digests"),
    _text("degraded"),  # [phase]
    _text("spans"),  # [[phase, start_ms, ms, fallback, error, thread]]
    _real("equity"), _real("cash"), _real("benchmark"), _real("drawdown"), _real("gross"), _real("net"),
    _text("market_state"),  # {correlation, breadth, sentiment, stress}
    _text("verdict"), _text("weights"),  # [M][H]
    _text("skill"),  # {low: [H], estimate: [H]}
    _text("spread_source"), _text("config_digest"), _text("events"),  # [[kind, subject, detail]]
    _text("serving"),  # [digest or null]
    _text("instructions"),  # [[kind, subject, detail]]
    _blob("account"),  # Inputs.account, bit for bit
    _text("machine", null=True),  # {reading: value} of the machine at the decision
    _text("shadows", null=True),  # [digest] of the versions that predict without a vote; NULL for none
    _text("arms", null=True),  # {number of the evolution: [H][S] forecast of the ensemble with that arm}; NULL for none
    Column("no_data", BigInteger, nullable=False, server_default=text("0")),  # 1 for a live tick without a bar of any symbol in time
    _whole("read_at", null=True),  # ns UTC by this machine's clock, when the inputs of a live tick were read; NULL for history and other feeds
    _whole("clock_offset", null=True),  # ns, the exchange's clock less this machine's
    _text("input_ages", null=True),  # [[S], [S]] ms, the age of the newest trade and of the newest book when they were read
    Index("ix_ticks_at", "at"), Index("ix_ticks_wall", "wall"),
    Index("ix_ticks_warm", "tick", sqlite_where=text("warm = 1"), postgresql_where=text("warm = 1")),
    Index("ix_ticks_session_drawdown", "session", "drawdown"),
    Index("ix_ticks_no_data", "tick", sqlite_where=text("no_data = 1"), postgresql_where=text("no_data = 1")),
    Index("ix_ticks_degraded", "tick", sqlite_where=text("degraded <> '[]'"), postgresql_where=text("degraded <> '[]'")),
)  # fmt: skip

MARKET_SNAPSHOTS = Table("market_snapshots", METADATA, _key("tick", Tick), _session(), _whole("at"), _blob("data"), _blob("training_row"))

# A row has about 1.2 kB, so the table has a rowid: without one, SQLite would put most of each row into a separate overflow page.
DECISIONS = Table(
    "decisions", METADATA,
    _key("tick", BigInteger()), _key("symbol", Text), Column("session", Integer, nullable=False), _whole("at"), _text("action"),
    _real("target"), _real("position"), _real("confidence"), _real("edge_bps"), _real("cost_bps"), _text("binding_gate", null=True),
    _whole("degraded"), _text("regime"), _whole("horizon"),  # bars
    _real("price"), _real("log_price"), _real("sigma_bps"), _real("spread_bps"), _real("fee_bps"), _real("impact_bps"), _text("execution"),
    _real("edge_to_flip_bps"), _real("delta"), _real("units"), _real("entry"), _real("mark"), _whole("fresh"),
    _text("forecast"),  # {mean, low, high, probability, scale: [H]}
    _text("gates"),  # {value, limit, passed: [G]}, and names: [G] where the gates are not those of the session
    _text("votes"),  # {mean, trust: [M][H]}
    _text("limits"),  # [L + 1]
    _text("regimes"),  # [R]
    _text("micro"),  # {imbalance, micro_price, depth, pressure, amihud}
    Index("ix_decisions_binding_gate_tick", "binding_gate", "tick"),
    Index(
        "ix_decisions_acted", "tick", "symbol", "position", "target",
        sqlite_where=text("action <> 'hold'"), postgresql_where=text("action <> 'hold'"),
    ),
)  # fmt: skip

FILLS = Table(
    "fills", METADATA,
    _key("id", Tick), _whole("tick"), _whole("at"), _text("symbol"), _text("side"), _real("size"), _real("unfilled"), _real("price"), _real("mid"),
    _real("fee_bps"), _real("spread_bps"), _real("impact_bps"), _real("cost_bps"), _real("realised"),
    Index("ix_fills_tick", "tick"), Index("ix_fills_symbol_tick", "symbol", "tick"),
)  # fmt: skip

CHECKPOINTS = Table("checkpoints", METADATA, _key("tick", Tick), _session(), _blob("data"))

# Two trainings may give the same bytes (a model with nothing to fit) under two versions.
ARTIFACTS = Table(
    "artifacts", METADATA,
    _key("id", Tick), _text("digest"), _text("model"), _text("version"), _whole("trained_from"), _whole("trained_to"), _whole("rows"),
    _real("seconds"), _text("columns"), _whole("serves_from"), _session(), _whole("trained_at"), _blob("data"),
    _text("recipe"),  # JSON, "" for the default recipe of the model, as in rows from before there were others
    _text("origin"),  # trigger of the training, with the number of the evolution it belongs to; "" where unknown
    Index("uq_artifacts_session_version", "session", "version", unique=True), Index("ix_artifacts_digest", "digest"),
    Index("ix_artifacts_model_serves_from", "model", "serves_from"),
)  # fmt: skip

SKILL = Table(
    "skill", METADATA,
    _key("scope", Text), _key("model", Text), _key("horizon", Integer()), _key("regime", Text),
    _real("r2"), _real("low"), _real("high"), _whole("n"), _real("n_effective"),
    sqlite_with_rowid=False,
)  # fmt: skip

# A data fault: `since` is the first bar close with it, `until` the first without it, NULL while it lasts.
INCIDENTS = Table(
    "incidents", METADATA,
    _key("id", Tick), _session(), _text("kind"), _text("symbol"), _whole("since"), _whole("until", null=True), _text("detail"),
    Index("uq_incidents_session_kind_symbol_since", "session", "kind", "symbol", "since", unique=True),
)  # fmt: skip

LIQUIDITY_FORECAST = Table(
    "liquidity_forecast", METADATA, _key("measure", Text), _real("r2"), _real("low"), _real("high"), _whole("n"), _real("n_effective")
)

DECLINED = Table("declined", METADATA, _key("gate", Text), _whole("n"), _real("mean_bps"), _real("low"), _real("high"), _real("n_effective"))

# The rows of skill, declined and liquidity_forecast as each tick stored them: those tables have the newest only.
ESTIMATES = Table(
    "estimates", METADATA,
    _key("kind", Text), _key("tick", BigInteger()), _text("rows"),  # name of the table; [[value of each column]]
)  # fmt: skip

EVOLUTIONS = Table(
    "evolutions", METADATA,
    _key("id", Tick), _session(), _whole("number"), _whole("at"), _whole("began"),  # bar time and tick of the trigger
    _text("trigger"), _text("detail"), _text("strategy"), _text("model"), _text("version"), _text("parent"), _text("state"), _text("verdict"),
    _real("evidence"), _real("threshold"),  # e-values
    _whole("decided_at", null=True), _whole("decided", null=True),  # bar time and tick of the verdict
    Index("uq_evolutions_session_number", "session", "number", unique=True),
)  # fmt: skip

# At most write.evolution.MAX_POINTS for each evolution and horizon.
CONTEST_POINTS = Table(
    "contest_points", METADATA,
    _key("session", BigInteger()), _key("number", BigInteger()), _key("horizon", BigInteger()), _key("tick", BigInteger()), _real("r2_gain"),
    _real("not_better"), _real("not_worse"), _real("worse_than_margin"), _real("better_than_margin"), _real("threshold"),  # log e-values
    _whole("blocks"), _whole("clipped"), _whole("differing"), _real("differing_bps"),
    sqlite_with_rowid=False,
)  # fmt: skip

# The newest search for findings and the newest test for drift; the tick of each is in meta.
FINDINGS = Table(
    "findings", METADATA,
    _key("dimension", Text), _key("condition", Text), _key("horizon", BigInteger()), _key("measure", Text), _text("unit"),
    _real("estimate"), _real("low"), _real("high"), _whole("n"), _real("q"),
)  # fmt: skip

DRIFT = Table(
    "drift", METADATA,
    _key("subject", Text), _key("column", Text), _real("ks"), _real("q"), _text("place"), _whole("drifted"),
)  # fmt: skip

READINGS_RAW = Table(
    "readings_raw", METADATA,
    _key("at", BigInteger()), _key("source", Text), _key("name", Text), _real("value"), _text("unit"),
    sqlite_with_rowid=False,
)  # fmt: skip


# Series of readings by number, which makes a rolled-up reading a third of the size.
SERIES = Table(
    "series", METADATA, _key("id", Tick), _text("source"), _text("name"), _text("unit"), Index("uq_series_source_name", "source", "name", unique=True)
)


def _rolled_up(name: str) -> Table:
    return Table(
        name, METADATA,
        _key("series", BigInteger()), _key("at", BigInteger()), _real("low"), _real("mean"), _real("high"), _whole("n"),
        sqlite_with_rowid=False,
    )  # fmt: skip


READINGS_TEN, READINGS_MINUTE, READINGS_HOUR = (_rolled_up(name) for name in ("readings_ten", "readings_minute", "readings_hour"))

COMPONENTS = Table("components", METADATA, _key("component", Text), _text("state"), _whole("since"), _text("last_error", null=True), _whole("beat"))

# The streams of a live market as they are now; every report replaces all rows.
STREAM_STATUS = Table(
    "stream_status", METADATA,
    _key("symbol", Text), _key("stream", Text), _text("state"), _whole("last_at", null=True), _whole("messages"), _real("messages_per_second"),
    _whole("reconnects"), _whole("gaps"), _whole("late_trades"), _whole("revised_candles"), _whole("filled_bars"),
    _real("latency_p50_ms"), _real("latency_p99_ms"), _text("problem", null=True), _whole("problem_since", null=True),
    sqlite_with_rowid=False,
)  # fmt: skip

COMMANDS = Table(
    "commands", METADATA,
    _key("id", Tick), _whole("at"), _text("name"), _text("args"),  # {name: value}
    _text("by"), _text("reason"), _text("status"),  # queued, running, done, failed
    _text("result", null=True), _whole("started_at", null=True), _whole("finished_at", null=True), _real("progress"), _text("note", null=True),
    _text("origin", null=True),  # where it comes from: command line, dashboard with its address; NULL where that was not stored
    _text("account", null=True),  # of the person who sent it, whose role is looked up when it is carried out; NULL for a terminal of this machine
    _text("request_key", null=True),  # given by a program, so that the same request is accepted once
    Index("ix_commands_status_id", "status", "id"),
    Index(
        "uq_commands_account_request_key", "account", "request_key", unique=True,
        sqlite_where=text("request_key IS NOT NULL"), postgresql_where=text("request_key IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)  # fmt: skip

USERS = Table(
    "users", METADATA,
    _key("name", Text), _text("role"), _text("password"), _whole("created_at"),  # Argon2 hashes; "" without a password
    _text("subject", null=True),  # issuer and subject of somebody who logs in at a provider
    _text("facts", null=True),  # {email, groups, claims} that the role was chosen by
    Index("uq_users_subject", "subject", unique=True, sqlite_where=text("subject IS NOT NULL"), postgresql_where=text("subject IS NOT NULL")),
)  # fmt: skip

# By the digest of a browser's cookie: whoever reads the store cannot log in with it.
LOGINS = Table(
    "logins", METADATA,
    _key("id", Text), _text("account"), _whole("began_at"), _whole("seen_at"), _whole("ended_at", null=True), _text("origin"),
    Index("ix_logins_account", "account"),
)  # fmt: skip

TOKENS = Table(
    "tokens", METADATA,
    _key("name", Text), _text("digest"), _text("scopes"),  # [scope]
    _whole("created_at"), _text("created_by"), _whole("expires_at"), _whole("used_at", null=True), _whole("revoked_at", null=True),
    Index("uq_tokens_digest", "digest", unique=True),
)  # fmt: skip

LOGIN_TRIES = Table("login_tries", METADATA, _key("key", Text), _whole("failures"), _whole("last_at"))  # failed, by name and by address

# Only ever added to (store/write/audit.py); retention deletes the oldest rows and says so in a row.
AUDIT = Table(
    "audit", METADATA,
    _key("id", Tick), _whole("at"), _text("who"), _text("origin"), _text("kind"), _text("subject"), _text("why"),
    _text("before", null=True), _text("after", null=True),  # JSON
    _text("digest"),  # of the row and of the digest of the row before
    Index("ix_audit_at", "at"),
)  # fmt: skip

# Outside bots of one session. Numbers count over the store and are never used again: the error of each verdict depends on them.
BOTS = Table(
    "bots", METADATA,
    _key("id", Tick), _session(), _text("name"), _text("sender"), _text("state"),  # active, retired
    _whole("added_at"), _whole("last_at"),  # ns UTC, of the first and the newest intent
    _whole("intents"), _whole("late"), _whole("refused"),
    _whole("tick", null=True), _real("equity"), _real("engine_gain"), _real("own_gain"),  # gains over the pairs, as shares of equity
    _whole("pairs"), _real("mean_gain"), _real("log_e_better"), _real("log_e_worse"), _real("log_threshold"),
    _text("verdict"), _whole("verdict_tick", null=True),
    Column("data", LargeBinary, nullable=True),  # BotState, bit for bit; NULL before the first tick with an intent
    Index("uq_bots_session_name", "session", "name", unique=True),
    sqlite_autoincrement=True,
)  # fmt: skip

BOT_INTENTS = Table(
    "bot_intents", METADATA,
    _key("id", Tick), _whole("bot"), _text("symbol"), _real("target"), _whole("bar"),  # ns UTC, the close that it came before
    _whole("sent_for"),  # the bar that the sender named; another than `bar` where it was late and counts for the next
    _whole("at"),  # ns UTC, when it was received
    _text("sender"), _text("request_key"),
    _whole("tick", null=True),  # at which it came into force; NULL while it waits
    Index("uq_bot_intents_sender_request_key", "sender", "request_key", unique=True),
    Index("ix_bot_intents_waiting", "bar", sqlite_where=text("tick IS NULL"), postgresql_where=text("tick IS NULL")),
    Index("ix_bot_intents_at", "at"),
    sqlite_autoincrement=True,
)  # fmt: skip

BOT_TICKS = Table(
    "bot_ticks", METADATA,
    Column("tick", BigInteger, primary_key=True, autoincrement=False), Column("bot", BigInteger, primary_key=True, autoincrement=False),
    _real("equity"), _real("gain"), _real("log_e_better"),
    sqlite_with_rowid=False,
)  # fmt: skip

TRIALS = Table(
    "trials", METADATA,
    _key("id", Tick), _whole("at"), _text("action"), _text("trigger", null=True), _text("mode"), _whole("placebo"), _text("metric", null=True),
    _text("unit", null=True), _real("before"), _real("after"), _real("effect"), _real("low"), _real("high"), _whole("windows", null=True),
    _text("verdict"), _whole("undone"), _real("amount"), _text("amount_unit", null=True), _text("detail", null=True),
    _text("by", null=True), _text("reason", null=True), _real("seconds"),
    _text("guards", null=True),  # {metric: [before, after]} of what must not get worse: decision latency, clean-decision rate
    _real("probability"),  # of running the action instead of leaving it out as a placebo
    _text("comparison", null=True),  # {before, after: s; starts: [ns]}: its windows, and the starts of its control windows
    Index("ix_trials_at", "at"), Index("ix_trials_action_at", "action", "at"),
)  # fmt: skip

ACTIONS = Table(
    "actions", METADATA,
    _key("action", Text), _text("kind"), _text("cures"), _text("mode"), _text("licence"), _text("about"),
    _text("why", null=True), _whole("licensed_at", null=True),  # of the licence
    _text("cost", null=True), _whole("better", null=True),  # direction of improvement of the metric that it cures: -1 for a fall, +1 for a rise
)  # fmt: skip

TRIGGERS = Table(
    "triggers", METADATA,
    _key("id", Tick), _whole("at"), _text("rule"), _text("kind"), _text("metric"), _real("value"), _real("threshold"),
    _text("state"),  # fired, cleared, no data
    _text("answer", null=True),  # the response, or the reason for none
    Index("ix_triggers_at", "at"),
)  # fmt: skip

# Rules that were changed on the page or the command line; those of podium.toml and the defaults are not stored.
RULES = Table("rules", METADATA, _key("name", Text), _text("data"), _whole("changed_at"), _text("by"), _text("reason"))

# The judgement of an action on a metric over all its trials, treated and placebo.
JUDGEMENTS = Table(
    "judgements", METADATA,
    _key("action", Text), _key("metric", Text), _whole("at"), _text("unit"), _whole("treated"), _whole("placebos"),
    _real("effect"), _real("low"), _real("high"), _text("verdict"),
    _real("latency"), _real("latency_low"), _real("latency_high"), _real("clean"), _real("clean_low"), _real("clean_high"),
)  # fmt: skip

RECOVERIES = Table(
    "recoveries", METADATA,
    _key("id", Tick), _whole("at"), _text("component"), _text("fault"), _text("how", null=True), _whole("tries"), _whole("recovered_at", null=True),
    Index("ix_recoveries_at", "at"),
)  # fmt: skip

ALERTS = Table(
    "alerts", METADATA,
    _key("id", Tick), _whole("at"), _text("rule"), _text("severity"), _text("state"), _text("message"), _text("acked_by", null=True),
    _whole("resolved_at", null=True), _whole("acked_at", null=True), _real("value"), _whole("escalated_at", null=True),
    Index("ix_alerts_at", "at"),
    Index("uq_alerts_open_rule", "rule", unique=True, sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
)  # fmt: skip

SILENCES = Table("silences", METADATA, _key("id", Tick), _whole("at"), _whole("until"), _text("rule"), _text("by"), _text("reason"))

# What programs may follow, in the order in which it was stored: each row in the transaction of what it is about. Numbers are never used again.
EVENTS = Table(
    "events", METADATA,
    _key("id", Tick), _whole("at"), _text("kind"),  # decisions, alerts, trials
    _whole("subject"),  # tick, or number of the alert or the trial
    _text("state"),  # decided; opened, acknowledged, resolved; judged
    sqlite_autoincrement=True,
)  # fmt: skip

DELIVERIES = Table(
    "deliveries", METADATA,
    _key("id", Tick), _whole("alert"), _whole("at"), _text("kind"), _text("target"), _text("message"),
    _text("status"),  # waiting, sent, joined (contained in the message of another alert), failed
    _whole("tries"), _whole("next_at", null=True), _whole("sent_at", null=True), _text("error", null=True),
    _whole("event", null=True),  # that a webhook is sent, with alert 0 and no message; NULL for the message about an alert
    Index("ix_deliveries_status_next_at", "status", "next_at"),
    Index(
        "uq_deliveries_alert_kind_target", "alert", "kind", "target", unique=True,
        sqlite_where=text("event IS NULL"), postgresql_where=text("event IS NULL"),
    ),
    Index(
        "uq_deliveries_event_target", "event", "target", unique=True,
        sqlite_where=text("event IS NOT NULL"), postgresql_where=text("event IS NOT NULL"),
    ),
)  # fmt: skip

DRILLS = Table("drills", METADATA, _key("id", Tick), _whole("at"), _whole("passed"), _real("seconds"), _text("detail"))

# Counts that only grow: pruning does not lower them (store/write/counters.py).
COUNTERS = Table("counters", METADATA, _key("kind", Text), _key("name", Text), _key("detail", Text), _real("value"), sqlite_with_rowid=False)

META = Table("meta", METADATA, _key("key", Text), _text("value"))

LEASE = Table(
    "lease", METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    _text("holder"), _whole("pid"), _real("process_started"), _text("host"), _text("namespace"), _whole("started_at"), _whole("beat"),
)  # fmt: skip
