"""Every default rule is violated by its condition, holds without it, and is inconclusive about unknown values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.alerting.rules import BY_NAME, CHECKS, RULES, SECOND, evaluate_rules, find_rule
from engine.domain.alerting import SEVERITIES, AlertInputs, EngineProgress

NOW = 1_000_000 * SECOND
WELL = AlertInputs(
    NOW, progress=EngineProgress(3_600.0, 1.0, 2.0), last_decided_at=NOW - SECOND, ticks=500, clean_ticks=500, fresh_symbols=8, symbols=8,
    store_bytes=10**9, store_limit=2 * 10**9, disk_used=0.5, ticks_since_training=100, training_due=1_000,
)  # fmt: skip
WRONG = {
    "no decision": {"progress": EngineProgress(3_600.0, 10.1, 2.0)},
    "clean rate low": {"clean_ticks": 494},
    "data stale": {"fresh_symbols": 0},
    "incident open": {"incidents": ("halt BTC",)},
    "training overdue": {"ticks_since_training": 1_001},
    "change reverted": {"reverted": ("ridge-300 was worse than the versions before",)},
    "store over its limit": {"store_bytes": 2 * 10**9 + 1},
    "store file lost": {"store_moved": "the file of the store /x/podium.db was deleted; what it held was put back"},
    "disk nearly full": {"disk_used": 0.91},
    "disk full": {"disk_used": 0.98},
    "drawdown limit hit": {"failed_gates": (("drawdown", 15.2, 15.0),)},
    "daily loss limit hit": {"failed_gates": (("daily loss", 3.1, 3.0),)},
    "optimizer harmed": {"harmed": ("delete_temp is quarantined",)},
    "failed log-ins": {"failed_logins": 5},
    "drill failed": {"failed_drill": "stop: it went on"},
}


def broken(facts: AlertInputs, standing: frozenset[str] = frozenset()) -> set[str]:
    return {observation.rule for observation in evaluate_rules(facts, standing) if observation.firing}


def test_an_engine_that_is_well_breaks_no_rule() -> None:
    assert broken(WELL) == set()
    assert {observation.rule for observation in evaluate_rules(WELL, frozenset())} == set(WRONG) == set(CHECKS)


@pytest.mark.parametrize("name", WRONG)
def test_each_rule_is_broken_by_what_it_is_for(name: str) -> None:
    facts = replace(WELL, **WRONG[name])  # type: ignore[arg-type]
    (observation,) = [observation for observation in evaluate_rules(facts, frozenset()) if observation.rule == name]
    assert observation.firing
    assert observation.message
    assert name in broken(facts) <= {name, "disk nearly full"}


def test_what_is_not_known_breaks_nothing_and_clears_nothing() -> None:
    sights = {observation.rule: observation.firing for observation in evaluate_rules(AlertInputs(NOW), frozenset())}
    assert not any(sights.values())
    for name in ("no decision", "clean rate low", "data stale", "training overdue", "disk nearly full", "drawdown limit hit"):
        assert sights[name] is None


def test_a_level_to_recover_is_another_than_the_one_to_raise() -> None:
    between = replace(WELL, disk_used=0.89, clean_ticks=495, store_bytes=int(1.99 * 10**9))
    assert broken(between) == set()
    assert broken(between, frozenset(CHECKS)) == {"disk nearly full", "clean rate low", "store over its limit"}


@pytest.mark.parametrize(
    ("progress", "wrong"),
    [
        (EngineProgress(900.0, 60.0, 20.0), False),
        (EngineProgress(900.0, 60.1, 20.0), True),
        (EngineProgress(900.0, 10.0, 0.2), False),  # a floor of 10 s, however fast the pace
        (EngineProgress(900.0, 10.1, 0.2), True),
        (EngineProgress(900.0, 10.1, 0.0), True),
        (EngineProgress(120.0, None, 2.0), False),  # before the first decision
        (EngineProgress(120.1, None, 2.0), True),
        (EngineProgress(900.0, 599.0, 2.0, is_training=True), False),
        (EngineProgress(900.0, 601.0, 2.0, is_training=True), True),
        (EngineProgress(599.0, None, 0.0, is_training=True), False),
        (EngineProgress(900.0, 899.0, 2.0, is_warming_up=True), None),
        (EngineProgress(121.0, None, 2.0, is_warming_up=True), True),  # a feed that gives nothing at all
    ],
)
def test_silence_is_an_alert_only_where_nothing_explains_it(progress: EngineProgress, wrong: bool | None) -> None:
    (observation,) = [
        observation for observation in evaluate_rules(replace(WELL, progress=progress), frozenset()) if observation.rule == "no decision"
    ]
    assert observation.firing == wrong


def test_a_recording_that_has_ended_is_silent_for_good() -> None:
    assert broken(replace(WELL, progress=EngineProgress(900.0, 800.0, 2.0), ended=True)) == set()


@pytest.mark.parametrize("step", [-14_400, 14_400])
def test_a_wall_clock_that_is_set_is_no_silence(step: int) -> None:
    assert broken(replace(WELL, now=NOW + step * SECOND)) == set()


@pytest.mark.parametrize("gate", ["not paused", "not flattened"])
def test_what_a_person_asked_for_is_no_alert(gate: str) -> None:
    assert broken(replace(WELL, failed_gates=((gate, 1.0, 0.0),))) == set()


def test_data_are_stale_where_a_fault_shuts_the_gate_of_one_symbol_among_many() -> None:
    faulty = replace(WELL, fresh_symbols=6, faulty_symbols=("BRAVO: stale feed: 14 bars repeat exactly", "ECHO: gap in the data: 3 bars missing"))
    (observation,) = [observation for observation in evaluate_rules(faulty, frozenset()) if observation.rule == "data stale"]
    assert observation.firing
    assert observation.message.endswith("for 2 of 8 symbols: BRAVO: stale feed: 14 bars repeat exactly; ECHO: gap in the data: 3 bars missing")
    assert broken(replace(faulty, is_warmup=True)) == set()
    assert broken(replace(WELL, fresh_symbols=5)) == set()  # thin symbols without a bar
    many = replace(WELL, faulty_symbols=tuple(f"S{number}: gap" for number in range(7)))
    assert next(observation for observation in evaluate_rules(many, frozenset()) if observation.rule == "data stale").message.endswith(
        "S3: gap and 3 more"
    )


def test_warming_up_on_history_alarms_nobody() -> None:
    for name in ("clean rate low", "data stale", "drawdown limit hit", "incident open"):
        assert broken(replace(WELL, is_warmup=True, **WRONG[name])) == set()  # type: ignore[arg-type]


def test_rules_are_named_once_and_whole() -> None:
    assert len(BY_NAME) == len(RULES)
    assert all(rule.severity in SEVERITIES and rule.about.endswith(".") for rule in RULES)
    assert find_rule("something others raise").severity == "warning"
    assert set(CHECKS) <= set(BY_NAME)
