"""Commands to the optimizer as they are typed: what the engine can follow is passed on, anything else is one line."""

from __future__ import annotations

import pytest

from engine.cli._arguments import UsageError
from engine.cli.command import parse_arguments


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("optimize", ["action=collect_garbage", "dry_run=true"]),
        ("rule", ["name=disk_full", "above=85", "recovery=75", "hold=2m"]),
        ("rule", ["name=disk_full", "reset=true"]),
        ("mode", ["action=trim_cache", "mode=ask"]),
        ("licence", ["action=trim_cache", "licence=auto", "reason=it was the other job"]),
        ("approve", ["id=7", "answer=no"]),
    ],
)
def test_what_the_optimizer_understands_is_passed_on(name: str, words: list[str]) -> None:
    assert parse_arguments(name, words) == dict(word.split("=", 1) for word in words)


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("rule", ["above=85"], "rule needs name=NAME"),
        ("rule", ["name=x", "abov=85"], "rule takes no argument 'abov': did you mean above"),
        ("mode", ["action=trim_cache"], "mode needs action=NAME and mode=MODE"),
        ("licence", ["action=trim_cache"], "licence needs action=NAME and licence=LICENCE"),
        ("approve", ["answer=no"], "approve needs id=N"),
        ("approve", ["id="], "is not key=value"),
    ],
)
def test_what_it_does_not_understand_is_refused_in_one_line(name: str, words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_arguments(name, words)
