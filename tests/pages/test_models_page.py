"""Models and Backtests: charts from frames and reports alone, commands with their reason, and damaged or hostile files shown as what they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine import units
from engine.backtest import run_backtest
from engine.feeds.simulated import SimulatedFeed
from engine.store import backtest_files
from engine.store.backtest_files import StoredBacktest
from engine.store.inbox import Inbox
from engine.store.read.models import CalibrationReport
from engine.store.read.reader import Reader
from pages.backtests import charts, tables
from pages.backtests import text as backtest_text
from pages.models import charts as models_charts
from pages.models import tables as models_tables
from pages.ui import forest_plot, theme
from pages.ui.forest_plot import IntervalEstimate
from tests.makers import KNOBS, StoppedClock, settings
from tests.pages.stores import store
from tests.pages.test_pages import run, text

MODELS = ("ridge", "lightgbm")


@cache
def report() -> dict[str, Any]:
    """A small real one."""
    feed = SimulatedFeed(symbol_count=2, seed=3, bars=260)
    result = run_backtest(
        settings(trading=replace(KNOBS, first_training=10_000)), feed, report_progress=lambda done, whole: None, clock=StoppedClock(1e-4)
    )
    return json.loads(json.dumps(result))  # type: ignore[no-any-return]


def backtest(number: int = 1, **changes: Any) -> StoredBacktest:
    command = {"market": "simulated", "signal": "0.05", "bars": "260", "symbol_count": "2", "seed": "3", "training": "none"}
    return replace(StoredBacktest(f"20260101-00000{number}-{number}", "ada", "to see", 1_767_225_600 * 10**9, 2, command, report()), **changes)


@contextmanager
def shelved(full: str, folder: Path, *backtests: StoredBacktest) -> Iterator[str]:
    """A full store with backtests beside it."""
    with store("full", full, folder) as url:
        for item in backtests:
            (folder / "backtests").mkdir(exist_ok=True)
            backtest_files.save_backtest(folder / "backtests", item)
        yield url


def test_selection_says_which_models_are_active_and_the_benefit_of_excluding_any() -> None:
    checked = CalibrationReport(100, 0, ())
    assert models_tables.describe_selection(checked) == "All models are active: not enough data on the benefit of excluding any."
    tie, paid = replace(checked, selection_gain=(0.00005, -0.0001, 0.0002, 7_000)), replace(checked, selection_gain=(0.0002, 0.0001, 0.0003, 9_000))
    assert models_tables.describe_selection(tie).startswith(
        "All models are active: excluding any has no proven benefit, +0.005 % of R² (\u22120.010 to +0.020, n=7,000)"
    )
    assert models_tables.describe_selection(paid).startswith("Models predicted to harm the forecast are excluded: a proven benefit, +0.020 % of R²")


def commands(url: str, name: str) -> pd.DataFrame:
    return Reader(url).frame("SELECT name, args, reason, status FROM commands WHERE name = :name", {"name": name})


def button(app: AppTest, label: str) -> Any:
    return next(item for item in app.button if item.label == label)


def test_an_estimate_has_its_interval_and_one_without_is_hollow() -> None:
    result = [
        IntervalEstimate("a", "all", 1.0, 0.5, 1.5, 900),
        IntervalEstimate("b", "all", 2.0, None, None, 12),
        IntervalEstimate("c", "all", None, None, None, 7),
    ]
    drawn = forest_plot.plot_intervals(result, ["a", "b", "c"], [("all", theme.UP)])
    lines = [trace for trace in drawn.data if trace["mode"] == "lines"]
    dots = drawn.data[-1]
    assert [line["x"] for line in lines] == [[0.5, 1.5]]
    assert dots["x"] == [1.0, 2.0]
    assert [colour == theme.UP for colour in dots["marker"]["color"]] == [True, False]
    assert [note["text"] for note in drawn.layout["annotations"]] == ["not enough data, n=7"]
    assert "n=12" in dots["hovertext"][1]
    assert units.NOT_ENOUGH in dots["hovertext"][1]


def test_a_series_without_any_estimate_is_said_to_have_none() -> None:
    drawn = forest_plot.plot_intervals(
        [IntervalEstimate("a", "A", 1.0, 0.5, 1.5, 900), IntervalEstimate("a", "B", None, None, None, 3)], ["a"], [("A", theme.UP), ("B", theme.DOWN)]
    )
    legend = drawn.layout["annotations"][-1]["text"]
    assert "B: not enough data" in legend
    assert "A: not enough data" not in legend


def test_one_wide_interval_does_not_press_the_others_together() -> None:
    result = [IntervalEstimate(str(row), "all", 1.0, 0.9, 1.1, 900) for row in range(8)] + [IntervalEstimate("8", "all", 1.0, -900.0, 900.0, 30)]
    drawn = forest_plot.plot_intervals(result, [str(row) for row in range(9)], [("all", theme.UP)])
    low, high = drawn.layout["xaxis"]["range"]
    assert -1.0 < low < high < 3.0


def test_names_at_the_ends_of_lines_do_not_lie_on_one_another() -> None:
    frame = pd.DataFrame({"tick": [1, 2] * 2, "model": ["ridge"] * 2 + ["lightgbm"] * 2, "horizon": 1, "weight": [0.0, 0.5, 1.0, 0.501]})
    drawn = models_charts.plot_weights(frame, MODELS, 1)
    places = sorted(note["y"] for note in drawn.layout["annotations"])
    assert places[1] - places[0] > 0.05


@pytest.mark.parametrize(
    ("low", "high", "word"), [(0.1, 2.0, "costs"), (-2.0, -0.1, "saves"), (-1.0, 1.0, "neither"), (None, None, units.NOT_ENOUGH)]
)
def test_a_gate_costs_or_saves_only_where_its_interval_says_so(low: float | None, high: float | None, word: str) -> None:
    assert models_charts.judge_gate(low, high)[0] == word


def test_a_pair_never_active_together_has_an_empty_cell() -> None:
    frame = pd.DataFrame({"model": ["ridge", "lightgbm"], "other": ["lightgbm", "ridge"], "share": [float("nan")] * 2, "n": [0, 0]})
    cell = json.loads(models_charts.plot_agreement(frame, MODELS).to_json())["data"][0]
    assert cell["z"] == [[None, None], [None, None]]
    assert "never active together" in cell["hovertext"][0][1]


def test_a_run_is_drawn_with_buying_and_holding_beside_it_from_the_same_start() -> None:
    lines = json.loads(charts.plot_equity_curves([backtest()]).to_json())["data"]
    assert [line["name"] for line in lines] == ["benchmark", "Podium"]
    assert all(line["y"][0] == 0.0 for line in lines)
    result = report()["portfolio"]
    assert [line["y"][-1] for line in lines] == pytest.approx([result["benchmark_return"] * 100, result["net_return"] * 100], abs=1e-6)


def test_runs_over_one_market_share_the_line_of_buying_and_holding() -> None:
    lines = charts.plot_equity_curves([backtest(1), backtest(2)]).data
    assert [line["name"] for line in lines] == ["A: benchmark", "A", "B"]


def test_the_crosshair_reads_out_every_run_over_the_same_times() -> None:
    drawn = charts.plot_equity_curves([backtest(1), backtest(2)])
    read_out = drawn.layout["meta"]["readout"]
    assert drawn.layout["meta"]["cross"]
    assert {drawn.data[place]["name"]: name for place, name in read_out["lines"]} == {name: name for name in ("A: benchmark", "A", "B")}
    assert len(drawn.data[read_out["trace"]]["x"]) == max(len(line["x"]) for line in drawn.data)


def test_runs_over_other_times_are_laid_on_days_since_the_start() -> None:
    later = report() | {"equity": [[at + 86_400 * 10**9 * 900, *values] for at, *values in report()["equity"]]}
    drawn = charts.plot_equity_curves([backtest(1), backtest(2, report=later)])
    assert "type" not in drawn.layout["xaxis"]
    assert "readout" not in drawn.layout["meta"]  # which says a time
    assert {line["x"][0] for line in drawn.data} == {0.0}


def test_the_gates_of_a_run_are_shares_of_all_its_decisions() -> None:
    shares = dict(tables.rank_gates([backtest()]))
    assert shares
    for gate, (share,) in shares.items():
        assert share == pytest.approx(report()["binding_gates"][gate] / report()["decisions"])


HOLLOW: list[dict[str, Any]] = [
    {}, {"skill": None, "portfolio": None, "equity": None}, {"skill": {"ensemble": []}, "equity": [[1], None, "x"], "calibration": 3},
    {"equity": [[1, None, None], [2, None, None]], "symbols": None, "actions": [], "binding_gates": {"edge": "many"}, "declined": {"edge": None}},
    {"data": {"A": 3, "B": {"rows": "many"}}, "left_out": [1]}, {"data": [2], "left_out": {"x": None}},
    {"calibration": {"reliability": [[0.5, 0.5, 0], [None, 1, 2], "x"]}, "skill": {"ensemble": {"n": None, "by_horizon": {"one": {}}}}},
]  # fmt: skip


@pytest.mark.parametrize("hollow", HOLLOW, ids=range(len(HOLLOW)))
def test_a_report_that_lacks_its_figures_is_shown_without_them(hollow: dict[str, Any], full_store: str, tmp_path: Path) -> None:
    with shelved(full_store, tmp_path, backtest(1), backtest(2, report=hollow)) as url:
        app = run("07_backtests.py", url, runs="20260101-000002-2,20260101-000001-1")
    assert not app.exception
    assert units.NOT_ENOUGH in text(app)
    assert "nan" not in text(app).lower()


def test_the_newest_backtest_is_open_and_the_address_opens_others(full_store: str, tmp_path: Path) -> None:
    with shelved(full_store, tmp_path, backtest(1), backtest(2)) as url:
        assert run("07_backtests.py", url).multiselect[0].value == ["20260101-000002-2"]
        command = run("07_backtests.py", url, runs="20260101-000001-1,20260101-000002-2,../../etc/passwd,20990101-000000-9")
    assert command.multiselect[0].value == ["20260101-000001-1", "20260101-000002-2"]
    assert "Comparison" in text(command)


def test_a_file_that_cannot_be_read_is_named_beside_the_others(full_store: str, tmp_path: Path) -> None:
    with shelved(full_store, tmp_path, backtest(1)) as url:
        (tmp_path / "backtests" / "20260101-000009-9.json").write_bytes(b"\x00{")
        shown = text(run("07_backtests.py", url))
    assert "20260101-000009-9.json cannot be read" in shown
    assert "Figures" in shown


def test_hostile_words_of_a_backtest_are_text(full_store: str, tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    with shelved(full_store, tmp_path, backtest(1, by=bad, reason=bad, arguments={"market": f"/x/{bad}", "symbols": bad})) as url:
        shown = text(run("07_backtests.py", url))
    assert "<script>" not in shown


def test_a_backtest_is_asked_for_with_what_was_chosen(full_store: str, tmp_path: Path) -> None:
    with shelved(full_store, tmp_path) as url:
        app = run("07_backtests.py", url)
        app.number_input(key="run_bars").set_value(700)
        app.toggle(key="training").set_value(False)
        app.text_input(key="reason_to_backtest").set_value("how it holds")
        button(app, "Run").click().run()
        command = commands(url, "backtest").iloc[0]
        shown = text(app)
    assert json.loads(command["args"]) == {
        "market": "simulated", "signal": "0.05", "bars": "700", "symbol_count": "8", "seed": "7", "training": "none",
    }  # fmt: skip
    assert command["reason"] == "how it holds"
    assert "Sent." in shown
    assert "simulated market, signal 0.05, 700 bars, 8 symbols, seed 7, no training" in shown


def test_a_recording_needs_its_folder(full_store: str, tmp_path: Path) -> None:
    with shelved(full_store, tmp_path) as url:
        app = run("07_backtests.py", url, market="recording")
        button(app, "Run").click().run()
        assert "Not sent." in text(app)
        app.text_input(key="run_path").set_value(" /data/recording ")
        app.text_input(key="run_names").set_value("BTC, ETH")
        button(app, "Run").click().run()
        command = json.loads(commands(url, "backtest").iloc[0]["args"])
    assert command == {"market": "/data/recording", "symbols": "BTC,ETH", "seed": "7", "training": "yes"}


def test_what_runs_shows_how_far_it_has_come_and_can_be_cancelled(full_store: str, tmp_path: Path) -> None:
    with shelved(full_store, tmp_path) as url:
        inbox = Inbox(url, "made")
        number = inbox.submit("backtest", {"market": "simulated", "bars": "5000"}, "ada", "to see", 1)
        inbox.claim_number(number, 2)
        inbox.report_progress(number, 0.4, "2,000 of 5,000 bars, about 12 s left")
        inbox.close()
        app = run("07_backtests.py", url)
        assert "2,000 of 5,000 bars" in text(app)
        assert 'style="width:40.0%"' in text(app)
        button(app, "Cancel").click().run()
        assert json.loads(commands(url, "cancel_backtest").iloc[0]["args"]) == {"id": str(number)}


def test_deleting_asks_first(full_store: str, tmp_path: Path) -> None:
    with shelved(full_store, tmp_path, backtest(1)) as url:
        app = run("07_backtests.py", url)
        button(app, "Delete").click().run()
        assert commands(url, "delete_backtest").empty
        button(app, "Delete for good").click().run()
        assert json.loads(commands(url, "delete_backtest").iloc[0]["args"]) == {"id": "20260101-000001-1"}


def test_a_retraining_is_asked_for_with_its_reason(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("05_models.py", url)
        button(app, "Retrain").click().run()
        assert "Not sent. Give a reason" in text(app).replace("</b><span>", " ")
        app.text_input(key="reason_to_retrain").set_value("the market has changed").run()
        button(app, "Retrain").click().run()
        assert commands(url, "retrain")["reason"].tolist() == ["the market has changed"]


def test_the_horizon_comes_from_the_address(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        shown = text(run("05_models.py", url, horizon="12 bars"))
    assert "Recent skill (R², 12 bars)" in shown
    assert units.NOT_ENOUGH in shown


def test_words_of_what_was_asked_for_leave_out_what_was_not() -> None:
    assert backtest_text.describe_arguments({"market": "/x", "from": "2023-01-01", "interval": "5m", "training": "yes"}) == "from 2023-01-01, 5m bars"
    assert backtest_text.describe_arguments({"market": "simulated"}) == "default settings"


COUNTED = {"rows": 1_234, "bars": 1_200, "duplicates": 3, "faulty": 7, "without_volume": 11, "signed_trades": 5, "volume": "unknown"}


def test_what_was_left_out_of_a_recording_is_shown_with_its_run(full_store: str, tmp_path: Path) -> None:
    counted = report() | {"data": {"BTC": COUNTED}, "left_out": {"ETH": "Bars.csv: rename it to bars.csv"}}
    with shelved(full_store, tmp_path, backtest(1, report=counted), backtest(2)) as url:
        shown = text(run("07_backtests.py", url, runs="20260101-000001-1"))
        other = text(run("07_backtests.py", url, runs="20260101-000002-2"))
    for figure in ("1,234", "1,200", "volume unknown", "Bars.csv: rename it to bars.csv"):
        assert figure in shown
        assert figure not in other
    assert "Not read" not in other


def test_counts_of_several_runs_say_which_run_they_are_of() -> None:
    runs = [
        backtest(1, report=report() | {"data": {"BTC": COUNTED}}),
        backtest(2),
        backtest(3, report=report() | {"data": {"BTC": {}}, "left_out": {"x": "why"}}),
    ]
    first, second = tables.list_data_counts(runs)
    assert first.cells[1:7] == ("1,234", "1,200", "3", "7", "11", units.MISSING)
    assert [line.cells[0].text for line in (first, second)] == ["A BTC", "C BTC"]  # type: ignore[union-attr]
    assert [line.cells for line in tables.list_unread_files(runs)] == [("C x", "why")]


def test_a_comparison_shows_the_evolution_of_each_run_and_a_dash_where_an_older_one_has_none() -> None:
    counted = report() | {"evolution": {"triggers": {"schedule": 4}, "challengers": 3, "promoted": 1, "reverted": 0, "seconds": 8.8}}
    older = {name: value for name, value in report().items() if name != "evolution"}
    rows = {line.cells[0]: line.cells[1:] for line in tables.list_comparison([backtest(1, report=counted), backtest(2, report=older)])}
    names = ("Challengers raced", "Challengers promoted", "Changes reverted", "Searches, processor time")
    assert [rows[name] for name in names] == [(shown, units.MISSING) for shown in ("3", "1", "0", "8.8 s")]
