"""The default rules with every figure they fire, clear and rest by, and how changed rules take their place."""

from __future__ import annotations

from dataclasses import replace

from engine.domain.rules import ERROR, PERFORMANCE, SCHEDULE, THRESHOLD
from engine.optimizer.default_rules import DEFAULT_RULES, merge_rules

# level, recovery, hold, cooldown, span, missing: s; bytes where the metric is of bytes
FIGURES = {
    "host_memory": (THRESHOLD, 90.0, 80.0, 30.0, 300.0, 60.0, 30.0),
    "container_memory": (THRESHOLD, 85.0, 75.0, 30.0, 300.0, 60.0, 30.0),
    "memory_growth": (THRESHOLD, 200e6, 50e6, 120.0, 1_800.0, 1_800.0, 30.0),
    "host_cpu": (THRESHOLD, 90.0, 70.0, 60.0, 300.0, 60.0, 30.0),
    "container_cpu": (THRESHOLD, 90.0, 70.0, 60.0, 300.0, 60.0, 30.0),
    "container_throttled": (THRESHOLD, 20.0, 5.0, 30.0, 300.0, 60.0, 30.0),
    "disk_full": (THRESHOLD, 90.0, 85.0, 30.0, 900.0, 60.0, 30.0),
    "cpu_pressure": (THRESHOLD, 40.0, 20.0, 30.0, 300.0, 60.0, 30.0),
    "memory_pressure": (THRESHOLD, 10.0, 2.0, 10.0, 300.0, 60.0, 30.0),
    "io_pressure": (THRESHOLD, 30.0, 10.0, 30.0, 300.0, 60.0, 30.0),
    "tick_slower": (PERFORMANCE, None, None, 30.0, 600.0, 60.0, 30.0),
    "tick_p99": (THRESHOLD, 1_000.0, 500.0, 60.0, 900.0, 60.0, 30.0),
    "saving_slower": (PERFORMANCE, None, None, 30.0, 600.0, 60.0, 30.0),
    "tick_errors": (ERROR, 0.5, 0.0, 0.0, 300.0, 60.0, 30.0),
    "fallbacks": (ERROR, 1.0, 0.2, 0.0, 900.0, 60.0, 30.0),
    "store_size": (THRESHOLD, 1_900e6, 1_700e6, 30.0, 3_600.0, 60.0, 30.0),
    "temp_folder": (THRESHOLD, 200e6, 100e6, 60.0, 900.0, 60.0, 300.0),
    "log_folder": (THRESHOLD, 100e6, 50e6, 60.0, 900.0, 60.0, 300.0),
    "nightly": (SCHEDULE, None, None, 30.0, 300.0, 60.0, 30.0),
}


def test_the_figures_of_every_default_rule_are_those_written_here() -> None:
    found = {rule.name: (rule.kind, rule.level, rule.recovery, rule.hold, rule.cooldown, rule.span, rule.missing) for rule in DEFAULT_RULES}
    assert found == FIGURES
    assert all(rule.above and rule.enabled for rule in DEFAULT_RULES)
    assert [rule.name for rule in DEFAULT_RULES if rule.growth] == ["memory_growth"]
    assert {rule.cron for rule in DEFAULT_RULES} == {"", "30 3 * * *"}
    assert {(rule.longest, rule.baseline, rule.every) for rule in DEFAULT_RULES} == {(7_200.0, 1_440, 10_080.0)}


def test_a_rule_fires_beyond_the_level_at_which_it_clears() -> None:
    for rule in DEFAULT_RULES:
        if rule.level is not None:
            assert rule.recovery is not None
            assert rule.recovery < rule.level


def test_a_changed_rule_takes_the_place_of_its_namesake_and_a_new_one_follows() -> None:
    first, second = (replace(DEFAULT_RULES[0], level=level) for level in (95.0, 97.0))
    new = replace(DEFAULT_RULES[0], name="own")
    merged = merge_rules((first, new), (second,))
    assert [rule.name for rule in merged] == [*FIGURES, "own"]
    assert merged[0].level == 97.0
    assert merged[-1].level == 90.0
