"""/api/v1: the views as JSON, bounded whatever is asked; a wrong question is one line with its remedy, and harms nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.store.database import path_from_url
from engine.store.read.api_views import list_api_views
from engine.store.read.reader import Reader
from engine.store.write.writer import Writer
from tests.store import made
from tests.web.asked import Asked, Clock

VIEWS = tuple(list_api_views())
LAST = made.WALL + 240 * 2 * made.SECOND


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made.filled(tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module")
def asked(filled: str) -> Asked:
    return Asked(filled, Clock(LAST))


@pytest.mark.parametrize("view", ["decisions", "gates", "trials", "components", "actions", "alerts", "triggers"])
def test_a_view_is_told_newest_first_with_the_columns_of_the_contract(filled: str, asked: Asked, view: str) -> None:
    expected = Reader(filled).view(view, limit=7 if view in {"decisions", "gates"} else None)
    rows = asked.get(f"/api/v1/{view}", "limit=7" if view in {"decisions", "gates"} else "").json["rows"]
    times = [f"{name}_utc" for name in expected.columns if name in {"at", "since"}]
    assert [list(row) for row in rows] == [[*expected.columns, *times]] * len(expected)
    keys = [name for name in ("id", "tick", "component", "action") if name in expected.columns][:1]
    assert sorted(str(row[keys[0]]) for row in rows) == sorted(expected[keys[0]].astype(str))
    if keys[0] in {"id", "tick"}:
        assert [row[keys[0]] for row in rows] == sorted((row[keys[0]] for row in rows), reverse=True)


def test_the_newest_decisions_are_whole_and_of_the_symbol_asked_for(asked: Asked) -> None:
    told = asked.get("/api/v1/decisions", "symbol=ETH&limit=5").json
    assert [(row["tick"], row["symbol"]) for row in told["rows"]] == [(tick, "ETH") for tick in range(239, 234, -1)]
    assert (told["view"], told["limit"], told["count"]) == ("decisions", 5, 5)
    ladder = asked.get("/api/v1/gates", "symbol=ETH&limit=20").json["rows"]
    assert [(row["tick"], row["rung"]) for row in ladder] == [(239, rung) for rung in range(18, 0, -1)] + [(238, rung) for rung in (18, 17)] or [
        (row["tick"], row["rung"]) for row in ladder
    ] == [(239, rung) for rung in range(1, 19)] + [(238, rung) for rung in (1, 2)]


def test_what_is_missing_is_null_and_times_are_both_ns_and_text(asked: Asked) -> None:
    row = asked.get("/api/v1/decisions", "limit=1").json["rows"][0]
    assert row["outcome_bps"] is None  # its horizon has not passed
    assert row["at"] == made.Market().tick().inputs.at + 239 * made.MINUTE
    assert row["at_utc"] == "2024-01-01T04:00:00.000000000Z"
    assert b"NaN" not in asked.get("/api/v1/decisions", "limit=1000").body


@pytest.mark.parametrize(
    "since", ["2024-01-01T03:50Z", "2024-01-01T03:50", "2024-01-01T04:50%2B01:00", "1704081000000000000", "2024-01-01T03:50:00.000000%2B00:00"]
)
def test_since_is_a_time_in_any_of_its_forms(asked: Asked, since: str) -> None:
    rows = asked.get("/api/v1/decisions", f"since={since}&symbol=BTC").json["rows"]
    assert [row["tick"] for row in rows] == list(range(239, 228, -1))


def test_since_may_be_a_span_that_ends_now(asked: Asked) -> None:
    assert [row["id"] for row in asked.get("/api/v1/trials", "since=3m").json["rows"]] == [2]
    assert [row["id"] for row in asked.get("/api/v1/trials", "since=1h").json["rows"]] == [2, 1]
    assert asked.get("/api/v1/decisions", "since=2h").json["rows"] == []  # the market's own time is in 2024


def test_readings_are_the_newest_of_each_or_those_since(asked: Asked) -> None:
    newest = asked.get("/api/v1/readings").json["rows"]
    assert [(row["source"], row["name"]) for row in newest] == sorted((row["source"], row["name"]) for row in newest)
    assert len(newest) == 4
    assert len(asked.get("/api/v1/readings", "since=10s").json["rows"]) == 5 * 4


def test_a_symbol_of_an_earlier_session_is_still_found(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    with closing(Writer(url)) as writer:
        first = made.Market(("OLD", "BTC"))
        made.begin(writer, first)
        for tick in first.ticks(3):
            writer.save(tick)
        second = made.Market(("BTC",), first_tick=3)
        made.begin(writer, second)
        for tick in second.ticks(30):
            writer.save(tick)
    asked = Asked(url)
    assert [row["tick"] for row in asked.get("/api/v1/decisions", "symbol=OLD&limit=2").json["rows"]] == [2, 1]
    assert len(asked.get("/api/v1/decisions", "limit=10").json["rows"]) == 10


@pytest.mark.parametrize(
    ("view", "query", "line"),
    [
        ("decisions", "limit=0", "limit='0' is not a whole number from 1 to 1000: give one, or leave it out for 100"),
        ("decisions", "limit=1001", "limit='1001' is not a whole number from 1 to 1000: give one, or leave it out for 100"),
        ("decisions", "limit=1e2", "limit='1e2' is not a whole number from 1 to 1000: give one, or leave it out for 100"),
        ("decisions", "limit=" + "9" * 5_000, f"limit='{'9' * 60}...' is not a whole number"),
        ("decisions", "limit=" + quote("٣"), "limit='٣' is not a whole number from 1 to 1000: give one, or leave it out for 100"),
        ("decisions", "limit=5&limit=6", "limit is given twice: give it once"),
        ("decisions", "limt=5", "there is no parameter 'limt': did you mean limit?"),
        ("decisions", "symbol=", "symbol is empty: give a symbol, or leave it out for all"),
        ("decisions", "symbol=NOPE", "there is no symbol 'NOPE': there are BTC, ETH, SOL, XRP"),
        ("decisions", "since=2261-13-01", "since='2261-13-01' is not a time: write it as"),
        ("decisions", "since=1960-01-01", "since='1960-01-01' is out of range: give a time from 1970 to 2262"),
        ("decisions", "since=99999999999999999999", "since='99999999999999999999' is out of range"),
        ("trials", "since=-5", "since='-5' is not a time: write it as"),
        (
            "trials",
            "symbol=BTC",
            "there is no parameter 'symbol': it takes id, action, trigger, mode, placebo, metric, verdict, undone, since, at, limit, cursor, fields",
        ),
        ("components", "since=2h", "there is no parameter 'since': it takes component, state"),
        ("status", "limit=1", "there is no parameter 'limit': it takes none"),
    ],
)
def test_a_wrong_question_is_one_line_with_the_value_and_the_remedy(asked: Asked, view: str, query: str, line: str) -> None:
    answer = asked.get(f"/api/v1/{view}", query)
    assert (answer.code, answer.json["status"], answer.head["content-type"]) == (400, 400, "application/problem+json")
    assert answer.json["detail"].startswith(line)
    assert "\n" not in answer.json["detail"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    view=st.sampled_from((*VIEWS, "status")),
    words=st.lists(
        st.tuples(
            st.sampled_from(("symbol", "since", "limit", "tick", "", "LIMIT", "cursor", "fields", "at", "action", "id", "state")),
            st.one_of(
                st.text(max_size=30), st.integers(-(10**20), 10**20).map(str), st.floats().map(str), st.datetimes().map(str),
                st.sampled_from(("BTC", "2h", "' OR 1=1 --", "BTC'; DROP TABLE ticks; --", "\x00", "%00", "../../etc", "9" * 5_000, "1s" * 50)),
            ),
        ),
        max_size=4,
    ),
    raw=st.binary(max_size=20),
)  # fmt: skip
def test_whatever_is_asked_is_answered_bounded_and_harms_nothing(
    asked: Asked, filled: str, view: str, words: list[tuple[str, str]], raw: bytes
) -> None:
    before = _rows(filled)
    query = "&".join(f"{quote(name)}={quote(text, errors='surrogatepass')}" for name, text in words)
    for told in (query.encode(), raw):
        answer = asked.get(f"/api/v1/{view}", told)
        assert answer.code in {200, 400}
        if answer.code == 400:
            assert "\n" not in answer.json["detail"]
            assert len(answer.json["detail"]) < 600
        elif view != "status":
            assert answer.json["count"] == len(answer.json["rows"]) <= answer.json["limit"] <= 1000
    assert _rows(filled) == before


def _rows(url: str) -> tuple[int, ...]:
    with closing(sqlite3.connect(path_from_url(url))) as store:
        return tuple(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("ticks", "decisions", "trials", "commands"))


def test_who_has_it_already_is_told_so(asked: Asked) -> None:
    first = asked.get("/api/v1/trials")
    again = asked.get("/api/v1/trials", if_none_match=f'"other", W/{first.head["etag"]}')
    assert (again.code, again.body) == (304, b"")
    assert asked.get("/api/v1/trials", "limit=1", if_none_match=first.head["etag"]).code == 200


@pytest.mark.parametrize("view", [*VIEWS, "status"])
def test_a_store_that_cannot_be_read_is_503_in_one_line(tmp_path: Path, view: str) -> None:
    missing = Asked(f"sqlite:///{tmp_path}/none.db").get(f"/api/v1/{view}")
    assert missing.code == 503
    assert missing.json["detail"].startswith(f"there is no store at {tmp_path}/none.db yet")
    (tmp_path / "bad.db").write_bytes(b"no database" * 500)
    damaged = Asked(f"sqlite:///{tmp_path}/bad.db").get(f"/api/v1/{view}")
    assert (damaged.code, "\n" in damaged.json["detail"]) == (503, False)


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_store_has_no_rows_and_no_error(tmp_path: Path, view: str) -> None:
    answer = Asked(made.empty(tmp_path)).get(f"/api/v1/{view}", "symbol=BTC" if view in {"decisions", "gates"} else "")
    assert (answer.code, answer.json["rows"]) == (200, [])


def test_status_is_what_the_command_line_tells(asked: Asked) -> None:
    told = asked.get("/api/v1/status").json
    assert (told["state"], told["reasons"], told["last_tick"]) == ("down", ["no engine runs on this store"], 239)
    assert told["components"]["trainer"]["state"] == "degraded"


def test_nothing_can_be_written_by_these_addresses(asked: Asked) -> None:
    for view in (*VIEWS, "status"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            if (view, method) not in {("commands", "POST"), ("intents", "POST")}:
                answer = asked.get(f"/api/v1/{view}", method=method)
                assert (answer.code, "GET" in answer.head["allow"]) == (405, True)
    assert {asked.get(f"/api/v1/{view}", method="POST").code for view in ("commands", "intents")} == {415}  # both are JSON
