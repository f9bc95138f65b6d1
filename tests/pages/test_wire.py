"""What live charts and tables send: patches that give the same value, bounded by what changed, and the whole where a patch does not fit."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from engine.store.read import decisions, live_ticks, portfolio, status, timeline
from engine.store.read.reader import Reader
from pages.overview import charts
from pages.ui import equity_chart, live, trading_tables, wire
from pages.ui.patches import Json, apply_patch, diff_json
from tests.web.asked import Asked

SCALARS = st.none() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=2), inner, max_size=4), max_leaves=40)


def sent(patch: Any) -> Any:
    return orjson.loads(orjson.dumps(patch))


@given(old=VALUES, new=VALUES)
def test_a_patch_gives_the_new_value_and_leaves_the_old_one(old: Json, new: Json) -> None:
    before = sent(old)
    assert apply_patch(old, sent(diff_json(old, new))) == new
    assert old == before


@given(elements=st.lists(st.integers(0, 2), min_size=40, max_size=80), shift=st.integers(1, 8), data=st.data())
def test_a_window_that_moved_costs_what_it_gained(elements: list[int], shift: int, data: st.DataObject) -> None:
    gained = data.draw(st.lists(st.integers(0, 9), min_size=shift, max_size=shift))
    for old, new in ((elements, elements[shift:] + gained), (elements, gained + elements[:-shift])):
        patch = sent(diff_json(old, new))
        assert apply_patch(old, patch) == new
        literals = sum(len(part[0]) for part in patch[1] if len(part) == 1) if patch and patch[0] == "[" else 0
        assert patch is None or literals <= shift


def test_a_tick_later_the_charts_of_overview_send_a_twentieth(full_store: str) -> None:
    reader = Reader(full_store)
    session = status.read_status(reader).session
    assert session is not None
    strip, equity, marks = decisions.read_gate_strip(reader, 121), portfolio.read_equity(reader), timeline.read_timeline(reader)
    newest, oldest = strip["tick"].max(), strip["tick"].min()
    pairs = (
        (charts.plot_gate_strip(strip[strip["tick"] < newest], session), charts.plot_gate_strip(strip[strip["tick"] > oldest], session)),
        (equity_chart.plot_equity(equity[:-1], None, marks), equity_chart.plot_equity(equity, None, marks)),
    )
    for before, after in pairs:
        old, new = before.to_payload(), after.to_payload()
        patch = new.patch_from(old)
        assert patch is not None
        assert apply_patch(old.value, patch) == new.value
        assert len(orjson.dumps(patch)) < 0.1 * len(new.text)


def test_rows_of_a_table_send_the_texts_that_changed(full_store: str) -> None:
    frame, _ = decisions.read_latest_decisions(Reader(full_store), decisions.DecisionFilter(), limit=32)
    old, new = (live.prepare_table(trading_tables.render_decisions(part)) for part in (frame[16:], frame[:16]))
    patch = new.patch_from(old)
    assert patch is not None
    assert len(orjson.dumps(patch)) < 0.4 * len(new.text)
    assert "".join(text for row in apply_patch(old.value, patch) for text in row) == trading_tables.render_decisions(frame[:16])


def payload(*values: int) -> wire.Payload:
    return wire.register_payload(orjson.dumps(list(values)))


def test_a_session_is_sent_the_whole_by_digest_then_patches_and_nothing_where_nothing_changed() -> None:
    shown: dict[str, tuple[wire.Payload, ...]] = {}
    first, second = payload(*range(100)), payload(*range(1, 101))
    assert wire.build_message(shown, "chart", first) == {"digest": first.digest, "patch": ["=", first.value]}, "a small one in the message"
    large = payload(*range(wire.MAX_INLINE))
    assert wire.build_message({}, "chart", large) == {"digest": large.digest}
    message = wire.build_message(shown, "chart", second)
    assert (message["digest"], message["base"]) == (second.digest, first.digest)
    assert apply_patch(first.value, message["patch"]) == second.value
    assert wire.build_message(shown, "chart", second) == {"digest": second.digest}
    assert wire.build_message(shown, "chart", payload(7)) == {"digest": payload(7).digest, "patch": ["=", [7]]}, "where a patch is no smaller"


class Forgetful(dict[str, bytes | None]):
    """Patches that another session clears as soon as one is put in."""

    def __setitem__(self, key: str, value: bytes | None) -> None:
        """Keep nothing."""


def test_a_patch_survives_another_session_that_clears_it() -> None:
    first, second = payload(*range(100)), payload(*range(1, 101))
    assert wire.Payload(second.digest, second.text, Forgetful()).patch_from(first) == second.patch_from(first)


def test_a_session_keeps_the_payloads_of_the_keys_that_it_showed_last() -> None:
    shown: dict[str, tuple[wire.Payload, ...]] = {}
    for number in range(wire.KEYS):
        wire.build_message(shown, f"chart {number}", payload(number))
    wire.build_message(shown, "chart 0", payload(0))  # the same again
    wire.build_message(shown, "another", payload(99))
    assert len(shown) == wire.KEYS
    assert "chart 0" in shown
    assert "chart 1" not in shown


def test_sessions_share_a_payload_and_it_goes_with_the_last_of_them() -> None:
    server = Asked.of(Starlette(routes=[wire.payload_route()]))
    sessions: list[dict[str, tuple[wire.Payload, ...]]] = [{}, {}]
    for session in sessions:
        wire.build_message(session, "chart", payload(1, 2, 3))
    assert sessions[0]["chart"][0] is sessions[1]["chart"][0]
    address = f"/podium/live/{sessions[0]['chart'][0].digest}.json"
    answer = server.get(address, accept_encoding="gzip")
    assert (answer.code, orjson.loads(gzip.decompress(answer.body)), answer.head["cache-control"]) == (200, [1, 2, 3], "no-store")
    assert server.get(address).body == b"[1,2,3]"
    sessions[0].clear()
    assert server.get(address).code == 200
    sessions[1].clear()
    assert (server.get(address).code, server.get("/podium/live/unknown.json").code) == (204, 204)


@pytest.mark.parametrize(("old", "new"), [([True] * 9, [1] * 9), ({"a": True}, {"a": 1})])
def test_a_patch_that_would_not_give_the_same_text_is_not_sent(old: Json, new: Json) -> None:
    before, after = (wire.register_payload(orjson.dumps(value)) for value in (old, new))
    patch = after.patch_from(before)
    assert patch is None or orjson.dumps(apply_patch(before.value, patch)) == after.text


@given(first=st.integers(0, 50), length=st.integers(1, 3_000), points=st.integers(2, 600))
def test_the_points_of_a_chart_stay_when_a_tick_comes(first: int, length: int, points: int) -> None:
    picked, later = (live_ticks.spaced(first, first + count, points) for count in (length, length + 1))
    assert len(picked) <= points
    assert picked[-1] == first + length
    assert picked == sorted(set(picked))
    step = -(-(length + 1) // (points - 1))
    if -(-(length + 2) // (points - 1)) == step:
        assert set(picked[:-1]) <= set(later)
