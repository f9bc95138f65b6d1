"""The rules of alerts: what each checks, when it is violated, and which others follow from it."""

from __future__ import annotations

from collections.abc import Callable

from engine import units
from engine.domain.alerting import ALL, AlertInputs, AlertRule, RuleObservation

SECOND = 1_000_000_000  # ns
SILENT_INTERVALS = 3.0  # without a decision
MIN_SILENCE_SECONDS, START_SECONDS, TRAINING_SECONDS = (
    10.0,
    120.0,
    600.0,
)  # s without a decision: at least; before the first decision; while it waits for a training
MIN_TICKS = 200  # for a clean-decision rate
CLEAN_RATE, CLEAN_RATE_RECOVERED = 0.99, 0.992  # raised below the first, resolved above the second
DISK_NEARLY_FULL, DISK_NEARLY_FULL_RECOVERED, DISK_FULL, DISK_FULL_RECOVERED = 0.90, 0.88, 0.97, 0.96
MANY_FAILED_LOGINS = 5  # in an hour
STORE_SIZE_RECOVERED = 0.98  # of its limit

RULES: tuple[AlertRule, ...] = (
    AlertRule("no decision", "critical", "engine", "Look at Components: the feed, the store and the log show the reason.", inhibits=True),
    AlertRule("engine failing", "critical", "engine", "Look at Components and at the log.", 10.0, inhibits=True),
    AlertRule("feed failing", "warning", "engine", "It is reopened automatically; look at the source of the data.", 10.0),
    AlertRule("trainer failing", "warning", "engine", "The previous models go on serving; the log has the reason of the failure.", 10.0),
    AlertRule("data stale", "warning", "engine", "No position is opened without fresh data: look at the source of the data.", 10.0),
    AlertRule("incident open", "info", "data", "A fault of the data: no position is opened in a symbol it affects.", 30.0, 60.0),
    AlertRule("clean rate low", "warning", "engine", "Phases fall back too often: Components names them.", 30.0, 120.0),
    AlertRule("training overdue", "warning", "engine", "The models are growing old: look at Training on Components.", 30.0, 60.0),
    AlertRule("change reverted", "info", "engine", "The versions before serve again; Models shows the contest that decided it.", 0.0, 60.0),
    AlertRule("store failing", "critical", "store", "Ticks wait until it can be written: look at the disk.", 5.0, inhibits=True),
    AlertRule("store file lost", "critical", "store", "Stop the engine before its file is moved or deleted; Alerts shows where its contents are."),
    AlertRule("store over its limit", "warning", "store", "Pruning does not keep up: raise PODIUM_RETENTION or free space.", 900.0, 60.0),
    AlertRule("disk nearly full", "warning", "store", "Free space on the disk of PODIUM_HOME.", 60.0, 60.0),
    AlertRule("disk full", "critical", "store", "Free space now: ticks cannot be stored much longer.", 30.0, 60.0, inhibits=True),
    AlertRule("drawdown limit hit", "critical", "risk", "All positions are being closed. Resume, with a reason, restarts the peak.", 0.0, 60.0),
    AlertRule("daily loss limit hit", "critical", "risk", "No more positions are opened today; decide whether to go on.", 0.0, 60.0),
    AlertRule("optimizer harmed", "warning", "optimizer", "The action is undone and quarantined; look at Optimizer.", 0.0, 60.0),
    AlertRule("failed log-ins", "warning", "access", "Audit shows from where. Names that exist were tried if who is not unknown.", 0.0, 60.0),
    AlertRule("drill failed", "critical", "drill", "A safeguard for emergencies does not work: look at Alerts.", 0.0, 0.0),
    AlertRule("probes failing", "info", "machine", "Some readings of the machine are missing.", 60.0),
    AlertRule("optimizer failing", "warning", "optimizer", "The optimizer pauses; decisions are not affected.", 30.0),
    AlertRule("alerts failing", "warning", "alerts", "A target accepts no messages; they wait and are sent again.", 60.0),
)
BY_NAME = {rule.name: rule for rule in RULES}
RETIRED = frozenset({"kill switch engaged", "honest rate low"})  # raised by older versions: a state that a person chose is no alert
_OTHER = AlertRule("", "warning", "other", "Look at Alerts.", 10.0)


def find_rule(name: str) -> AlertRule:
    """The rule of an alert; a default for a name without a rule."""
    return BY_NAME.get(name, _OTHER)


def list_rule_names(names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Every name that can be silenced."""
    return tuple(dict.fromkeys((*BY_NAME, *names, ALL)))


def evaluate_rules(facts: AlertInputs, standing_open: frozenset[str]) -> tuple[RuleObservation, ...]:
    """Check every rule; `standing_open` are the open ones, which have another level for recovery."""
    return tuple(
        RuleObservation(name, None) if facts.is_warmup and name in TICK_RULES else sight(facts, name in standing_open)
        for name, sight in CHECKS.items()
    )


def check_decisions(facts: AlertInputs, is_open: bool) -> RuleObservation:
    """Unintended silence: during the warm-up ticks wait for trainings, and a tick that waits for a training has ten minutes."""
    del is_open
    name, progress = "no decision", facts.progress
    if facts.ended or progress is None:
        return RuleObservation(name, False if facts.ended else None)
    first = progress.silent_seconds is None
    if progress.is_warming_up and not first:
        return RuleObservation(name, None)
    silent = progress.up_seconds if progress.silent_seconds is None else progress.silent_seconds
    limit = START_SECONDS if first else max(MIN_SILENCE_SECONDS, SILENT_INTERVALS * progress.tick_interval_seconds)
    limit = max(limit, TRAINING_SECONDS) if progress.is_training else limit
    return RuleObservation(
        name, silent > limit, f"no decision for more than {units.format_setting(limit, 's')}{' since it started' if first else ''}", round(silent, 1)
    )


def check_clean_rate(facts: AlertInputs, is_open: bool) -> RuleObservation:
    name = "clean rate low"
    if facts.ticks < MIN_TICKS:
        return RuleObservation(name, None)
    rate = facts.clean_ticks / facts.ticks
    message = f"{facts.ticks - facts.clean_ticks} of the last {facts.ticks} live ticks fell back, {units.format_percent(rate)} are clean"
    return RuleObservation(name, rate < (CLEAN_RATE_RECOVERED if is_open else CLEAN_RATE), message, rate)


def check_data_freshness(facts: AlertInputs, is_open: bool) -> RuleObservation:
    del is_open
    if facts.fresh_symbols is None or not facts.symbols:
        return RuleObservation("data stale", None)
    if not facts.faulty_symbols:
        return RuleObservation(
            "data stale", facts.fresh_symbols == 0, f"none of {facts.symbols} symbols had a new bar at the newest tick", float(facts.fresh_symbols)
        )
    more = f" and {len(facts.faulty_symbols) - 4} more" if len(facts.faulty_symbols) > 4 else ""
    message = f"the gate fresh data is shut for {len(facts.faulty_symbols)} of {facts.symbols} symbols: {'; '.join(facts.faulty_symbols[:4])}{more}"
    return RuleObservation("data stale", True, message, float(facts.fresh_symbols))


def check_incidents(facts: AlertInputs, is_open: bool) -> RuleObservation:
    del is_open
    more = f" and {len(facts.incidents) - 4} more" if len(facts.incidents) > 4 else ""
    return RuleObservation("incident open", bool(facts.incidents), "; ".join(facts.incidents[:4]) + more, float(len(facts.incidents)))


def check_training(facts: AlertInputs, is_open: bool) -> RuleObservation:
    del is_open
    name, ticks, due = "training overdue", facts.ticks_since_training, facts.training_due
    if ticks is None or due is None:
        return RuleObservation(name, None)
    return RuleObservation(name, ticks > due, f"no training for more than {due} ticks", float(ticks))


def check_reverts(facts: AlertInputs, is_open: bool) -> RuleObservation:
    del is_open
    return RuleObservation("change reverted", bool(facts.reverted), "; ".join(facts.reverted[:4]), float(len(facts.reverted)))


def check_store_size(facts: AlertInputs, is_open: bool) -> RuleObservation:
    name = "store over its limit"
    if facts.store_bytes is None or not facts.store_limit:
        return RuleObservation(name, False if facts.store_limit is None else None)
    share = facts.store_bytes / facts.store_limit
    return RuleObservation(
        name,
        share > (STORE_SIZE_RECOVERED if is_open else 1.0),
        f"the store is larger than its limit of {units.format_bytes(facts.store_limit)}",
        share,
    )


def check_store_file(facts: AlertInputs, is_open: bool) -> RuleObservation:
    del is_open
    return RuleObservation("store file lost", facts.store_moved is not None, facts.store_moved or "")


def check_disk(facts: AlertInputs, is_open: bool) -> RuleObservation:
    return _disk("disk nearly full", facts, DISK_NEARLY_FULL_RECOVERED if is_open else DISK_NEARLY_FULL, 100 * DISK_NEARLY_FULL)


def check_disk_full(facts: AlertInputs, is_open: bool) -> RuleObservation:
    return _disk("disk full", facts, DISK_FULL_RECOVERED if is_open else DISK_FULL, 100 * DISK_FULL)


def check_drawdown(facts: AlertInputs, is_open: bool) -> RuleObservation:
    del is_open
    return _gate("drawdown limit hit", facts, "drawdown", "the drawdown passed its limit")


def check_daily_loss(facts: AlertInputs, is_open: bool) -> RuleObservation:
    del is_open
    return _gate("daily loss limit hit", facts, "daily loss", "the loss of the day passed its limit")


def check_optimizer_harm(facts: AlertInputs, is_open: bool) -> RuleObservation:
    del is_open
    return RuleObservation("optimizer harmed", bool(facts.harmed), "; ".join(facts.harmed[:4]), float(len(facts.harmed)))


def check_drill(facts: AlertInputs, is_open: bool) -> RuleObservation:
    del is_open
    return RuleObservation("drill failed", facts.failed_drill is not None, facts.failed_drill or "")


def _disk(name: str, facts: AlertInputs, limit: float, shown: float) -> RuleObservation:
    if facts.disk_used is None:
        return RuleObservation(name, None)
    return RuleObservation(
        name, facts.disk_used >= limit, f"the disk of PODIUM_HOME is more than {units.format_setting(shown, '%')} full", facts.disk_used
    )


def _gate(name: str, facts: AlertInputs, gate: str, message: str) -> RuleObservation:
    if facts.last_decided_at is None:
        return RuleObservation(name, None)
    value, limit = next(((value, limit) for failed_gates, value, limit in facts.failed_gates if failed_gates == gate), (None, None))
    if value is None:  # a gate without a value proves nothing
        return RuleObservation(name, False)
    return RuleObservation(name, True, f"{message} of {units.format_setting(limit, '%')}" if limit is not None else message, value)


def check_failed_logins(facts: AlertInputs, is_open: bool) -> RuleObservation:
    """Check the tries of the last hour with a wrong name or password; those that were only delayed are not among them."""
    del is_open
    count = facts.failed_logins
    return RuleObservation("failed log-ins", count >= MANY_FAILED_LOGINS, f"{count} log-ins with a wrong name or password in an hour", float(count))


TICK_RULES = frozenset({  # decisions over history during the warm-up raise no alert
    "clean rate low", "data stale", "incident open", "training overdue", "change reverted", "drawdown limit hit", "daily loss limit hit",
})  # fmt: skip
CHECKS: dict[str, Callable[[AlertInputs, bool], RuleObservation]] = {  # by rule; "COMPONENT failing" is raised by the component status
    "no decision": check_decisions, "clean rate low": check_clean_rate, "data stale": check_data_freshness, "incident open": check_incidents,
    "training overdue": check_training, "change reverted": check_reverts,
    "store file lost": check_store_file, "store over its limit": check_store_size, "disk nearly full": check_disk,
    "disk full": check_disk_full, "drawdown limit hit": check_drawdown, "daily loss limit hit": check_daily_loss,
    "failed log-ins": check_failed_logins, "optimizer harmed": check_optimizer_harm, "drill failed": check_drill,
}  # fmt: skip
