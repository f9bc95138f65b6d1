"""Overrides are scored against the engine without them; the search finds the smallest change that avoids a trade and counts every try."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.counterfactual.comparison import HOLD, collect_figures, preview_change
from engine.counterfactual.lasting_change import lift_override, parse_lasting_change
from engine.counterfactual.overrides import OverrideSpan, find_overrides, score_overrides
from engine.counterfactual.rolling import TickSpan, choose_span
from engine.counterfactual.vaccination import find_worst_trade, list_candidates, measure_trades, vaccinate
from engine.domain.trading_config import TradingConfig
from engine.store.errors import NotStored
from engine.store.read.history import TickHistory
from engine.story.what_if import decide_with_changes, parse_change
from engine.trading_parameters import read_live_parameter
from tests.counterfactual.traded import FLATTENED, LAST, MODELS, PAUSED, RELEASED, RESUMED

PLAIN = TradingConfig()
ON, OFF = replace(PLAIN, paused=True), replace(PLAIN, flatten=True)


def test_overrides_are_spans_of_one_kind() -> None:
    changes = [(0, PLAIN), (5, ON), (7, replace(ON, kelly=0.1)), (9, OFF), (12, PLAIN), (20, ON)]
    spans = [OverrideSpan("paused", 5, 8), OverrideSpan("flattened", 9, 11), OverrideSpan("paused", 20, 25)]
    assert find_overrides(changes, 25) == spans
    assert find_overrides([], 3) == []


def test_an_override_is_worth_the_record_less_the_engine_without_it(history: TickHistory) -> None:
    answer = score_overrides(history)
    assert [(row.kind, row.first, row.last) for row in answer.overrides] == [
        ("flattened", FLATTENED, RELEASED - 1),
        ("paused", PAUSED, RESUMED - 1),
    ]
    for row in answer.overrides:
        figures = collect_figures(history, TickSpan(choose_span(history, 1).session, row.first, row.last + 1), (lift_override(),))
        without, record = figures.arms[0], figures.record
        assert row.difference.money == pytest.approx((record.equity[-1] - record.equity[0]) - (without.equity[-1] - without.equity[0]))
        assert figures.unreproduced is None
        assert (np.array(record.actions)[:-1] != HOLD).sum() == (0 if row.kind == "paused" else (np.array(record.actions)[:-1] != HOLD).sum())
        assert row.difference.low is None, "a dozen ticks are not enough data"
        assert not row.is_open
        assert not row.shortened
    assert answer.total is not None
    assert answer.total.money == pytest.approx(sum(row.difference.money for row in answer.overrides))
    assert answer.left_out == 0


def test_the_vaccine_avoids_the_trade_and_its_tries_are_counted(history: TickHistory) -> None:
    tick, symbol = find_worst_trade(history, 520, LAST)
    figures = collect_figures(history, choose_span(history, LAST - 519), ())
    outcome = measure_trades(figures)
    place = (figures.ticks.index(tick), figures.span.session.symbols.index(symbol))
    assert outcome[place] == np.nanmin(outcome)
    answer = vaccinate(history, tick, symbol, 40)
    assert answer.chosen is not None
    assert answer.preview is not None
    assert answer.preview.difference.tries == len(answer.tried) > 50
    assert answer.preview.difference.confidence == 1.0 - 0.05 / len(answer.tried)
    smaller = [attempt for attempt in answer.tried if attempt.size < next(row.size for row in answer.tried if row.avoids)]
    assert not any(attempt.avoids for attempt in smaller)
    assert sorted(answer.tried, key=lambda attempt: attempt.size) == list(answer.tried)
    if not answer.chosen.startswith("gate="):
        assert decide_with_changes(history, tick, symbol, [parse_change(answer.chosen)]).after.action == "hold"
    change = parse_lasting_change(answer.chosen, MODELS)
    assert preview_change(history, choose_span(history, 40), (), change).flips == answer.preview.flips
    assert (tick >= LAST - 39) == (not answer.notes)


def test_a_hold_cannot_be_avoided(history: TickHistory) -> None:
    with pytest.raises(ValueError, match="there is no trade to avoid"):
        vaccinate(history, PAUSED, "ALFA", 10)
    with pytest.raises(NotStored, match="has no symbol"):
        vaccinate(history, PAUSED, "<b>ALFA", 10)
    with pytest.raises(NotStored, match="no trade with a known outcome"):
        find_worst_trade(history, PAUSED, PAUSED + 10)


def test_every_change_of_the_grid_is_allowed_and_is_a_change() -> None:
    grid = list_candidates(PLAIN, MODELS)
    assert len({candidate.text for candidate in grid}) == len(grid)
    for candidate in grid:
        parse_lasting_change(candidate.text, MODELS)
        name, _, value = candidate.text.partition("=")
        if name not in {"gate", "without"}:
            assert read_live_parameter(name, value) != getattr(PLAIN, name)
            assert candidate.size > 0.0
