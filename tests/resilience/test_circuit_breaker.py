"""Circuit breakers: open for growing pauses after failures, up to a limit, then one attempt; on a clock that is passed in."""

from __future__ import annotations

from engine.resilience.circuit_breaker import CLOSED, HALF_OPEN, JITTER, OPEN, Backoff, CircuitBreaker

BACKOFF = Backoff(1.0, 60.0)


def test_pauses_double_up_to_their_limit_and_spread_a_little() -> None:
    pauses = [BACKOFF.delay(failures, 7) for failures in range(1, 12)]
    for pause, plain in zip(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60], strict=True):
        assert plain * (1 - JITTER) <= pause <= plain * (1 + JITTER)
    assert pauses == [BACKOFF.delay(failures, 7) for failures in range(1, 12)]
    assert pauses != [BACKOFF.delay(failures, 8) for failures in range(1, 12)]
    assert BACKOFF.delay(0, 7) == 0.0
    assert BACKOFF.delay(10**6, 7) <= 60 * (1 + JITTER)


def test_it_opens_is_tried_once_and_closes_when_that_goes_well() -> None:
    circuit = CircuitBreaker(BACKOFF)
    assert (circuit.state(0.0), circuit.allows_attempt(0.0)) == (CLOSED, True)
    pause = circuit.record_failure(0.0)
    assert (circuit.state(0.0), circuit.allows_attempt(0.0)) == (OPEN, False)
    assert circuit.state(pause) == HALF_OPEN
    assert circuit.allows_attempt(pause)
    assert not circuit.allows_attempt(pause)  # one try at a time
    assert circuit.record_failure(pause) > pause
    assert circuit.record_success() == 2
    assert (circuit.state(pause), circuit.allows_attempt(pause), circuit.failures) == (CLOSED, True, 0)


def test_patience_lets_the_first_failures_pass() -> None:
    circuit = CircuitBreaker(BACKOFF, failure_threshold=3)
    assert [circuit.record_failure(0.0) for _ in range(2)] == [0.0, 0.0]
    assert circuit.allows_attempt(0.0)
    assert circuit.record_failure(0.0) > 0
    assert not circuit.allows_attempt(0.0)


def test_a_person_can_hurry_it() -> None:
    circuit = CircuitBreaker(BACKOFF)
    assert not circuit.retry_now()
    circuit.record_failure(0.0)
    assert circuit.seconds_left(0.0) > 0
    assert circuit.retry_now()
    assert circuit.seconds_left(0.0) == 0
    assert circuit.allows_attempt(0.0)
