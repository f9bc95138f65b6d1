"""The rules of alerts: what each looks at, from when on it is wrong, and which others follow from it."""

from __future__ import annotations

from collections.abc import Callable

from engine.domain.alerting import ALL, AlertInputs, AlertRule, RuleObservation

SECOND = 1_000_000_000  # ns
SILENT_INTERVALS = 3.0  # without a decision
MIN_SILENCE_SECONDS, START_SECONDS, TRAINING_SECONDS = (
    10.0,
    120.0,
    600.0,
)  # s without a decision: never below the first; before the first decision; while it waits for a training
MIN_TICKS = 200  # for an honest rate
CLEAN_RATE, CLEAN_RATE_RECOVERED = 0.99, 0.992  # raised below the one, over above the other
DISK_NEARLY_FULL, DISK_NEARLY_FULL_RECOVERED, DISK_FULL, DISK_FULL_RECOVERED = 0.90, 0.88, 0.97, 0.96
STORE_SIZE_RECOVERED = 0.98  # of its limit

RULES: tuple[AlertRule, ...] = (
    AlertRule("no decision", "critical", "engine", "Look at Components: the feed, the store and the log say what holds it up.", inhibits=True),
    AlertRule("engine failing", "critical", "engine", "Look at Components and at the log.", 10.0, inhibits=True),
    AlertRule("feed failing", "warning", "engine", "It is opened again by itself; look at the source of the data.", 10.0),
    AlertRule("trainer failing", "warning", "engine", "The models before serve on; the log says why a training failed.", 10.0),
    AlertRule("data stale", "warning", "engine", "Nothing is opened on what has no fresh data: look at the source of the data.", 10.0),
    AlertRule("incident open", "info", "data", "A fault of the data: nothing is opened on a symbol it touches.", 30.0, 60.0),
    AlertRule("clean rate low", "warning", "engine", "Phases fall back too often: Components names them.", 30.0, 120.0),
    AlertRule("training overdue", "warning", "engine", "The models grow old: look at Training on Components.", 30.0, 60.0),
    AlertRule("store failing", "critical", "store", "Ticks are kept back until it can be written: look at the disk.", 5.0, inhibits=True),
    AlertRule("store file lost", "critical", "store", "Stop the engine before its file is moved or deleted; Alerts says where what it held is."),
    AlertRule("store over its limit", "warning", "store", "Pruning does not keep up: raise PODIUM_RETENTION or free space.", 900.0, 60.0),
    AlertRule("disk nearly full", "warning", "store", "Free space on the disk of PODIUM_HOME.", 60.0, 60.0),
    AlertRule("disk full", "critical", "store", "Free space now: ticks can soon not be kept.", 30.0, 60.0, inhibits=True),
    AlertRule("drawdown limit hit", "critical", "risk", "Everything is being closed. Resume, with a reason, restarts the peak.", 0.0, 60.0),
    AlertRule("daily loss limit hit", "critical", "risk", "Nothing more is opened today; decide whether to go on.", 0.0, 60.0),
    AlertRule("optimizer harmed", "warning", "optimizer", "The action is undone and quarantined; look at Optimizer.", 0.0, 60.0),
    AlertRule("drill failed", "critical", "drill", "What must work in an emergency does not: look at Alerts.", 0.0, 0.0),
    AlertRule("probes failing", "info", "machine", "Readings of a part of the machine are missing.", 60.0),
    AlertRule("optimizer failing", "warning", "optimizer", "The optimizer rests; decisions are not touched.", 30.0),
    AlertRule("alerts failing", "warning", "alerts", "A target takes no messages; they wait and are sent again.", 60.0),
)
BY_NAME = {rule.name: rule for rule in RULES}
RETIRED = frozenset({"kill switch engaged"})  # that older versions raised: what a person asked for is no alert
_OTHER = AlertRule("", "warning", "other", "Look at Alerts.", 10.0)


def find_rule(name: str) -> AlertRule:
    """The rule of an alert, or what holds for one that others raise under a name of their own."""
    return BY_NAME.get(name, _OTHER)


def list_rule_names(names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Every name a silence may be given for."""
    return tuple(dict.fromkeys((*BY_NAME, *names, ALL)))


def evaluate_rules(facts: AlertInputs, standing_open: frozenset[str]) -> tuple[RuleObservation, ...]:
    """What every rule that is looked at here says now; `standing_open` are those that are open, whose level to recover is another."""
    return tuple(
        RuleObservation(name, None) if facts.is_warmup and name in TICK_RULES else sight(facts, name in standing_open)
        for name, sight in CHECKS.items()
    )


def check_decisions(facts: AlertInputs, is_open: bool) -> RuleObservation:
    """Silence that nobody asked for: while warming up ticks wait for trainings, and a tick that waits for one has ten minutes."""
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
    return RuleObservation(name, silent > limit, f"no decision for more than {limit:g} s{' since it started' if first else ''}", round(silent, 1))


def check_clean_rate(facts: AlertInputs, is_open: bool) -> RuleObservation:
    name = "clean rate low"
    if facts.ticks < MIN_TICKS:
        return RuleObservation(name, None)
    rate = facts.clean_ticks / facts.ticks
    words = f"{facts.ticks - facts.clean_ticks} of the last {facts.ticks} live ticks fell back, {100 * rate:.1f} % are honest"
    return RuleObservation(name, rate < (CLEAN_RATE_RECOVERED if is_open else CLEAN_RATE), words, rate)


def check_data_freshness(facts: AlertInputs, is_open: bool) -> RuleObservation:
    del is_open
    if facts.fresh_symbols is None or not facts.symbols:
        return RuleObservation("data stale", None)
    if not facts.faulty_symbols:
        return RuleObservation(
            "data stale", facts.fresh_symbols == 0, f"none of {facts.symbols} symbols had a new bar at the newest tick", float(facts.fresh_symbols)
        )
    more = f" and {len(facts.faulty_symbols) - 4} more" if len(facts.faulty_symbols) > 4 else ""
    words = f"the gate fresh data is shut for {len(facts.faulty_symbols)} of {facts.symbols} symbols: {'; '.join(facts.faulty_symbols[:4])}{more}"
    return RuleObservation("data stale", True, words, float(facts.fresh_symbols))


def check_incidents(facts: AlertInputs, is_open: bool) -> RuleObservation:
    del is_open
    more = f" and {len(facts.incidents) - 4} more" if len(facts.incidents) > 4 else ""
    return RuleObservation("incident open", bool(facts.incidents), "; ".join(facts.incidents[:4]) + more, float(len(facts.incidents)))


def check_training(facts: AlertInputs, is_open: bool) -> RuleObservation:
    del is_open
    name, gone, due = "training overdue", facts.ticks_since_training, facts.training_due
    if gone is None or due is None:
        return RuleObservation(name, None)
    return RuleObservation(name, gone > due, f"no training for more than {due} ticks", float(gone))


def check_store_size(facts: AlertInputs, is_open: bool) -> RuleObservation:
    name = "store over its limit"
    if facts.store_bytes is None or not facts.store_limit:
        return RuleObservation(name, False if facts.store_limit is None else None)
    share = facts.store_bytes / facts.store_limit
    return RuleObservation(
        name, share > (STORE_SIZE_RECOVERED if is_open else 1.0), f"the store is larger than its {facts.store_limit / 1e6:,.0f} MB", share
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
    return RuleObservation(name, facts.disk_used >= limit, f"the disk of PODIUM_HOME is more than {shown:.0f} % full", facts.disk_used)


def _gate(name: str, facts: AlertInputs, gate: str, words: str) -> RuleObservation:
    if facts.last_decided_at is None:
        return RuleObservation(name, None)
    found = next((one for one in facts.failed_gates if one[0] == gate), None)
    if found is None or found[1] is None:  # a gate without a value says nothing
        return RuleObservation(name, False)
    return RuleObservation(name, True, f"{words} of {found[2]:g} %" if found[2] is not None else words, found[1])


TICK_RULES = frozenset({  # what is decided over history while warming up alarms nobody
    "clean rate low", "data stale", "incident open", "training overdue", "drawdown limit hit", "daily loss limit hit",
})  # fmt: skip
CHECKS: dict[str, Callable[[AlertInputs, bool], RuleObservation]] = {  # by rule; others are raised where they happen
    "no decision": check_decisions, "clean rate low": check_clean_rate, "data stale": check_data_freshness, "incident open": check_incidents, "training overdue": check_training,
    "store file lost": check_store_file, "store over its limit": check_store_size, "disk nearly full": check_disk, "disk full": check_disk_full, "drawdown limit hit": check_drawdown,
    "daily loss limit hit": check_daily_loss, "optimizer harmed": check_optimizer_harm, "drill failed": check_drill,
}  # fmt: skip
