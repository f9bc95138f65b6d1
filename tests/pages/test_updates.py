"""Updates of a page: a browser is sent what has changed of what it shows, and its script runs where something else has."""

from __future__ import annotations

import gzip
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit.testing.v1 import AppTest

from pages import update_route
from pages.ui import cache, shared, updates, wire
from pages.ui.patches import apply_patch
from tests.pages.stores import copied, lock, store
from tests.pages.test_pages import run
from tests.pages.test_state_bar import header
from tests.web.asked import Asked

PART = re.compile('data-part="([a-z_]+)" data-digest="([0-9a-f]+)"')


def drawn(app: AppTest) -> dict[str, str]:
    """The digest of each part that a page's script drew."""
    components = [orjson.loads(part.proto.json) for part in app.get("bidi_component")]
    html = PART.findall(" ".join(part.proto.body for part in app.get("html")))
    return {**dict(html), **{data["part"]: data["digest"] for data in components if "part" in data}}


def frame(app: AppTest, name: str) -> str:
    components = [orjson.loads(part.proto.json) for part in app.get("bidi_component")]
    return next(str(data["frame"]) for data in components if data.get("name") == name)


def ask(url: str, shown: Mapping[str, str], title: str = "Overview", since: int | None = None) -> dict[str, Any]:
    cache._version.clear()  # as after the time for which it counts
    cache._status.clear()
    return update_route.build_answer(url, title, shown, since)


def change(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "podium.db")) as connection, connection:
        connection.execute(sql)


def go_back(folder: Path) -> None:
    """Takes the newest tick away."""
    for table in ("decisions", "ticks"):
        change(folder, f"DELETE FROM {table} WHERE tick = (SELECT max(tick) FROM {table})")


def test_a_browser_that_shows_what_the_script_drew_is_sent_nothing_then_what_a_tick_changes(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        page = run("01_overview.py", url)
        shown = drawn(page)
        assert len(shown) == 12
        same = ask(url, shown)
        assert frame(page, "page") == same["frames"]["page"]
        assert {name for name in same["parts"] if name not in {"machine", "machine_heading"}} == set(), "whose words depend on the time"

        before = {name: wire.find_payload(digest) for name, digest in shown.items()}
        go_back(tmp_path)
        changed = ask(url, shown)["parts"]
        assert {"present", "strip", "equity", "latest", "latest_heading"} <= set(changed)
        for name, part in changed.items():
            old, new = before[name], wire.find_payload(part["digest"])
            assert old is not None
            assert new is not None
            assert new.digest != old.digest
            if isinstance(new.value, str):
                assert part["html"] == new.value
            elif "base" in part:
                assert part["base"] == shown[name]
                assert apply_patch(old.value, part["patch"]) == new.value
        assert "base" in changed["strip"]
        assert ask(url, shown | {name: part["digest"] for name, part in changed.items()})["parts"].keys() <= {"machine", "machine_heading"}
        assert ask(url, {"strip": "0" * 32})["parts"] == {"strip": {"digest": changed["strip"]["digest"]}}, "what nobody has here is fetched"


def test_the_script_runs_again_where_buttons_change_and_where_the_store_cannot_be_read(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = header(url)
        answer = ask(url, drawn(app), "Market")
        assert (answer["frames"]["header"], answer["parts"]) == (frame(app, "header"), {})
        assert answer["clock"]["tab"]["page"] == "Market"
        change(tmp_path, "UPDATE lease SET beat = beat - 600000000000")
        shared._parts.clear()  # as after two seconds
        down = ask(url, drawn(app), "Market")
        assert down["frames"]["header"] != frame(app, "header")
        assert "down" in down["parts"]["bar"]["html"]
        held = lock(tmp_path / "podium.db")
        assert ask(url, drawn(app), "Market") == {"frames": {}, "parts": {}}
        held.close()
    assert updates.AGAIN not in {answer["frames"]["header"], down["frames"]["header"]}


def test_what_changed_since_the_last_visit_is_sent_to_who_has_made_one(full_store: str, tmp_path: Path) -> None:
    url = copied(full_store, tmp_path)
    with closing(sqlite3.connect(tmp_path / "podium.db")) as connection:
        middle = connection.execute("SELECT wall FROM ticks ORDER BY tick DESC LIMIT 1 OFFSET 20").fetchone()[0]
    assert "your first visit" in ask(url, {"now": "-"})["parts"]["now"]["html"]
    assert re.search(r"UTC: \d+ decisions, ", ask(url, {"now": "-"}, since=middle)["parts"]["now"]["html"])


def test_times_of_visits_displace_nothing_that_all_browsers_share(full_store: str, tmp_path: Path) -> None:
    url = copied(full_store, tmp_path)
    shared._parts.clear()
    ask(url, {})
    common = set(shared._parts)
    for since in range(shared.MAX_PARTS + 2):
        update_route.build_answer(url, "Overview", {}, since + 1)
    assert set(shared._parts) == common


def test_another_number_of_symbols_is_another_frame(full_store: str, tmp_path: Path) -> None:
    url = copied(full_store, tmp_path)
    frames = set()
    for count in (30, 31):  # of which the strip shows as many
        change(tmp_path, f"UPDATE sessions SET symbols = '{orjson.dumps([f'S{number}' for number in range(count)]).decode()}'")
        shared._parts.clear()
        frames.add(ask(url, {})["frames"]["page"])
    assert len(frames) == 2


def test_a_question_is_answered_compressed_and_an_unknown_page_or_visit_does_no_harm(full_store: str, tmp_path: Path) -> None:
    url = copied(full_store, tmp_path)

    def answer(request: Request) -> Response:
        return update_route.serve_updates(url, request)

    server = Asked.of(Starlette(routes=[Route("/podium/updates/{title}.json", answer)]))
    got = server.get("/podium/updates/Overview.json", "since=zz&have=head.1,bar.2,<b>.3,,x", accept_encoding="gzip")
    assert (got.code, got.head["cache-control"], got.head["content-encoding"]) == (200, "no-store", "gzip")
    assert set(orjson.loads(gzip.decompress(got.body))["parts"]) == {"head", "bar"}
    assert server.get("/podium/updates/Nowhere.json").code == 404
    assert server.get("/podium/updates/Market.json", "have=strip.1").code == 200


@given(text=st.text(max_size=300))
def test_any_text_names_parts_or_none(text: str) -> None:
    shown = updates.parse_shown(text)
    assert len(shown) <= updates.MAX_SHOWN
    assert updates.list_changes({}, shown) == {}


@pytest.mark.parametrize("shown", [{"head": "a", "latest": "b"}, {}])
def test_parts_are_read_as_they_are_written(shown: dict[str, str]) -> None:
    assert updates.parse_shown(",".join(f"{name}.{digest}" for name, digest in shown.items())) == shown


def test_no_part_runs_again_by_streamlits_own_timer() -> None:
    calls = [path.name for path in Path("pages").rglob("*.py") for _ in re.findall(r"run_every\s*=", path.read_text(encoding="utf-8"))]
    assert calls == ["refresh.py"], "the timer for lost connections"
