"""Without a change the record comes back, bit for bit; a change does what arithmetic says it does."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.__main__ import main
from engine.counterfactual import rolling
from engine.counterfactual.comparison import HOLD, bound_difference, collect_figures, compare_arm, preview_change
from engine.counterfactual.lasting_change import GATE_SETTINGS, NO_CHANGE, combine_changes, parse_lasting_change
from engine.counterfactual.rolling import TickSpan, choose_span
from engine.domain.gates import GATES
from engine.evidence.neighbours import student_quantile
from engine.schema import SchemaError
from engine.service import process_memory
from engine.store.errors import NotStored
from engine.store.read.history import TickHistory
from engine.trading_parameters import TradingParameters, list_live_parameters, read_live_parameter
from tests.counterfactual.traded import END, LAST, MODELS, TRADING

N = 160


@pytest.mark.parametrize("count", [END, 40, 39, 2])
def test_without_a_change_every_tick_and_account_is_the_record(history: TickHistory, count: int) -> None:
    span = choose_span(history, count)
    assert (span.first, span.last) == (max(0, END - count), LAST)
    answer = preview_change(history, span, (NO_CHANGE,), NO_CHANGE)
    assert (answer.reproduced, answer.identical, answer.flips, answer.difference.money) == (True, True, 0, 0.0)
    assert answer.costs_before == answer.costs_after
    assert answer.curve.pnl_before == answer.curve.pnl_after
    assert answer.difference.low is None, "no P&L differs, so no interval is measured"


def test_setting_every_parameter_to_its_value_changes_nothing(history: TickHistory) -> None:
    changes = tuple(parse_lasting_change(f"{name}={getattr(TRADING, name)!r}", MODELS) for name in list_live_parameters())
    answer = preview_change(history, choose_span(history, 30), changes, combine_changes(changes))
    assert answer.identical


def test_known_answers(history: TickHistory) -> None:
    texts = ("max_gross=0", "edge_margin=100", "gate=cooldown", "without=ridge", "cooldown_bars=1")
    span = choose_span(history, N)
    changes = [parse_lasting_change(text, MODELS) for text in texts]
    figures = collect_figures(history, span, changes)
    none, dear, gate, without, _ = (compare_arm(figures, place, (text,)) for place, text in enumerate(texts))
    record = figures.record
    held = np.array(record.actions)
    assert (held != HOLD).sum() > 30, "the store has trades to differ from"
    assert all(row.trades_after <= 1 for row in none.by_symbol), "what is held is closed, once"
    assert none.curve.exposure_after[-1] == 0.0, "no exposure is allowed"
    assert none.difference.money == pytest.approx(figures.arms[0].equity[-1] - record.equity[-1])
    assert sum(row.flips for row in dear.by_symbol) == dear.flips == len(dear.newest_flips[:200]) + max(0, dear.flips - 200)
    assert all(row.trades_after <= row.trades_before for row in dear.by_symbol)
    assert all(flip.before != flip.after for flip in dear.newest_flips)
    assert (
        next(row for row in gate.declined if row.gate == "cooldown").n_after <= next(row for row in gate.declined if row.gate == "cooldown").n_before
    )
    assert not gate.identical
    assert sum(row.trades_after for row in without.by_symbol) < sum(row.trades_before for row in without.by_symbol), (
        "the other model proves no skill here"
    )
    assert [arm.equity[0] for arm in figures.arms] == [record.equity[0]] * len(changes), "an arm begins with the account of the record"


def test_an_arm_is_the_same_alone_and_beside_others(history: TickHistory) -> None:
    span = choose_span(history, 40)
    changes = [parse_lasting_change(text, MODELS) for text in ("edge_margin=2", "max_position=0.02")]
    together = compare_arm(collect_figures(history, span, changes), 1, (changes[1].words,))
    assert together.digest() == preview_change(history, span, changes[1:], changes[1]).digest()


def test_a_span_that_begins_at_any_tick_gives_the_same_arm_as_the_engine_would(history: TickHistory) -> None:
    """The record as an arm: a pause that was on record is lifted and set again."""
    span = TickSpan(choose_span(history, 1).session, 555, 600)
    lifted = collect_figures(history, span, (parse_lasting_change("kelly=0.25", MODELS),))
    assert lifted.unreproduced is None
    assert lifted.differs == [False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("edge_margin", "is no change"), ("edge_margin=nan", "give a number from 0 to 100"), ("edge_margin=-1", "give a number from 0"),
        ("edge_margin=1e999", "give a number"), ("edge_margin=\u0663", "give a number"), ("edgemargin=1", "did you mean edge_margin"),
        ("horizons=1", "cannot be changed"), ("paused=true", "cannot be changed"), ("fee_bps=0", "cannot be changed"),
        ("gate=proven skill", "cannot be switched off"), ("gate=fresh data", "cannot be switched off"), ("without=ridg", "did you mean ridge"),
        ("without=", "there is no model"), ("x" * 5_000 + "=1", "cannot be changed"), ("cooldown_bars=1.5", "a whole number"),
        ("=", "cannot be changed"), ("edge_margin='; DROP TABLE ticks', 1", "give a number"),
    ],
)  # fmt: skip
def test_hostile_changes_are_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(SchemaError, match=words) as refusal:
        parse_lasting_change(text, MODELS)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 900


def test_gates_that_are_switched_off_are_gates_and_their_values_are_allowed() -> None:
    assert set(GATE_SETTINGS) <= {name for name, *_ in GATES}
    for settings in GATE_SETTINGS.values():
        for name, value in settings.items():
            assert read_live_parameter(name, f"{value:g}") == value
    assert set(list_live_parameters()) <= set(TradingParameters.__struct_fields__)


def test_the_span_has_bounds(history: TickHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotStored, match="is not in the store"):
        choose_span(history, 10, END)
    with pytest.raises(ValueError, match="too many at once"):
        collect_figures(history, choose_span(history, 2), [NO_CHANGE] * 64)
    monkeypatch.setattr(rolling, "CPU_SECONDS", 0.0)
    with pytest.raises(ValueError, match="give fewer ticks"):
        collect_figures(history, choose_span(history, 20), [NO_CHANGE])


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=400), st.integers(1, 300))
def test_more_tries_never_give_a_narrower_interval(values: list[float], tries: int) -> None:
    gained, ticks = np.array(values), np.arange(len(values))
    single, many = (bound_difference(gained, ticks, 1_000.0, (1, 3), count) for count in (1, tries))
    assert single.share == pytest.approx(math.fsum(values) / 1_000.0, abs=1e-9)
    assert (single.low is None) == (many.low is None)
    assert single.low is None or single.blocks >= 15
    if single.low is not None and many.low is not None and single.high is not None and many.high is not None:
        assert many.low <= single.low + 1e-12
        assert single.high <= many.high + 1e-12
        assert single.low - 1e-9 <= (single.share or 0.0) <= single.high + 1e-9


@pytest.mark.parametrize("tries", [1, 7, 100])
@pytest.mark.parametrize("freedom", [14, 60])
def test_the_quantile_for_tries_is_that_of_scipy(freedom: int, tries: int) -> None:
    assert student_quantile(freedom, tries) == pytest.approx(stats.t.ppf(1.0 - 0.025 / tries, freedom), rel=1e-3)


def test_the_interval_covers_a_gain_of_zero_as_often_as_it_says() -> None:
    """2,000 walks without a gain, correlated within blocks: the interval misses 0 in 5 % of them, give or take."""
    draws = np.random.default_rng(3).normal(size=(2_000, 20))
    missed = 0
    for blocks in draws:
        answer = bound_difference(np.repeat(blocks, 12), np.arange(240), 1.0, (1,))
        assert answer.low is not None
        assert answer.high is not None
        missed += not answer.low <= 0.0 <= answer.high
    assert 0.02 < missed / 2_000 < 0.065


def test_the_command_line_gives_the_same(
    traded_store: str, history: TickHistory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_memory, "lower_priority", lambda _steps: None)  # of the tests themselves
    assert main(["preview", "--set", "edge_margin=2", "--ticks", "40", "--json", "--store", traded_store]) == 0
    answer = json.loads(capsys.readouterr().out)
    direct = preview_change(history, choose_span(history, 40), (), parse_lasting_change("edge_margin=2", MODELS))
    assert (answer["flips"], answer["difference"]["money"]) == (direct.flips, direct.difference.money)
    assert answer["changes"] == ["edge_margin = 2"]
    assert main(["preview", "--set", "nonsense", "--store", traded_store]) == 64
    assert "is no change" in capsys.readouterr().err
    assert main(["preview", "--ticks", "40", "--store", traded_store]) == 0
    assert "flips      0 of 120 decisions: none" in capsys.readouterr().out
