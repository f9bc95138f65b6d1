"""The page of a decision tells its story in every state, and shows answers only to the question that was asked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine import units
from engine.domain.story import ForecastContributions
from engine.store.read import decision as decision_reader
from engine.store.read.decision import DecisionDetails
from engine.store.read.history import TickHistory
from engine.store.read.moment import BookLevel, Moment, WalkedBook, read_moment
from engine.store.read.reader import Reader
from engine.story.contributions import explain_forecast
from engine.story.similar import find_similar_decisions
from engine.story.what_if import decide_with_changes, parse_change
from pages.decision import book, changes, forecast, machine, outcome, sizing
from pages.decision.questions import ANSWERS
from tests.pages.stores import copied, lock
from tests.story.decided import LAST, SERVED

ROOT = Path(__file__).parents[2]
SYMBOL = "ALFA"
TICK = str(LAST)


def run(url: str, *, answers: dict[str, Any] | None = None, tick: str = TICK) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages" / "03_decision.py"), default_timeout=300)
    app.session_state["store_url"] = url
    app.session_state[ANSWERS] = answers or {}
    app.query_params["tick"], app.query_params["symbol"] = tick, SYMBOL
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return " ".join(str(part.value) for part in app.markdown)


def answered(question: tuple[str, ...], answer: object) -> tuple[tuple[str, ...], int, bytes, str]:
    """An answer as the page keeps it, from the function that the command line calls."""
    return question, 0, orjson.dumps(answer), ""


EXPLAIN = ("explain", TICK, "--symbol", SYMBOL, "--json")
SIMILAR = ("explain", TICK, "--symbol", SYMBOL, "--part", "similar", "--json")
WHAT_IF = ("what-if", TICK, "--symbol", SYMBOL, "--change", "spread_factor=0.5", "--json")


def test_every_answer_is_shown_with_its_figures(history: TickHistory, decided_store: str) -> None:
    answers = {
        "contributions": answered(EXPLAIN, explain_forecast(history, LAST, SYMBOL)),
        "similar": answered(SIMILAR, find_similar_decisions(Reader(decided_store), LAST, SYMBOL)),
        "what_if": answered(WHAT_IF, decide_with_changes(history, LAST, SYMBOL, [parse_change("spread_factor=0.5")])),
    }
    shown = words(run(decided_store, answers=answers))
    for text in (
        "The ensemble&#x27;s forecast: ", "no exact contributions for this kind of model", "What would have been decided.", "spread times 0.5",
        "Nothing is stored", "Outcome after costs", "blocks of time", "The largest order allowed, to",
    ):  # fmt: skip
        assert text in shown, text
    for number in ("nan", "None"):
        assert number not in shown


def test_an_answer_to_another_question_is_not_shown(history: TickHistory, decided_store: str) -> None:
    stale = {"contributions": answered(EXPLAIN, explain_forecast(history, LAST, SYMBOL))}
    assert "The ensemble&#x27;s forecast: " not in words(run(decided_store, answers=stale, tick=str(LAST - 1)))


def test_a_refusal_is_shown_as_text(decided_store: str) -> None:
    refused = {"contributions": (EXPLAIN, 64, b"", "the store <b>moved</b>")}
    shown = words(run(decided_store, answers=refused))
    assert "No answer." in shown
    assert "the store &lt;b&gt;moved&lt;/b&gt;" in shown


def test_a_setting_of_ones_own_is_passed_on_as_typed_and_refused_in_one_line(decided_store: str) -> None:
    app = run(decided_store)
    app.selectbox(key="change_kind").select(changes.THRESHOLD).run()
    assert not any(button.label == "Decide again" for button in app.button)  # nothing is typed yet
    app.selectbox(key="change_setting").select("kelly").run()
    app.text_input(key="change_kelly").input("**many** --store x").run()
    next(button for button in app.button if button.label == "Decide again").click().run(timeout=300)
    assert not app.exception
    shown = words(app)
    assert "No answer." in shown
    assert "kelly is" in shown
    assert "a number from 0 to 2" in shown


def test_the_newest_decision_is_followed_without_questions(decided_store: str) -> None:
    app = AppTest.from_file(str(ROOT / "pages" / "03_decision.py"), default_timeout=300)
    app.session_state["store_url"] = decided_store
    app.run()
    assert not app.exception
    assert "need a fixed tick" in words(app)
    assert "Ask about this decision" not in words(app)


def test_questions_say_that_the_store_is_locked(decided_store: str, tmp_path: Path) -> None:
    def script(known: str, locked: str, tick: int, symbol: str) -> None:
        import streamlit as st

        from engine.store.read.decision import read_decision
        from engine.store.read.reader import Reader
        from pages.decision import view

        decision = read_decision(Reader(known), tick, symbol)
        assert decision is not None
        st.session_state["store_url"] = locked
        view.show_questions(decision)

    url = copied(decided_store, tmp_path)
    with closing(lock(tmp_path / "podium.db")):
        app = AppTest.from_function(script, default_timeout=300, args=(decided_store, url, LAST, SYMBOL))
        app.session_state["change_kind"] = changes.THRESHOLD  # for which the settings are read
        app.run()
    assert not app.exception
    assert "Store locked." in words(app)


@pytest.fixture(scope="module")
def details(decided_store: str) -> DecisionDetails:
    found_decision = decision_reader.read_decision(Reader(decided_store), LAST, SYMBOL)
    assert found_decision is not None
    return found_decision


def plain(text: str) -> str:
    """A text with signs that a keyboard has."""
    return text.replace(sizing.TIMES, "x").replace("\N{MINUS SIGN}", "-")


@pytest.mark.parametrize(
    ("share", "text"),
    [(-16.44, "-16.4 x equity"), (1.0, "+1.0 x equity"), (0.2, "+20.00 %"), (-0.0123, "-1.23 %"), (0.0, "0.00 %"), (None, units.MISSING)],
)
def test_a_size_is_readable_however_large(share: float | None, text: str) -> None:
    assert plain(sizing.format_size(share)) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (0.8, 0.2, "x 0.25"), (0.8, 0.8, ""), (0.0, 0.0, ""), (0.8, 0.0, "x 0"), (0.8, -0.1, "turned"), (16.0, 0.2, "x 0.013"),
        (16.0, 0.001, "x under 0.001"), (None, 0.1, ""), (0.8, 0.8 * (1 + 1e-7), ""),
    ],
)  # fmt: skip
def test_a_factor_says_what_a_step_left(before: float | None, after: float | None, text: str) -> None:
    assert plain(sizing.format_factor(before, after)) == text


def test_every_step_has_its_limit_in_words(details: DecisionDetails) -> None:
    config = {name: 0.2 for name, _ in sizing.IN_FORCE.values()}
    limits = (("wanted", -16.44), ("kelly fraction", -4.11), *((name, -0.2) for name, _ in details.limits[2:]))
    rows = sizing.list_steps(replace(details, limits=limits), config)
    assert all(row.cells[1] for row in rows)
    assert [plain(str(row.cells[3])) for row in rows[:4]] == ["", "x 0.25", "x 0.049", ""]
    edges = sizing.plot_sizing(replace(details, limits=limits)).data[0]["x"]
    assert min(edges) == pytest.approx(-30.0)  # the desired size at the edge: what the limits leave stays readable


def test_a_walk_takes_the_best_levels_first_and_costs_what_they_cost(details: DecisionDetails) -> None:
    levels = (BookLevel(101.0, 2.0, 2.0), BookLevel(102.0, 4.0, 1.0), BookLevel(103.0, 9.0, 0.0))
    walked = WalkedBook((BookLevel(99.0, 1.0, 0.0),), levels, "buy", 3.0, 3.0, 133.3)
    rows = book.list_ladder(walked)
    assert [row.id for row in rows] == ["ask 3", "ask 2", "ask 1", "bid 1"]
    assert [row.highlighted for row in rows] == [False, True, True, False]
    assert "takes 2 levels and costs 133.3 bps" in book.describe_walk(details, walked)
    assert "larger than the book" in book.describe_walk(details, replace(walked, cost_bps=None))


def test_the_stored_book_is_walked_to_the_cost_that_was_decided_on(details: DecisionDetails, decided_store: str) -> None:
    """The impact of the decision is the mean of buying and selling the largest order, beyond half the spread."""
    sides = [read_moment(Reader(decided_store), LAST, SYMBOL, None, sign, 0.2) for sign in (1.0, -1.0)]
    costs = []
    for moment in sides:
        assert moment is not None
        assert moment.book is not None
        assert moment.book.cost_bps is not None
        costs.append(moment.book.cost_bps)
    assert details.spread_bps is not None
    assert sum(costs) / 2 - details.spread_bps / 2 == pytest.approx(details.impact_bps, abs=1e-6)


def test_ages_of_inputs_are_listed_where_known() -> None:
    assert machine.list_input_ages(None) == []
    rows = machine.list_input_ages(Moment(None, {}, None, 12.0, None))
    assert [row.cells for row in rows] == [("Age of the newest trade", "12.0 ms")]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.5, 3.0, "the gate cost money"), (-3.0, -0.5, "the gate saved money"), (-1.0, 2.0, "neither cost nor saving is proven")],
)  # fmt: skip
def test_declined_trades_have_n_an_interval_and_no_verdict_without_proof(low: float, high: float, verdict: str) -> None:
    frame = pd.DataFrame({"gate": ["cooldown"], "n": [1204], "mean_bps": [(low + high) / 2], "low": [low], "high": [high]})
    line = outcome.describe_declined("cooldown", frame)
    assert verdict in line
    assert "n=1,204" in line
    assert "not measured yet" in outcome.describe_declined("spread", frame)


def test_the_sum_shown_is_the_forecast_shown(history: TickHistory) -> None:
    answer = explain_forecast(history, LAST, SYMBOL)
    text = forecast.describe_sum(answer)
    together, shown = text.split("together ")[1].split(". The ensemble's forecast: ")
    assert together == shown.rstrip(".")
    nothing: Callable[..., ForecastContributions] = ForecastContributions
    assert "No model served" in forecast.describe_sum(nothing(1, "A", 1, 0.0, 0.0, (), (), ()))


def test_before_any_model_the_page_offers_no_model_to_leave_out(decided_store: str) -> None:
    app = run(decided_store, tick=str(SERVED - 5))
    assert not any(option.startswith(changes.WITHOUT) for option in app.selectbox(key="change_kind").options)
