"""A decision in words: every sentence, in full, for figures chosen by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.domain.gates import GATES
from engine.explain import GATE_SENTENCES, DecisionFacts, FailedGate, explain_decision, judge_skill

BOUGHT = DecisionFacts("buy", 0.0, 0.125, 3, 31.24, -10.0, 72.5, 23.0, (), -4.25, "edge above cost")
HELD = DecisionFacts("hold", 0.05, 0.05, 1, 8.0, None, None, 23.0, (FailedGate("edge above cost", 8.0, 23.0),), 15.0)


def test_a_buy_says_what_was_expected_what_was_done_and_what_would_have_held() -> None:
    assert explain_decision(BOUGHT) == (
        "The ensemble expects +31.2 bps over the next 3 bars (\N{MINUS SIGN}10.0 to +72.5, 90 %). A round trip costs 23.0 bps.",
        "It buys, from no position to +12.5 % of equity, to open a position: edge above cost. Every gate passed.",
        "It would have held had the expected move been 4.2 bps lower.",
    )


def test_a_sale_is_said_with_its_sign() -> None:
    sold = replace(BOUGHT, action="sell", position=0.1, target=-0.2, expected_bps=-31.24, edge_to_flip_bps=4.26)
    assert explain_decision(sold)[0].startswith("The ensemble expects \N{MINUS SIGN}31.2 bps")
    assert explain_decision(sold)[1:] == (
        "It sells, from +10.0 % of equity to \N{MINUS SIGN}20.0 % of equity, "
        "to close the position and open the opposite one: edge above cost. Every gate passed.",
        "It would have held had the expected move been 4.3 bps higher.",
    )


@pytest.mark.parametrize(
    ("action", "flip", "sentence"),
    [
        ("hold", 15.0, "It would have bought had the expected move been 15.0 bps higher."),
        ("hold", -15.0, "It would have sold had the expected move been 15.0 bps lower."),
        ("buy", -3.0, "It would have held had the expected move been 3.0 bps lower."),
        ("sell", 3.0, "It would have held had the expected move been 3.0 bps higher."),
    ],
)
def test_what_would_have_changed_it_points_the_way_it_is_measured(action: str, flip: float, sentence: str) -> None:
    """A positive change is a higher move, and buys; a negative one is a lower move, and sells."""
    assert explain_decision(replace(HELD, action=action, edge_to_flip_bps=flip))[-1] == sentence


def test_a_hold_gives_the_first_gate_that_failed_with_its_numbers() -> None:
    sentences = explain_decision(HELD)
    assert sentences[0] == "The ensemble expects +8.0 bps over the next bar. A round trip costs 23.0 bps."
    assert sentences[1] == "It holds +5.0 % of equity: the expected move of 8 bps does not reach the round-trip cost of 23 bps."
    two = replace(HELD, position=0.0, failed_gates=(FailedGate("spread", 61.25, 50.0), *HELD.failed_gates))
    assert explain_decision(two)[1] == "It holds no position: the spread of 61.25 bps is above 50 bps."


def test_a_hold_with_every_gate_open_gives_no_reason() -> None:
    assert explain_decision(replace(HELD, failed_gates=()))[1] == "It holds +5.0 % of equity."


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    blank = DecisionFacts("hold", None, None, 12, None, None, None, None, (FailedGate("history", None, 120.0),), None)
    assert explain_decision(blank) == (
        "No model was active, so there is no forecast for the next 12 bars.",
        "It holds an unknown position: only an unknown number of the 120 required bars are known.",
        "No other forecast would have changed that until this gate passed: history.",
    )
    for facts in (replace(BOUGHT, low_bps=None), replace(BOUGHT, high_bps=None)):
        assert explain_decision(facts)[0] == "The ensemble expects +31.2 bps over the next 3 bars. A round trip costs 23.0 bps."
    assert explain_decision(replace(BOUGHT, cost_bps=None))[0].endswith("90 %).")


def test_gates_that_no_forecast_opens_are_named_beside_the_change() -> None:
    failed = tuple(FailedGate(gate, 1.0, 0.0) for gate in ("not paused", "history", "edge above cost", "cooldown", "minimum trade"))
    others = "not paused, history and cooldown"
    assert (
        explain_decision(replace(HELD, failed_gates=failed))[-1]
        == f"It would have bought had the expected move been 15.0 bps higher and these gates passed: {others}."
    )
    for flip in (None, float("nan"), float("inf")):
        assert (
            explain_decision(replace(HELD, failed_gates=failed, edge_to_flip_bps=flip))[-1]
            == f"No other forecast would have changed that until these gates passed: {others}."
        )
    assert explain_decision(replace(HELD, failed_gates=failed[:1]))[-1].endswith("15.0 bps higher and this gate passed: not paused.")
    assert explain_decision(replace(HELD, failed_gates=failed[:2]))[-1].endswith("and these gates passed: not paused and history.")
    assert len(explain_decision(replace(HELD, edge_to_flip_bps=None))) == 2  # only the forecast stands in the way, and none would do
    assert explain_decision(replace(BOUGHT, failed_gates=failed))[-1].endswith("4.2 bps lower.")


@pytest.mark.parametrize(
    ("position", "target", "cut"),
    [(0.1, 0.05, True), (-0.1, -0.05, True), (0.1, 0.1, False), (0.05, 0.1, False), (0.1, -0.2, False), (-0.1, 0.2, False), (None, 0.0, False)],
)
def test_a_trade_towards_flat_behind_a_gate_is_a_cut_with_its_reason(position: float | None, target: float, cut: bool) -> None:
    sold = replace(
        BOUGHT, action="sell", position=position, target=target, reason="forecast weaker", failed_gates=(FailedGate("cooldown", 2.0, 6.0),)
    )
    sentence = explain_decision(sold)[1]
    assert sentence.endswith(
        "to cut the position: forecast weaker. Nothing may be added: the last losing trade was 2 bars ago and 6 must pass."
        if cut
        else ": forecast weaker."
    )
    assert explain_decision(replace(sold, failed_gates=()))[1].endswith("forecast weaker. Every gate passed.")


@pytest.mark.parametrize(
    ("position", "target", "purpose"),
    [
        (0.0, 0.1, "to open a position"), (0.0, -0.1, "to open a position"),
        (0.1, 0.2, "to add to the position"), (-0.1, -0.2, "to add to the position"),
        (0.2, 0.1, "to cut the position"), (0.2, 0.0, "to close the position"), (0.2, -0.1, "to close the position and open the opposite one"),
    ],
)  # fmt: skip
def test_an_order_says_what_it_is_for(position: float, target: float, purpose: str) -> None:
    action = "buy" if target > position else "sell"
    assert f", {purpose}: edge above cost." in explain_decision(replace(BOUGHT, action=action, position=position, target=target))[1]


@pytest.mark.parametrize(
    ("share", "words"), [(4.9e-5, "no position"), (5e-5, "0.0 % of equity"), (-0.0004, "0.0 % of equity"), (-0.0006, "\N{MINUS SIGN}0.1 % of equity")]
)
def test_a_share_too_small_to_show_is_no_position(share: float, words: str) -> None:
    assert explain_decision(replace(HELD, position=share))[1].startswith(f"It holds {words}:")


@pytest.mark.parametrize(("value", "words"), [(7.0, "7"), (7.25, "7.25"), (7.256, "7.26"), (-0.5, "\N{MINUS SIGN}0.50"), (None, "an unknown number")])
def test_a_number_is_whole_or_has_two_decimals(value: float | None, words: str) -> None:
    assert f"the loss of the day is {words} %" in explain_decision(replace(HELD, failed_gates=(FailedGate("daily loss", value, 3.0),)))[1]


def test_every_gate_has_its_words_and_one_without_still_has_its_name() -> None:
    assert set(GATE_SENTENCES) == {gate[0] for gate in GATES}
    assert (
        explain_decision(replace(HELD, failed_gates=(FailedGate("tomorrow's gate", 1.0, 2.0),)))[1]
        == "It holds +5.0 % of equity: tomorrow's gate did not pass."
    )


@pytest.mark.parametrize(
    ("whole", "bounds", "verdict"),
    [
        ((0.01, 0.02), (0.005, -0.1), "proven"), ((None, None), (0.005, None), "proven"),
        ((0.01, -0.02), (-0.001, -0.1), "gone"), ((0.01, -0.02), (0.0, None), "gone"),
        ((-0.01, None), (-0.001, -0.1), "not proven"), ((None, None), (None, None), "not proven"),
        ((0.01, None), (None, None), "unknown"),  # a tick whose sizing fell back measured nothing
    ],
)  # fmt: skip
def test_skill_that_the_session_proves_and_the_present_denies_has_gone(
    whole: tuple[float | None, ...], bounds: tuple[float | None, ...], verdict: str
) -> None:
    assert judge_skill(whole, bounds) == verdict


def test_skill_that_is_not_measured_is_not_called_a_number() -> None:
    blank = replace(HELD, failed_gates=(FailedGate("proven skill", None, 0.0),))
    assert "the lower bound of its skill is not measured yet and must be above 0." in explain_decision(blank)[1]


@pytest.mark.parametrize(
    ("gate", "value", "words"),
    [
        ("fresh data", 1.0, "the last fresh bar is 1 bar old"),
        ("fresh data", 3.0, "the last fresh bar is 3 bars old"),
        ("no degraded phase", 1.0, "1 phase fell back"),
        ("cooldown", None, "the last losing trade was an unknown number of bars ago and 6 must pass"),
    ],
)
def test_a_count_of_one_is_singular(gate: str, value: float | None, words: str) -> None:
    assert f": {words}." in explain_decision(replace(HELD, failed_gates=(FailedGate(gate, value, 6.0),)))[1]
