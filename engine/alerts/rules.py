"""The rules of alerts: what each checks, when it is violated, and which others follow from it."""

from __future__ import annotations

from collections.abc import Callable

from engine.domain.alerting import ALL, AlertRule, Facts, Sight

SECOND = 1_000_000_000  # ns
PACES = 3.0  # without a decision
SHORTEST, START, TRAINING = 10.0, 120.0, 600.0  # s without a decision: at least; before the first decision; while it waits for a training
ENOUGH_TICKS = 200  # for a clean-decision rate
HONEST, HONEST_AGAIN = 0.99, 0.992  # raised below the first, resolved above the second
DISK, DISK_AGAIN, DISK_FULL, DISK_FULL_AGAIN = 0.90, 0.88, 0.97, 0.96
STORE_AGAIN = 0.98  # of its limit

RULES: tuple[AlertRule, ...] = (
    AlertRule("no decision", "critical", "engine", "Look at Components: the feed, the store and the log show the reason.", cause=True),
    AlertRule("engine failing", "critical", "engine", "Look at Components and at the log.", 10.0, cause=True),
    AlertRule("feed failing", "warning", "engine", "It is reopened automatically; look at the source of the data.", 10.0),
    AlertRule("trainer failing", "warning", "engine", "The previous models go on serving; the log has the reason why a training failed.", 10.0),
    AlertRule("data stale", "warning", "engine", "No position is opened without fresh data: look at the source of the data.", 10.0),
    AlertRule("incident open", "info", "data", "A fault of the data: no position is opened in a symbol it affects.", 30.0, 60.0),
    AlertRule("honest rate low", "warning", "engine", "Phases fall back too often: Components names them.", 30.0, 120.0),
    AlertRule("training overdue", "warning", "engine", "The models are growing old: look at Training on Components.", 30.0, 60.0),
    AlertRule("store failing", "critical", "store", "Ticks wait until it can be written: look at the disk.", 5.0, cause=True),
    AlertRule("store file lost", "critical", "store", "Stop the engine before its file is moved or deleted; Alerts shows where its contents are."),
    AlertRule("store over its limit", "warning", "store", "Pruning does not keep up: raise PODIUM_KEEP_DECISIONS or free space.", 900.0, 60.0),
    AlertRule("disk nearly full", "warning", "store", "Free space on the disk of PODIUM_HOME.", 60.0, 60.0),
    AlertRule("disk full", "critical", "store", "Free space now: ticks cannot be stored much longer.", 30.0, 60.0, cause=True),
    AlertRule("drawdown limit hit", "critical", "risk", "All positions are being closed. Resume, with a reason, restarts the peak.", 0.0, 60.0),
    AlertRule("daily loss limit hit", "critical", "risk", "No more positions are opened today; decide whether to go on.", 0.0, 60.0),
    AlertRule("optimizer harmed", "warning", "optimizer", "The action is undone and quarantined; look at Optimizer.", 0.0, 60.0),
    AlertRule("drill failed", "critical", "drill", "A safeguard for emergencies does not work: look at Alerts.", 0.0, 0.0),
    AlertRule("probes failing", "info", "machine", "Some readings of the machine are missing.", 60.0),
    AlertRule("optimizer failing", "warning", "optimizer", "The optimizer pauses; decisions are not affected.", 30.0),
    AlertRule("alerts failing", "warning", "alerts", "A target accepts no messages; they wait and are sent again.", 60.0),
)
BY_NAME = {rule.name: rule for rule in RULES}
RETIRED = frozenset({"kill switch engaged"})  # raised by older versions: a state that a person chose is no alert
_OTHER = AlertRule("", "warning", "other", "Look at Alerts.", 10.0)


def rule_of(name: str) -> AlertRule:
    """The rule of an alert; a default for a name without a rule."""
    return BY_NAME.get(name, _OTHER)


def known(names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Every name that can be silenced."""
    return tuple(dict.fromkeys((*BY_NAME, *names, ALL)))


def look(facts: Facts, standing_open: frozenset[str]) -> tuple[Sight, ...]:
    """Check every rule; `standing_open` are the open ones, which have another level for recovery."""
    return tuple(Sight(name, None) if facts.warm and name in OF_TICKS else sight(facts, name in standing_open) for name, sight in LOOKED_AT.items())


def no_decision(facts: Facts, is_open: bool) -> Sight:
    """Unintended silence: during the warm-up ticks wait for trainings, and a tick that waits for a training has ten minutes."""
    del is_open
    name, progress = "no decision", facts.progress
    if facts.ended or progress is None:
        return Sight(name, False if facts.ended else None)
    first = progress.silent_seconds is None
    if progress.is_warming_up and not first:
        return Sight(name, None)
    silent = progress.up_seconds if progress.silent_seconds is None else progress.silent_seconds
    limit = START if first else max(SHORTEST, PACES * progress.pace_seconds)
    limit = max(limit, TRAINING) if progress.is_training else limit
    return Sight(name, silent > limit, f"no decision for more than {limit:g} s{' since it started' if first else ''}", round(silent, 1))


def honest_rate(facts: Facts, is_open: bool) -> Sight:
    name = "honest rate low"
    if facts.ticks < ENOUGH_TICKS:
        return Sight(name, None)
    rate = facts.honest / facts.ticks
    words = f"{facts.ticks - facts.honest} of the last {facts.ticks} live ticks fell back, {100 * rate:.1f} % are clean"
    return Sight(name, rate < (HONEST_AGAIN if is_open else HONEST), words, rate)


def stale(facts: Facts, is_open: bool) -> Sight:
    del is_open
    if facts.fresh is None or not facts.symbols:
        return Sight("data stale", None)
    if not facts.faulty:
        return Sight("data stale", facts.fresh == 0, f"none of {facts.symbols} symbols had a new bar at the newest tick", float(facts.fresh))
    more = f" and {len(facts.faulty) - 4} more" if len(facts.faulty) > 4 else ""
    words = f"the gate fresh data is shut for {len(facts.faulty)} of {facts.symbols} symbols: {'; '.join(facts.faulty[:4])}{more}"
    return Sight("data stale", True, words, float(facts.fresh))


def incident(facts: Facts, is_open: bool) -> Sight:
    del is_open
    more = f" and {len(facts.incidents) - 4} more" if len(facts.incidents) > 4 else ""
    return Sight("incident open", bool(facts.incidents), "; ".join(facts.incidents[:4]) + more, float(len(facts.incidents)))


def training(facts: Facts, is_open: bool) -> Sight:
    del is_open
    name, ticks, due = "training overdue", facts.ticks_since_training, facts.training_due
    if ticks is None or due is None:
        return Sight(name, None)
    return Sight(name, ticks > due, f"no training for more than {due} ticks", float(ticks))


def store_size(facts: Facts, is_open: bool) -> Sight:
    name = "store over its limit"
    if facts.store_bytes is None or not facts.store_limit:
        return Sight(name, False if facts.store_limit is None else None)
    share = facts.store_bytes / facts.store_limit
    return Sight(name, share > (STORE_AGAIN if is_open else 1.0), f"the store is larger than its {facts.store_limit / 1e6:,.0f} MB", share)


def moved(facts: Facts, is_open: bool) -> Sight:
    del is_open
    return Sight("store file lost", facts.store_moved is not None, facts.store_moved or "")


def disk(facts: Facts, is_open: bool) -> Sight:
    return _disk("disk nearly full", facts, DISK_AGAIN if is_open else DISK, 100 * DISK)


def disk_full(facts: Facts, is_open: bool) -> Sight:
    return _disk("disk full", facts, DISK_FULL_AGAIN if is_open else DISK_FULL, 100 * DISK_FULL)


def drawdown(facts: Facts, is_open: bool) -> Sight:
    del is_open
    return _gate("drawdown limit hit", facts, "drawdown", "the drawdown passed its limit")


def daily_loss(facts: Facts, is_open: bool) -> Sight:
    del is_open
    return _gate("daily loss limit hit", facts, "daily loss", "the loss of the day passed its limit")


def harmed(facts: Facts, is_open: bool) -> Sight:
    del is_open
    return Sight("optimizer harmed", bool(facts.harmed), "; ".join(facts.harmed[:4]), float(len(facts.harmed)))


def drill(facts: Facts, is_open: bool) -> Sight:
    del is_open
    return Sight("drill failed", facts.failed_drill is not None, facts.failed_drill or "")


def _disk(name: str, facts: Facts, limit: float, shown: float) -> Sight:
    if facts.disk_used is None:
        return Sight(name, None)
    return Sight(name, facts.disk_used >= limit, f"the disk of PODIUM_HOME is more than {shown:.0f} % full", facts.disk_used)


def _gate(name: str, facts: Facts, gate: str, words: str) -> Sight:
    if facts.last_wall is None:
        return Sight(name, None)
    value, limit = next(((value, limit) for shut, value, limit in facts.shut if shut == gate), (None, None))
    if value is None:  # a gate without a value proves nothing
        return Sight(name, False)
    return Sight(name, True, f"{words} of {limit:g} %" if limit is not None else words, value)


OF_TICKS = frozenset({  # decisions over history during the warm-up raise no alert
    "honest rate low", "data stale", "incident open", "training overdue", "drawdown limit hit", "daily loss limit hit",
})  # fmt: skip
LOOKED_AT: dict[str, Callable[[Facts, bool], Sight]] = {  # by rule; "COMPONENT failing" is raised by the component status
    "no decision": no_decision, "honest rate low": honest_rate, "data stale": stale, "incident open": incident, "training overdue": training,
    "store file lost": moved, "store over its limit": store_size, "disk nearly full": disk, "disk full": disk_full, "drawdown limit hit": drawdown,
    "daily loss limit hit": daily_loss, "optimizer harmed": harmed, "drill failed": drill,
}  # fmt: skip
