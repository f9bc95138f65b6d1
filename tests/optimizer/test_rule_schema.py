"""Rules as they are written: they read back unchanged, or are refused in one line with the value and the remedy."""

from __future__ import annotations

import pytest

from engine.domain.rules import SCHEDULE, THRESHOLD
from engine.optimizer.default_rules import DEFAULT_RULES, merge_rules
from engine.optimizer.rule_schema import parse_mode, parse_rule, serialise_rule
from engine.optimizer.runtime.experiment import load_actions

KNOWN = tuple(load_actions())
BASE = {rule.name: rule for rule in DEFAULT_RULES}


@pytest.mark.parametrize("name", list(BASE))
def test_every_default_is_sound_and_reads_back_as_it_is_written(name: str) -> None:
    assert parse_rule(name, serialise_rule(BASE[name]), None, KNOWN).digest() == BASE[name].digest()


def test_words_replace_the_default_and_the_rest_stays() -> None:
    rule = parse_rule("host_memory", {"above": "95", "hold": "2m", "actions": "collect_garbage", "enabled": "false"}, BASE["host_memory"], KNOWN)
    assert (rule.level, rule.hold, rule.candidates, rule.enabled) == (95.0, 120.0, ("collect_garbage",), False)
    assert (rule.recovery, rule.metric) == (80.0, "host.memory_percent")


@pytest.mark.parametrize("words", [{"recovery": "none"}, {"above": "75", "recovery": "none"}, {"below": "5"}, {"hold": "1s"}, {"above": "85"}])
def test_a_rule_that_was_changed_reads_back_over_the_one_it_was_laid_over(words: dict[str, str]) -> None:
    base = BASE["host_memory"]
    rule = parse_rule("host_memory", words, base, KNOWN)
    assert parse_rule("host_memory", serialise_rule(rule), base, KNOWN).digest() == rule.digest()
    sent = {word: value for word, value in serialise_rule(rule).items() if value != serialise_rule(base).get(word)}  # as the page sends it
    assert sent
    assert parse_rule("host_memory", sent, base, KNOWN).digest() == rule.digest()


def test_a_rule_turned_to_the_other_side_forgets_its_recovery_level() -> None:
    rule = parse_rule("host_memory", {"below": 10}, BASE["host_memory"], KNOWN)
    assert (rule.above, rule.level, rule.recovery) == (False, 10.0, None)


def test_a_rule_that_is_not_there_can_be_added() -> None:
    rule = parse_rule("mine", {"kind": THRESHOLD, "metric": "gpu.temperature", "above": 80}, None, KNOWN)
    assert merge_rules((rule,))[-1] is rule
    assert parse_rule("often", {"kind": SCHEDULE, "cron": "*/5 * * * *"}, None, KNOWN).candidates == ()


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("host_memory", {"abov": 90}, "unknown key 'abov': did you mean above?"),
        ("host_memory", {"above": "much"}, "above is 'much': give a number"),
        ("host_memory", {"above": "nan"}, "above is 'nan': give a number"),
        ("host_memory", {"above": 90, "below": 10}, "given both above and below: give one"),
        ("host_memory", {"recovery": 95}, "recovery is 95: give at most the level 90"),
        ("host_memory", {"hold": "-1s"}, "hold is '-1s': give seconds of at least 0, or 30s, 5m, 1h, 1d"),
        ("host_memory", {"hold": True}, "hold is True: give seconds of at least 0"),
        ("host_memory", {"missing": 1}, "missing is 1: give seconds of at least 3"),
        ("host_memory", {"actions": "collect_garbag"}, "no action is called 'collect_garbag': did you mean collect_garbage?"),
        ("host_memory", {"metric": "cpu"}, "metric is 'cpu': give source.name"),
        ("host_memory", {"kind": "by hand"}, "kind is 'by hand': give threshold, performance, error or schedule"),
        ("host_memory", {"enabled": "maybe"}, "enabled is 'maybe': give true or false"),
        ("host_memory", {"about": "a\x1b[31m"}, "give a text of at most 200 characters"),
        ("nightly", {"cron": "61 * * * *"}, "its minute is '61'; give 0 to 59"),
        ("tick_slower", {"baseline": 10}, "give a whole number of blocks from 40"),
        ("tick_slower", {"every": 5}, "give at least 100 blocks"),
        ("mine", {"above": 3}, "rule mine is new: give its kind"),
        ("mine", {"kind": "threshold", "metric": "a.b"}, "rule mine has no level: give above=X or below=X"),
        ("Mine!", {}, "'Mine!' is no name for a rule"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(name: str, words: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 the words are looked at below
        parse_rule(name, words, BASE.get(name), KNOWN)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_mode_is_one_of_five() -> None:
    assert parse_mode("delete_temp", "ask", KNOWN) == "ask"
    with pytest.raises(ValueError, match="mode of delete_temp is 'sometimes': give off, observe, recommend, ask, auto"):
        parse_mode("delete_temp", "sometimes", KNOWN)
    with pytest.raises(ValueError, match="did you mean delete_temp"):
        parse_mode("delete_tmp", "auto", KNOWN)


@pytest.mark.parametrize(("word", "longest"), [("metric", 120), ("about", 200)])
def test_a_text_may_be_as_long_as_it_says_and_no_longer(word: str, longest: int) -> None:
    text = "a." + "b" * (longest - 2)
    rule = parse_rule("host_memory", {word: text}, BASE["host_memory"], KNOWN)
    assert getattr(rule, word) == text
    with pytest.raises(ValueError, match=f"give a text of at most {longest} characters"):
        parse_rule("host_memory", {word: text + "b"}, BASE["host_memory"], KNOWN)
