"""What Overview builds by plain Python is what pandas' own row work gives on the same store."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.store.read import components, decisions, portfolio, recent, status, timeline
from engine.store.read.reader import Reader
from pages.overview import charts, machine
from pages.ui import equity_chart, forest_plot, skill, tiles


@pytest.fixture(scope="module")
def reader(full_store: str) -> Reader:
    return Reader(full_store)


def figure_by_frame(frame: pd.DataFrame, scope: str, horizon: int, column: str) -> float | None:
    """The ensemble's figure, looked up by masks of pandas."""
    row = frame[(frame["scope"] == scope) & (frame["model"] == "ensemble") & (frame["regime"] == "all") & (frame["horizon"] == horizon)]
    value = float(row[column].iloc[0]) if len(row) and pd.notna(row[column].iloc[0]) else None
    return value if value is not None and math.isfinite(value) else None


def test_figures_of_skill_are_those_of_the_table(reader: Reader) -> None:
    frame = decisions.read_skill(reader)
    figures = skill.index_figures(frame)
    assert figures
    for scope in ("recent", "ensemble", "model", "none"):
        for horizon in {*frame["horizon"].tolist(), 999}:
            for column in ("r2", "low", "high", "n"):
                assert figures.get((scope, horizon), {}).get(column) == figure_by_frame(frame, scope, horizon, column)


cells = st.one_of(st.none(), st.text(max_size=3), st.integers(-(2**53), 2**53), st.floats(allow_nan=False))


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.text(max_size=3), st.integers(-(2**62), 2**62), st.floats(allow_nan=False), cells), max_size=6))
def test_rows_are_those_of_itertuples(rows: list[tuple[object, ...]]) -> None:
    frame = pd.DataFrame(rows, columns=["symbol", "at", "class", "mixed"])
    rows_by_pandas = [repr(tuple(row)) for row in frame.itertuples(index=False)]
    assert [repr(tuple(row)) for row in forest_plot.iterate_rows(frame)] == rows_by_pandas  # repr: NaN is not equal to itself
    assert [row.symbol for row in forest_plot.iterate_rows(frame)] == frame["symbol"].tolist()


def test_a_described_decision_is_remembered_by_all_that_it_depends_on(reader: Reader) -> None:
    session = status.read_status(reader).session
    assert session is not None
    frame = decisions.read_gate_strip(reader, 120)
    charts._describe_decision.cache_clear()
    first = charts.plot_gate_strip(frame, session).data
    again = charts.plot_gate_strip(frame, session).data
    assert first == again
    assert charts._describe_decision.cache_info().hits >= len(frame)
    renamed = replace(session, gates=tuple((name, sense, "other") for name, sense, _ in session.gates))
    assert charts.plot_gate_strip(frame, renamed).data[0]["text"] != first[0]["text"]


def test_events_are_in_the_order_of_time_and_each_lane_has_its_own(reader: Reader) -> None:
    marks, frame = timeline.read_timeline(reader), portfolio.read_equity(reader)
    pd.testing.assert_frame_equal(marks, marks.sort_values("at", kind="stable").reset_index(drop=True))
    events = [("b", 5, "x"), ("a", 3, "y"), ("c", 5, "z")]
    known = pd.DataFrame(events, columns=["kind", "at", "detail"]).astype({"at": "int64"}).sort_values("at", kind="stable")
    pd.testing.assert_frame_equal(timeline.event_frame(events), known.reset_index(drop=True))
    assert timeline.event_frame([]).empty
    figure = equity_chart.plot_equity(frame, 1e5, marks)
    lanes = {trace["name"]: trace for trace in figure.data if trace.get("yaxis") == "y2"}
    for kind, (word, _, _) in equity_chart.EVENT_LANES.items():
        assert lanes[word]["x"].tolist() == (marks[marks["kind"] == kind]["at"] // 1_000_000).tolist()


def test_readings_are_those_of_the_table(reader: Reader) -> None:
    now = reader.frame("SELECT source, name, value, unit, max(at) AS at FROM readings_raw GROUP BY source, name")
    for row in now.to_dict("records"):
        assert tiles.get_reading(now, row["source"], row["name"]) == row["value"]
        assert tiles.get_reading(now, None, row["name"]) == now[now["name"] == row["name"]]["value"].iloc[0]
    assert tiles.get_reading(now, "host", "none such") is None
    trend = pd.DataFrame({"source": ["a", "b", "a"], "name": ["x", "x", "x"], "mean": [1.0, 2.0, 3.0]})
    assert machine._reading_trend(trend, "a", "x") == (1.0, 3.0)


def test_a_snapshot_reads_the_range_and_the_line_of_equity_once(reader: Reader) -> None:
    with reader.snapshot():
        line = reader.once(portfolio.read_equity)
        assert reader.once(portfolio.read_equity) is line
        assert status.read_session_range(reader) == (int(line["tick"].iloc[0]), int(line["tick"].iloc[-1]))
        assert not recent.read_trends(reader).empty
    assert components.read_clean_rate(reader, 2**62).ticks >= 0
