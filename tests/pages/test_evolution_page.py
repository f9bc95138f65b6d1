"""Evolution on Models, Overview and Decision: the verdict first, the race against its bar, where a recipe comes from, and commands with reasons."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine import units
from engine.domain.recipe import Recipe, recipe_to_json
from engine.store.read import evolution
from engine.store.read.reader import Reader
from pages.models import evolution_charts, evolution_tables
from pages.ui import evolution_text
from tests.pages.sent import sent_value
from tests.pages.stores import store
from tests.pages.test_pages import run, text
from tests.store.made import filled
from tests.store.made_evolution import CHALLENGER, DEEPER, RETIRED, SHORTER

CONFIG = {"contest_budget": 6_000, "evolution": "full"}
RIDGE = Recipe("ridge")


@pytest.fixture(scope="module")
def reader(full_store: str) -> Reader:
    return Reader(full_store)


@pytest.fixture(scope="module")
def view(reader: Reader) -> evolution.EvolutionView:
    return evolution.read_evolution_view(reader, limit=60)


@pytest.fixture
def changed(full_store: str, tmp_path: Path) -> Iterator[tuple[str, sqlite3.Connection]]:
    """A full store of the test's own, with a connection that may write."""
    with store("full", full_store, tmp_path) as url, closing(sqlite3.connect(tmp_path / "podium.db", isolation_level=None)) as connection:
        yield url, connection


def button(app: AppTest, label: str) -> Any:
    return next(item for item in app.button if item.label == label)


def test_the_verdict_names_what_races_and_on_what_evidence(view: evolution.EvolutionView) -> None:
    shown = evolution_text.describe_evolution(view.evolutions, view.standings, CONFIG)
    points = view.standings[view.standings["number"] == 1]
    e_value = units.format_number(math.exp(points["not_better"].max()), 1)
    assert shown == f"A challenger of ridge races: e-value {e_value} of 40, after 128 of at most 6,000 ticks."
    assert evolution_text.summarise_evolution(view.evolutions, view.standings) == f"challenger of ridge races, e-value {e_value} of 40"


def test_without_a_race_the_last_verdict_is_named(view: evolution.EvolutionView) -> None:
    decided = view.evolutions[view.evolutions["state"] == "retired"]
    shown = evolution_text.describe_evolution(decided, view.standings, CONFIG)
    at = units.format_time(int(decided["decided_at"].iloc[0]), "%Y-%m-%d %H:%M")
    assert shown == f"No challenger races. The last, {RETIRED.version}, was retired: proved worse ({at} UTC)."
    fruitless = evolution_text.describe_evolution(decided.assign(version=""), view.standings, CONFIG)
    assert fruitless == f"No challenger races. The last, structure search of lightgbm, was ended: it gave no recipe worth a contest ({at} UTC)."
    nothing = view.evolutions.iloc[:0]
    assert evolution_text.describe_evolution(nothing, view.standings, CONFIG) == "No challenger races. No contest has been decided yet."
    assert evolution_text.describe_evolution(nothing, view.standings, {"evolution": "off"}).endswith(
        "Evolution is off: only the first training takes place."
    )
    assert evolution_text.summarise_evolution(nothing, view.standings) == "no challenger races"


def test_what_is_watched_after_a_promotion_is_named_with_its_own_evidence(view: evolution.EvolutionView) -> None:
    promoted = view.evolutions[view.evolutions["state"] == "racing"].assign(
        state="promoted", verdict="better", decided=100.0, decided_at=1e18, evidence=41.0
    )
    standings = view.standings[view.standings["number"] == 1].assign(is_watch=1, not_better=math.log(2.5))
    shown = evolution_text.describe_evolution(promoted, standings, CONFIG)
    expected = f"No challenger races. In shadow, to return if proved better: the version before {CHALLENGER.version}, e-value 2.5 of 40."
    assert shown.startswith(expected)
    assert f"The last, {CHALLENGER.version}, was promoted: proved better" in shown
    rows = evolution_tables.list_contests(promoted, standings, view.lineage, 1)
    assert [row.cells[0] for row in rows] == [CHALLENGER.version, "\N{RIGHTWARDS ARROW} ridge-0"]
    points = pd.DataFrame({"tick": [80, 96, 104]})
    record = promoted.to_dict("records")[0]
    assert evolution_tables.select_points(points, record, is_watch=True)["tick"].tolist() == [104]
    assert evolution_tables.select_points(points, record, is_watch=False)["tick"].tolist() == [80, 96]


def test_several_races_and_trainings_are_listed(view: evolution.EvolutionView) -> None:
    racing = view.evolutions[view.evolutions["state"] == "racing"]
    blend = racing.assign(number=9, model="ensemble", version="exponential weights", evidence=2.0)
    training = racing.assign(number=10, model="lightgbm", state="training")
    shown = evolution_text.describe_evolution(pd.concat([training, blend, racing]), view.standings, CONFIG)
    assert shown.startswith("2 contests run: challenger of ridge, e-value ")
    assert "; blend exponential weights, e-value 2.0 of 40. " in shown
    assert shown.endswith("In training: challenger of lightgbm.")


@pytest.mark.parametrize(
    ("recipe", "parent", "words"),
    [
        (RIDGE, None, "default recipe"),
        (SHORTER, RIDGE, "alpha 10, trained on 2,000 bars, 1 of 62 columns"),
        (replace(SHORTER, parameters=(("alpha", 30.0),)), SHORTER, "alpha 30 instead of 10"),
        (RIDGE, SHORTER, "alpha as by default, training window as set, all columns"),
        (DEEPER, RIDGE, "lightgbm, num leaves 31"),
        (Recipe("ridge", columns=("a", "votes.lightgbm_1")), None, "1 of 62 columns and 1 vote of other models"),
        (RIDGE, RIDGE, "default recipe"),
        (Recipe("ridge", since=4_000), RIDGE, "trained on data since tick 4,000"),
        (RIDGE, Recipe("ridge", since=4_000), "training data from any tick"),
    ],
)
def test_a_recipe_is_described_by_what_differs_from_its_parent(recipe: Recipe, parent: Recipe | None, words: str) -> None:
    assert evolution_text.describe_recipe(recipe, parent, 62) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, units.MISSING), (math.nan, units.MISSING), (0.001, "under 0.01"), (0.3, "0.30"), (3.14, "3.1"), (412.0, "412"), (3e7, "10^7")],
)
def test_an_e_value_has_as_many_digits_as_it_deserves(value: float | None, words: str) -> None:
    assert evolution_text.format_e_value(value) == words


def test_the_race_is_drawn_against_its_bar(reader: Reader) -> None:
    points = evolution.read_contest(reader, 1)
    drawn = evolution_charts.plot_race(points, (1, 3, 12))
    lines = drawn.data
    assert len(lines) == 6, "better and worse at three horizons"
    first = points[points["horizon"] == 1]
    assert lines[0]["x"] == first["tick"].tolist()
    assert lines[0]["y"] == pytest.approx([value / math.log(10) for value in first["not_better"]])
    assert drawn.layout["shapes"][0]["y0"] == pytest.approx(math.log10(40))
    low, high = drawn.layout["yaxis"]["range"]
    assert low < math.log10(40) < high
    json.loads(drawn.to_json())


def test_a_race_with_hostile_or_missing_figures_is_drawn_with_gaps() -> None:
    frame = pd.DataFrame(
        {"horizon": [1, 1, 1], "tick": [0, 8, 16], "r2_gain": [None, math.nan, 0.1],
         "not_better": [0.0, math.nan, 1e6], "not_worse": [None, 0.0, -1e6],
         "threshold": [None, math.nan, None], "blocks": [0, 1, 2]}
    )  # fmt: skip
    drawn = evolution_charts.plot_race(frame, (1,))
    assert drawn.data[0]["y"] == [0.0, None, evolution_charts.HIGHEST]
    assert drawn.layout["shapes"] == []
    assert evolution_charts.plot_race(frame.iloc[:0], (1,)).data[0]["y"] == []


def test_the_lineage_puts_each_recipe_below_its_parent(view: evolution.EvolutionView) -> None:
    nodes = [(node.place, node.recipe.id, node.depth, node.state) for node in view.lineage]
    assert nodes == [
        ("lightgbm", Recipe("lightgbm").id, 0, "retired"), ("lightgbm", DEEPER.id, 1, "retired"), ("ridge", RIDGE.id, 0, "champion"),
        ("ridge", SHORTER.id, 1, "racing"),
    ]  # fmt: skip
    first, second = evolution_tables.list_lineage(view.lineage)[2:]
    assert first.cells[0] == "ridge: default recipe"
    assert second.cells[0] == "\N{BOX DRAWINGS LIGHT UP AND RIGHT} alpha 10, trained on 2,000 bars, 1 of 2 columns"


def test_recipes_that_are_each_others_parents_are_listed_all_the_same(changed: tuple[str, sqlite3.Connection]) -> None:
    url, connection = changed
    a, b = Recipe("ridge", (("alpha", 1.0),)), Recipe("ridge", (("alpha", 2.0),))
    for version, recipe, parent in ((CHALLENGER.version, a, b), ("ridge-0", b, a)):
        stored = recipe_to_json(replace(recipe, parent=parent.id))
        connection.execute("UPDATE artifacts SET recipe = ? WHERE version = ?", (stored, version))
    assert {node.recipe.id for node in evolution.read_lineage(Reader(url))} >= {a.id, b.id}


def test_the_cost_of_an_evolution_is_that_of_all_its_versions(changed: tuple[str, sqlite3.Connection]) -> None:
    url, connection = changed
    connection.execute("UPDATE evolutions SET version = ? WHERE number = 3", (f"{CHALLENGER.version}, {RETIRED.version}",))
    connection.execute("UPDATE artifacts SET seconds = 4.0 WHERE version = ?", (RETIRED.version,))
    seconds = evolution.read_evolutions(Reader(url), limit=9).set_index("number")["seconds"]
    assert (seconds[1], seconds[2], seconds[3]) == (2.5, 4.0, 6.5)
    connection.execute("UPDATE evolutions SET version = ? WHERE number = 3", (f"{CHALLENGER.version}, pruned-0",))
    assert math.isnan(evolution.read_evolutions(Reader(url), limit=9).set_index("number")["seconds"][3]), "no sum of a part"


def test_each_contest_shows_its_champion_and_its_figures(view: evolution.EvolutionView) -> None:
    rows = evolution_tables.list_contests(view.evolutions, view.standings, view.lineage, 1)
    assert [row.id for row in rows] == ["1 champion", "1 challenger", "2 champion", "2 challenger"]
    point = view.standings[(view.standings["number"] == 1) & (view.standings["horizon"] == 1)].iloc[0]
    cells = rows[1].cells
    assert cells[2] == "alpha 10, trained on 2,000 bars, 1 of 2 columns"
    assert cells[5:] == ("+0.200 %", f"{int(point['blocks'])}", "1", "5", "+2.5")


def test_the_models_page_shows_the_whole_section(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("05_models.py", url, horizon="3 bars")
    assert not app.exception
    shown = text(app)
    for words in (
        "A challenger of ridge races: e-value", "paired on the same ticks, 3 bars ahead", "performance decline", "gain 0.1 % against 0.6 %",
        "structure search", "returns.one", "0.31", "drifted", "Regime volatile, 1 bar",
        "bias \u22122.1 bps (95 %: \u22123.4 to \u22120.8 bps, n=4,120, q 0.003)",
        "recent rows against training, at tick 60", "288 ticks since the last training", "; more below",
    ):  # fmt: skip
        assert words in shown, words
    assert [box.label for box in app.selectbox][:1] == ["Contest"]


def test_another_contest_can_be_chosen(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("05_models.py", url)
        box = next(item for item in app.selectbox if item.label == "Contest")
        assert box.options == ["1: ridge-10-abc123, racing", "2: lightgbm-12-def456, retired"]
        box.set_value(box.options[1]).run()
        figure = next(sent_value(part.proto.json) for part in app.get("bidi_component") if "Evidence of the contest" in part.proto.json)
    assert max(figure["data"][0]["x"]) == 88, "the last point before it was retired"
    assert not app.exception


def test_without_any_evolution_every_part_says_so(tmp_path: Path) -> None:
    url = filled(tmp_path, ticks=30, evolves=False)
    app = run("05_models.py", url)
    assert not app.exception
    shown = text(app)
    for words in (
        "No challenger races. No contest has been decided yet.", "no contest has run yet", "no trigger has fired yet", "no test for drift yet",
        "no search for findings yet", "Evolution: no challenger races",
    ):  # fmt: skip
        assert words in shown, words
    assert "Evolution: no challenger races." in text(run("01_overview.py", url))
    assert "no contest ran at this tick" in text(run("03_decision.py", url, tick="25", symbol="ETH"))


def test_a_search_without_findings_is_not_a_search_that_was_never_made(changed: tuple[str, sqlite3.Connection]) -> None:
    url, connection = changed
    connection.execute("DELETE FROM findings")
    assert "no condition in which the forecasts are proved off" in text(run("05_models.py", url))


@pytest.mark.parametrize(
    ("label", "name", "args"),
    [
        ("Promote", "promote", {"model": "ridge", "version": CHALLENGER.version}), ("Revert", "revert", {"model": "ridge", "version": "ridge-0"}),
        ("Search", "search", {"model": "ridge", "strategy": "tuning"}),
    ],
)  # fmt: skip
def test_a_command_is_sent_with_its_reason(label: str, name: str, args: dict[str, str], changed: tuple[str, sqlite3.Connection]) -> None:
    url, connection = changed
    app = run("05_models.py", url)
    button(app, label).click().run()
    assert "Not sent. Give a reason" in text(app).replace("</b><span>", " ")
    app.text_input(key="reason_to_evolve").set_value("it holds on the newest week").run()
    options = app.selectbox(key="evolving_version").options
    assert f"{CHALLENGER.version}, challenger" in options
    assert not any("champion" in option for option in options)
    if "version" in args:
        app.selectbox(key="evolving_version").set_value(next(option for option in options if option.startswith(f"{args['version']},")))
    app.selectbox(key="evolving_strategy").set_value("tuning").run()
    button(app, label).click().run()
    row = connection.execute('SELECT name, args, reason, "by" FROM commands ORDER BY id DESC LIMIT 1').fetchone()
    assert (row[0], json.loads(row[1]), row[2], row[3]) == (name, args, "it holds on the newest week", "dashboard")
    assert f"Last {name}," in text(app)
    assert "waiting for the engine" in text(app)


def test_the_overview_has_a_line_when_something_evolves(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        assert "Evolution: challenger of ridge races, e-value" in text(run("01_overview.py", url))


def test_a_decision_shows_what_the_challenger_would_have_forecast(full_store: str, tmp_path: Path, reader: Reader) -> None:
    arms = evolution.read_arm_forecasts(reader, 40, "ETH")
    stored = json.loads(reader.frame("SELECT arms FROM ticks WHERE tick = 40")["arms"].iloc[0])
    forecast = json.loads(reader.frame("SELECT forecast FROM decisions WHERE tick = 40 AND symbol = 'ETH'")["forecast"].iloc[0])
    assert [(arm.number, arm.model, arm.version, arm.horizon) for arm in arms] == [
        (1, "ridge", CHALLENGER.version, horizon) for horizon in (1, 3, 12)
    ]
    for place, arm in enumerate(arms):
        assert arm.bps == pytest.approx(stored["1"][place][1] * forecast["scale"][place] * 1e4)
        assert arm.ensemble_bps == pytest.approx(forecast["mean"][place] * forecast["scale"][place] * 1e4)
    assert evolution.read_arm_forecasts(reader, 5, "ETH") == ()
    with store("full", full_store, tmp_path) as url:
        shown = text(run("03_decision.py", url, tick="40", symbol="ETH"))
    assert f"1: {CHALLENGER.version} for ridge" in shown
    assert "differs" in shown or "the same" in shown


def test_a_recipe_that_cannot_be_read_is_said_to_be_damaged(changed: tuple[str, sqlite3.Connection]) -> None:
    url, connection = changed
    connection.execute("UPDATE artifacts SET recipe = '{' WHERE version = ?", (CHALLENGER.version,))
    app = run("05_models.py", url)
    assert not app.exception
    assert f"The recipe of {CHALLENGER.version} cannot be read" in text(app)
