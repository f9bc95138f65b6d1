"""Tables of history on their pages: search, order, columns, jumps and pages are in the address, and a hostile address is a text."""

from __future__ import annotations

import io
import re
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine.store.read.history_tables import HISTORY_TABLES
from pages.ui import history_export
from pages.ui.history_table import parse_moment
from tests.pages.test_pages import run, text
from tests.store.made import SYMBOLS

DECISIONS = "02_decisions.py"
PAGES = {
    DECISIONS: "decisions", "06_portfolio.py": "fills", "10_optimizer.py": "trials", "12_control.py": "commands", "11_alerts.py": "alerts",
    "05_models.py": "versions", "14_audit.py": "audit",
}  # fmt: skip
HOSTILE = "<img src=x onerror=alert(1)>'; DROP TABLE decisions; --"


def ids(app: AppTest) -> list[str]:
    """The ids of the rows of the table."""
    assert not app.exception
    return re.findall(r'data-id="([^"]*)"', text(app))


def address(app: AppTest) -> dict[str, str]:
    return {name: value if isinstance(value, str) else value[0] for name, value in app.query_params.items()}


def test_older_newer_and_newest_move_by_a_page_that_stands_still(full_store: str) -> None:
    app = run(DECISIONS, full_store)
    first = ids(app)
    assert (len(first), "The newest 100 decisions" in text(app)) == (100, True)
    app.button(key="history_after").click().run()
    second = ids(app)
    assert not set(first) & set(second)
    assert "this page does not update, 100 newer" in text(app)
    assert "from" in address(app)
    assert ids(run(DECISIONS, full_store, **address(app))) == second  # by its address
    app.button(key="history_before").click().run()
    assert (ids(app), address(app)) == (first, {})
    app.button(key="history_after").click().run()
    app.button(key="history_first").click().run()
    assert (ids(app), address(app)) == (first, {})


def test_another_search_or_order_begins_at_the_first_page(full_store: str) -> None:
    app = run(DECISIONS, full_store, **{"from": '[40,"BTC"]'})
    assert ids(app)[0] == "40 BTC"
    app.text_input(key="choice_q").set_value("eth").run()
    assert address(app) == {"q": "eth"}
    assert {row.split()[1] for row in ids(app)} == {"ETH"}
    app.selectbox(key="choice_sort").set_value("-edge_bps").run()
    assert address(app) == {"q": "eth", "sort": "-edge_bps"}
    assert 'aria-sort="descending"' in text(app)
    edges = [float(cell.replace("\u2212", "-")) for cell in re.findall(r'data-label="Edge, bps">([^<]*)<', text(app))]
    assert edges == sorted(edges, reverse=True)


def test_columns_are_chosen_in_the_address(full_store: str) -> None:
    app = run(DECISIONS, full_store, columns="tick,outcome_bps,nosuch")
    assert re.findall(r"<th [^>]*>(?:<a [^>]*>)?([^<]+)", text(app)) == ["Tick", "Outcome, bps"]
    app.multiselect(key="choice_columns").set_value(["symbol", "edge_bps"]).run()
    assert address(app) == {"columns": "symbol,edge_bps"}


@pytest.mark.parametrize(("typed", "first"), [("33", "33 BTC"), ("2024-01-01 00:21", "20 BTC"), ("1,000,000", "159 BTC")])
def test_a_jump_begins_at_the_newest_row_of_that_moment(full_store: str, typed: str, first: str) -> None:
    app = run(DECISIONS, full_store)
    app.text_input(key="history_jump").set_value(typed).run()
    assert ids(app)[0] == first


@pytest.mark.parametrize(
    ("typed", "words"), [(HOSTILE, "is neither a tick nor a time"), ("1999-01-01", "nothing is stored for 1999-01-01 or before")]
)
def test_a_jump_that_leads_nowhere_says_so_and_changes_nothing(full_store: str, typed: str, words: str) -> None:
    app = run(DECISIONS, full_store)
    app.text_input(key="history_jump").set_value(typed).run()
    assert words in text(app)
    assert "<img" not in text(app)
    assert address(app) == {}


@pytest.mark.parametrize("page", PAGES)
def test_a_hostile_address_is_a_text_on_every_page(full_store: str, page: str) -> None:
    names = ("q", "sort", "columns", "from", "until", "as_of", "symbol", "kind", "action")
    app = run(page, full_store, **dict.fromkeys(names, HOSTILE), **({"view": "History"} if page.startswith("10") else {}))
    assert not app.exception
    assert "<img" not in text(app)
    assert "decision" in text(run(DECISIONS, full_store))


def test_every_stored_column_is_offered_on_its_page() -> None:
    from pages.alerts import tables as alerts
    from pages.audit import tables as audit
    from pages.control import tables as control
    from pages.decisions import tables as decisions
    from pages.optimizer.tables import build_trial_view
    from pages.portfolio import fills

    for view in (audit.HISTORY, alerts.HISTORY, control.HISTORY, decisions.HISTORY, fills.HISTORY, build_trial_view(None)):
        names = [column.name for column in view.columns]
        assert set(view.table.default) <= set(names)
        assert all(view.table.find_column(name) for name in names)
        assert len({column.head.label for column in view.columns}) == len(names)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_download_holds_every_row_that_matches_and_the_columns_shown(full_store: str, kind: str) -> None:
    data = history_export.write_file("decisions", 'symbol=ETH&columns=tick,symbol,edge_bps,reason&from=[40,""]', kind, full_store)
    frame = pd.read_csv(io.BytesIO(data)) if kind == "csv" else pd.read_parquet(io.BytesIO(data))
    with closing(sqlite3.connect(full_store.removeprefix("sqlite:///"))) as store:
        rows = store.execute("SELECT tick, edge_bps FROM decisions WHERE symbol = 'ETH' ORDER BY tick DESC").fetchall()
    assert list(frame.columns) == ["tick", "symbol", "edge_bps", "intent", "reason"]
    assert list(zip(frame["tick"], frame["edge_bps"], strict=True)) == rows


def test_a_download_that_fails_gives_the_reason_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="there is no store at"):
        history_export.write_file("decisions", "", "csv", f"sqlite:///{tmp_path / 'podium.db'}")


def test_moments_are_ticks_or_times_in_utc() -> None:
    at = 1_704_067_200 * 10**9
    assert [parse_moment(typed) for typed in ("7", "1,234", "2024-01-01", "2024-01-01T01:00+01:00", "2024-01-01 00:00 UTC")] == [
        (7, None), (1234, None), (None, at), (None, at), (None, at),
    ]  # fmt: skip
    assert [parse_moment(typed) for typed in ("", "-1", "9" * 40, "soon", "9999-99-99", "\u0663")] == [None] * 6
    assert len(HISTORY_TABLES) == len(PAGES)
    assert len(SYMBOLS) == 4


def test_a_period_is_chosen_in_the_address_and_its_days_are_asked_for(full_store: str) -> None:
    app = run(DECISIONS, full_store, **{"from": '[40,"BTC"]'})
    app.selectbox(key="choice_period").set_value("7d").run()
    assert address(app) == {"period": "7d"}
    assert "The newest 100 decisions in the last 7 days" in text(app)
    app.selectbox(key="choice_period").set_value("dates").run()
    assert len(ids(app)) == 100
    app.date_input(key="period_days").set_value((date(2024, 1, 2),)).run()  # the first of two clicks
    assert app.date_input(key="period_days").value == (date(2024, 1, 2),)
    assert len(ids(app)) == 100
    app.date_input(key="period_days").set_value((date(2024, 1, 2), date(2024, 1, 9))).run()
    assert address(app) == {"period": "2024-01-02/2024-01-09"}
    assert (ids(app), "no decision from 2024-01-02 to 2024-01-09" in text(app)) == ([], True)
    same = run(DECISIONS, full_store, period="2024-01-01/")
    assert len(ids(same)) == 100
    assert same.date_input(key="period_days").value == (), "an open end is no pair of days"
    assert "soon in the address is no period" in text(run(DECISIONS, full_store, period="soon"))
    assert "%2F" in text(same) or "period=2024-01-01/" in text(same)  # the heads of columns keep it


def test_a_download_follows_the_period(full_store: str) -> None:
    data = history_export.write_file("decisions", "period=/2023-12-31", "csv", full_store)
    assert len(pd.read_csv(io.BytesIO(data))) == 0
