"""Running a phase: timing, checks of the result, and the fallback."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from engine.domain.decision import Phase
from engine.domain.record import Floats, Record
from engine.run import FallbackFailed, InvalidRecord, PhaseRunner, check_record
from tests.sabotage import Hands

AXES = {"S": 3, "H": 2}


@dataclass(frozen=True, slots=True)
class Part(Record):
    SHAPES: ClassVar[dict[str, str]] = {"sure": "S", "may": "HS?"}

    sure: Floats
    may: Floats
    number: float = 0.0


@dataclass(frozen=True, slots=True)
class Whole(Record):
    parts: tuple[Part, ...]
    other: Part


def part(*, sure: Any = None, may: Any = None, number: float = 0.0) -> Part:
    return Part(np.zeros(3) if sure is None else sure, np.zeros((2, 3)) if may is None else may, number)


def spoiled(value: float) -> Floats:
    return np.array([0.0, value, 0.0])


def unsound() -> Part:
    return part(sure=spoiled(np.nan))


def run(hands: Hands | None = None, **more: Any) -> PhaseRunner:
    return PhaseRunner(AXES, hands or Hands(), **more)


def test_a_sound_result_is_passed_on_and_timed() -> None:
    hands = Hands(5.0)
    runner = run(hands)

    def work() -> Part:
        hands.seconds += 0.25
        return part()

    assert runner(Phase.MARKET, work, work) is runner.results[Phase.MARKET]
    runner(Phase.FEATURES, work, work)
    assert [(span.phase, span.start_ms, span.ms, span.fallback, span.error, span.thread) for span in runner.spans] == [
        (Phase.MARKET, 0.0, 250.0, False, None, "tick"),
        (Phase.FEATURES, 250.0, 250.0, False, None, "tick"),
    ]
    assert runner.degraded == ()


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: part(sure=spoiled(np.nan)), "Part.sure holds NaN"),
        (lambda: part(sure=spoiled(np.inf)), "Part.sure holds inf"),
        (lambda: part(may=np.full((2, 3), -np.inf)), "Part.may holds inf"),
        (lambda: part(may=np.full((2, 3), -1e39)), "Part.may holds -1e+39, which single precision cannot hold"),
        (lambda: part(sure=spoiled(1e200)), "Part.sure holds 1e+200, which single precision cannot hold"),
        (lambda: part(may=np.zeros((3, 2))), "Part.may has shape (3, 2), expected (2, 3)"),
        (lambda: part(sure=np.zeros(2)), "Part.sure has shape (2,), expected (3,)"),
        (lambda: part(sure=[0.0, 0.0, 0.0]), "Part.sure is list, expected an array"),
        (lambda: part(number=float("nan")), "Part.number is nan"),
        (lambda: Whole((part(), part(sure=spoiled(np.nan))), part()), "Part.sure holds NaN"),
        (lambda: Whole((), part(sure=spoiled(np.inf))), "Part.sure holds inf"),
        (lambda: None, "expected a record, got NoneType"),
        (lambda: (part(),), "expected a record, got tuple"),
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)  # fmt: skip
def test_an_unsound_result_is_replaced_and_the_reason_kept(made: Any, why: str) -> None:
    runner, spare = run(), part()
    assert runner(Phase.RISK, made, lambda: spare) is spare
    assert runner.degraded == (Phase.RISK,)
    assert why in str(runner.spans[0].error)
    assert runner.spans[0].fallback


def test_a_part_that_was_found_unsound_is_unsound_wherever_it_is_handed_on() -> None:
    runner, sound, bad = run(), part(), unsound()
    for phase, other in ((Phase.MARKET, sound), (Phase.FEATURES, bad), (Phase.RISK, bad), (Phase.DECISION, sound)):
        runner(phase, lambda other=other: Whole((sound,), other), lambda: Whole((), sound))  # type: ignore[misc]
    assert runner.degraded == (Phase.FEATURES, Phase.RISK)


def test_a_blank_is_allowed_only_where_it_is_declared() -> None:
    check_record(part(may=np.full((2, 3), np.nan)), AXES)
    with pytest.raises(InvalidRecord, match="NaN"):
        check_record(part(sure=spoiled(np.nan)), AXES)


def test_a_late_result_is_discarded() -> None:
    hands = Hands()
    hands.seconds = 64.0  # a clock is not at 0 when a phase begins
    spare = part()

    def late() -> Part:
        hands.seconds += 2.5
        return part()

    def instead() -> Part:
        hands.seconds += 0.25
        return spare

    runner = run(hands, deadline_ms=2_000.0)
    assert runner(Phase.LEARNING, late, instead) is spare
    assert runner.spans[0].error == "took 2.5 s, the deadline is 2.0 s"
    assert runner.spans[0].ms == 2_750.0


def test_work_at_its_deadline_is_in_time() -> None:
    hands = Hands()

    def just() -> Part:
        hands.seconds += 2.0
        return part()

    runner = run(hands, deadline_ms=2_000.0)
    runner(Phase.LEARNING, just, part)
    assert runner.degraded == ()


def test_a_fallback_that_fails_loses_the_tick() -> None:
    def fails() -> Part:
        raise ZeroDivisionError("made to fail")

    with pytest.raises(FallbackFailed, match=r"the fallback of decision failed: ZeroDivisionError: made to fail"):
        run()(Phase.DECISION, fails, fails)


def test_a_fallback_that_is_unsound_loses_the_tick() -> None:
    with pytest.raises(FallbackFailed, match=r"the fallback of market failed: InvalidRecord: Part.sure holds NaN"):
        run()(Phase.MARKET, lambda: part(number=float("inf")), lambda: part(sure=spoiled(np.nan)))


def test_what_a_person_interrupts_is_no_fault_of_a_phase() -> None:
    def interrupted() -> Part:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()(Phase.MARKET, interrupted, part)


def test_a_replay_repeats_the_failures_it_is_told_of_without_doing_the_work() -> None:
    done: list[int] = []

    def work() -> Part:
        done.append(1)
        return part()

    runner = run(forced_failures={Phase.ENSEMBLE: "failed when it was decided"})
    runner(Phase.ENSEMBLE, work, part)
    assert (runner.degraded, done) == ((Phase.ENSEMBLE,), [])


def test_degraded_phases_are_named_in_their_order() -> None:
    runner = run()
    for phase in (Phase.RISK, Phase.MARKET):
        runner(phase, unsound, part)
    assert runner.degraded == (Phase.MARKET, Phase.RISK)


def test_started_phases_run_in_the_pool_and_say_so() -> None:
    with ThreadPoolExecutor(2) as pool:
        runner = run(pool=pool)
        begun = [runner.start(phase, part, part) for phase in (Phase.MARKET, Phase.FEATURES)]
        assert all(isinstance(started.result(), Part) for started in begun)
    assert {span.thread for span in runner.spans} == {"parallel market", "parallel features"}
