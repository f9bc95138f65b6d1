"""Charts are made from frames alone: gaps stay gaps, margins stay on their side, and nothing travels that is too long."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from engine.phases.gates import GATE_NAMES
from engine.store.read import decision, decisions, portfolio, resources, status
from engine.store.read.decision import DecisionDetails, GateResult
from engine.store.read.reader import Reader
from engine.store.read.status import SessionInfo
from pages.decision import charts, sizing, votes_chart
from pages.models import charts as model_charts
from pages.overview import charts as overview_charts
from pages.resources import charts as resources_charts
from pages.resources.charts import ReadingPanel, ReadingSeries
from pages.ui import equity_chart, theme
from tests.store.made import SYMBOLS, WALL

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def reader(full_store: str) -> Reader:
    return Reader(full_store)


@pytest.fixture(scope="module")
def session(reader: Reader) -> SessionInfo:
    details = status.read_status(reader).session
    assert details is not None
    return details


@pytest.fixture(scope="module")
def details(reader: Reader) -> DecisionDetails:
    decided = decision.read_decision(reader, 59, SYMBOLS[0])  # a tick with a phase that fell back
    assert decided is not None
    return decided


def test_the_strip_has_a_cell_a_decision_and_leads_to_it(reader: Reader, session: SessionInfo) -> None:
    strip = json.loads(overview_charts.plot_gate_strip(decisions.read_gate_strip(reader, 120), session).to_json())["data"][0]
    assert strip["y"] == list(SYMBOLS)
    assert len(strip["x"]) == 120
    assert strip["customdata"][1][-1] == f"{strip['x'][-1]} {SYMBOLS[1]}"
    assert all(0 <= cell <= strip["zmax"] for row in strip["z"] for cell in row)


def test_a_cell_has_the_colour_of_its_gate(reader: Reader, session: SessionInfo) -> None:
    frame = decisions.read_gate_strip(reader, 120)
    strip = overview_charts.plot_gate_strip(frame, session).data[0]
    held = frame[(frame["symbol"] == SYMBOLS[0]) & frame["binding_gate"].notna() & (frame["action"] == "hold")].iloc[-1]
    cell = strip["z"][0][strip["x"].index(held["tick"])] / strip["zmax"]
    colour = next(
        colour for (start, colour), (end, _) in zip(strip["colorscale"][::2], strip["colorscale"][1::2], strict=True) if start <= cell < end
    )
    names = [name for name, _, _ in session.gates]
    assert colour == theme.gate_colour(names.index(held["binding_gate"]))


def test_equity_keeps_its_gaps() -> None:
    frame = pd.DataFrame(
        {"tick": [0, 1, 2], "at": [0, 60 * SECOND, 120 * SECOND], "equity": [100.0, math.nan, 110.0], "benchmark": [100.0, 99.0, 98.0]}
    )
    drawn = json.loads(equity_chart.plot_equity(frame, 100.0).to_json())
    assert drawn["data"][1]["y"] == [0.0, None, pytest.approx(10.0)]
    assert drawn["data"][0]["y"][-1] == pytest.approx(-2.0)


def test_what_happened_stands_in_lanes_below_the_equity_also_where_nothing_did() -> None:
    frame = pd.DataFrame({"tick": [0, 1], "at": [0, 60 * SECOND], "equity": [100.0, 101.0], "benchmark": [100.0, 99.0]})
    nothing = pd.DataFrame({"kind": [], "at": [], "detail": []}).astype({"at": "int64"})
    quiet = json.loads(equity_chart.plot_equity(frame, 100.0, nothing).to_json())
    assert [note["text"] for note in quiet["layout"]["annotations"][2:]] == ["no trades", "no retrainings", "no incidents", "no optimizations"]
    marks = pd.DataFrame({"kind": ["incident"], "at": [60 * SECOND], "detail": ["halt *"]})
    drawn = json.loads(equity_chart.plot_equity(frame, 100.0, marks).to_json())
    assert [trace["x"] for trace in drawn["data"] if trace["name"] == "incidents"] == [[60_000]]
    assert "incidents" in [note["text"] for note in drawn["layout"]["annotations"]]


@pytest.mark.parametrize(
    ("rung", "side"),
    [
        (GateResult("a", ">=", "bps", 5.0, 2.0, True), 1),
        (GateResult("a", ">=", "bps", 1.0, 2.0, False), -1),
        (GateResult("a", "<=", "%", 1.0, 2.0, True), 1),
        (GateResult("a", "<=", "%", 3.0, 2.0, False), -1),
        (GateResult("a", ">", "%", 0.0, 0.0, False), -1),
        (GateResult("a", ">=", "bars", None, 2.0, False), -1),
        (GateResult("a", "<=", "", 0.0, 0.0, True), 1),
    ],
)
def test_a_margin_is_drawn_on_the_side_of_its_verdict(rung: GateResult, side: int) -> None:
    share = charts.scale_margin(rung)
    assert 0 < share * side <= 1


def test_the_ladder_outlines_the_binding_gate_only(details: DecisionDetails) -> None:
    marker = charts.plot_gates(details).data[0]["marker"]
    outlined = [rung.name for rung, width in zip(details.gates, marker["line"]["width"], strict=True) if width]
    assert outlined == ([details.binding_gate] if details.binding_gate else [])


def test_a_fallback_is_named_in_the_timeline(details: DecisionDetails) -> None:
    drawn = charts.plot_phases(details)
    words = [note["text"] for note in drawn.layout["annotations"]]
    assert sum("fallback" in text for text in words) == sum(span.fallback for span in details.spans) == 1
    assert len(words) == 10


def test_votes_show_only_models_that_were_heard(details: DecisionDetails) -> None:
    drawn = votes_chart.plot_votes(details)
    models = [trace for trace in drawn.data if trace["y"] != ["ensemble"]]
    assert len(models) == len(details.session.horizons)
    active = sum(vote.bps is not None for vote in details.votes)
    assert sum(len(trace["y"]) for trace in models) == active


def test_a_size_far_beyond_the_rest_is_drawn_at_the_edge_with_its_true_figure(details: DecisionDetails) -> None:
    drawn = sizing.plot_sizing(details)
    words = [note["text"].partition("  ")[0] for note in drawn.layout["annotations"]]
    assert words == [sizing.format_size(value) for _, value in details.limits]


def test_a_gap_in_the_readings_is_a_gap_in_the_line() -> None:
    at = [second * SECOND for second in (0, 2, 4, 6, 60, 62, 64)]
    frame = pd.DataFrame({"source": "host", "name": "cpu_percent", "unit": "%", "at": at, "low": 1.0, "mean": 2.0, "high": 3.0})
    drawn = resources_charts.plot_small_multiples(frame, [ReadingPanel("CPU", (ReadingSeries("host", "cpu_percent", "host"),))], 0, 64 * SECOND)
    line = json.loads(drawn.to_json())["data"][-1]
    assert line["y"].count(None) == 1
    assert line["y"].index(None) == 4


def test_a_band_ends_at_a_gap_and_begins_anew_after_it() -> None:
    at = [second * SECOND for second in (0, 2, 4, 6, 60, 62, 64)]
    frame = pd.DataFrame({"source": "host", "name": "cpu_percent", "unit": "%", "at": at, "low": 1.0, "mean": 2.0, "high": 3.0})
    drawn = resources_charts.plot_small_multiples(
        frame, [ReadingPanel("CPU", (ReadingSeries("host", "cpu_percent", "host", band=True),))], 0, 64 * SECOND
    )
    band = next(trace for trace in json.loads(drawn.to_json())["data"] if trace.get("fill") == "toself")
    assert band["y"] == [3.0] * 4 + [1.0] * 4 + [None] + [3.0] * 3 + [1.0] * 3 + [None]
    assert band["x"] == [0, 2_000, 4_000, 6_000, 6_000, 4_000, 2_000, 0, None, 60_000, 62_000, 64_000, 64_000, 62_000, 60_000, None]


def test_what_happened_has_its_lanes_and_a_line_through_all_panels() -> None:
    frame = pd.DataFrame({"source": "host", "name": "cpu_percent", "unit": "%", "at": [0, SECOND], "low": 1.0, "mean": 2.0, "high": 3.0})
    marks = pd.DataFrame({"kind": ["acted", "optimized"], "at": [SECOND // 2, SECOND], "detail": ["2 bought or sold", "trim cache: helped"]})
    panels = [
        ReadingPanel("CPU", (ReadingSeries("host", "cpu_percent", "host"),)),
        ReadingPanel("Disk", (ReadingSeries("host", "disk_percent", "in use"),)),
    ]
    drawn = resources_charts.plot_small_multiples(frame, panels, 0, SECOND, marks)
    assert [shape["x0"] for shape in drawn.layout["shapes"]] == [1_000]
    lanes = {trace["name"]: trace["hovertext"] for trace in drawn.data if "hovertext" in trace}
    assert lanes == {"trades": ["2 bought or sold"], "optimizations": ["trim cache: helped"], "incidents": []}
    assert any("no incidents" in note["text"] for note in drawn.layout["annotations"])


def test_a_panel_without_readings_says_so() -> None:
    frame = pd.DataFrame({name: [] for name in ("source", "name", "unit", "at", "low", "mean", "high")})
    drawn = resources_charts.plot_small_multiples(frame, [ReadingPanel("CPU", (ReadingSeries("host", "cpu_percent", "host"),))], 0, SECOND)
    assert "not measured" in drawn.layout["annotations"][0]["text"]


def test_no_line_travels_with_more_than_2000_points(reader: Reader) -> None:
    wanted = (("host", "cpu_percent"), ("process", "rss_bytes"), ("engine", "tick_p99_ms"))
    frame = resources.read_series(reader, wanted, WALL - 30 * 86_400 * SECOND, WALL + 3_600 * SECOND)
    assert len(frame) <= 3 * (resources.MAX_POINTS + 1)
    assert portfolio.EQUITY_POINTS <= 2000


def test_every_gate_has_a_colour_of_its_own() -> None:
    assert len({theme.gate_colour(position) for position in range(len(GATE_NAMES))}) == len(GATE_NAMES)


def test_a_long_name_leaves_the_plot_its_room() -> None:
    frame = pd.DataFrame({"tick": [1], "model": ["m" * 400], "horizon": [1], "weight": [0.5]})
    margin = model_charts.plot_weights(frame, ["m" * 400], 1).layout["margin"]
    assert margin["r"] <= 220
