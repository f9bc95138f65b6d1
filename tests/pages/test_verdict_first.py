"""Verdict first: lost skill is reported, a run without an effect is no success, and a figure is the same on every page."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from engine.service.clock import WallClock
from engine.store.inbox import Inbox
from engine.store.read import decisions, portfolio
from engine.store.read import status as read_status
from engine.store.read.decisions import DecisionFilter, GateCounts
from engine.store.read.reader import Reader
from pages.overview import tables
from pages.ui import command_table, equity_chart, theme, trading_tables
from tests.pages.stores import copied, store
from tests.pages.test_pages import run, text

SECOND = 1_000_000_000


def figure(shown: str, label: str) -> tuple[str, str]:
    """Value and small words of the tile of this name."""
    match = re.search(rf'<div class="l"[^>]*>{re.escape(label)}</div><div class="v[^"]*">(.*?)</div>(?:<div class="s">(.*?)</div>)?', shown)
    assert match is not None, label
    return match[1], match[2]


@pytest.mark.parametrize(
    ("low", "bound", "sentence", "colour"),
    [
        (0.0217, 0.0102, "<b>Skill is proven.</b><span>At 1 bar the lower bound of R² is +1.02 %.", theme.GOOD),
        (0.0217, -0.0004, "<b>Skill is lost.</b><span>Recent skill at 1 bar is no longer proven. No position is opened", theme.HARM),
        (-0.001, -0.02, "<b>Skill is not proven yet.</b><span>No position is opened until it is.", theme.NEUTRAL),
    ],
)
def test_the_overview_says_first_whether_skill_is_proven(
    low: float, bound: float, sentence: str, colour: str, full_store: str, tmp_path: Path
) -> None:
    with store("full", full_store, tmp_path) as url, closing(sqlite3.connect(tmp_path / "podium.db")) as connection:
        connection.execute("UPDATE skill SET r2 = 0.0241, low = ?, high = 0.03 WHERE scope = 'ensemble' AND horizon = 1 AND regime = 'all'", (low,))
        connection.execute("UPDATE ticks SET skill = ?", (json.dumps({"low": [bound, -0.1, None], "estimate": [0.02, -0.1, None]}),))
        connection.execute("INSERT INTO skill VALUES ('recent', 'ensemble', 1, 'all', -0.004, -0.021, 0.013, 7381, 2113.0)")
        connection.execute("UPDATE ticks SET drawdown = 0.05 WHERE tick = 30")
        connection.execute("UPDATE ticks SET drawdown = 0.041 WHERE tick = (SELECT max(tick) FROM ticks)")
        connection.commit()
        shown = text(run("01_overview.py", url))
    assert sentence in shown
    assert f"--pd-tone:{colour}" in shown[shown.index("pd-verdict") : shown.index(sentence)]
    assert shown.index(sentence) < shown.index("pd-tiles")
    value, small = figure(shown, "Recent skill (R², 1 bar)")
    assert (value, small) == ("\N{MINUS SIGN}0.40 %", "95 %: \N{MINUS SIGN}2.10 to +1.30 %, n=7,381, half-life 700 ticks")
    assert figure(shown, "Session skill (R², 1 bar)")[0] == "+2.41 %"
    assert figure(shown, "Drawdown") == ("\N{MINUS SIGN}4.10 %", "largest this session \N{MINUS SIGN}5.00 %, warm-up included")
    assert ">reliable<" not in shown


def test_one_figure_is_the_same_on_every_page_and_names_its_window(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        overview, components, models = (text(run(page, url)) for page in ("01_overview.py", "08_components.py", "05_models.py"))
    for label in ("Tick p99", "Clean decisions, 30 d"):
        assert overview.count(f">{label}<") == 1
        assert figure(overview, label) == figure(components, label)
    assert figure(overview, "Tick p99")[1].endswith("the last 140 live ticks")
    assert figure(overview, "Clean decisions, 30 d")[1].endswith("2 of 140 live ticks with a fallback")
    assert figure(overview, "Session skill (R², 1 bar)") == figure(models, "Session skill (R², 1 bar)")
    assert figure(overview, "Decisions, this session") == ("560", "live, 4 per tick; 80 warm-up decisions not counted")
    assert "live decisions of the last 24 h" in overview


def test_in_the_warm_up_nothing_is_shown_as_live(tmp_path: Path) -> None:
    with store("young", "", tmp_path) as url:
        shown = text(run("01_overview.py", url))
    assert figure(shown, "Clean decisions, 30 d") == ("not measured yet", "no live tick yet; the warm-up does not count")
    assert figure(shown, "Tick p99")[1].endswith("the last 2 warm-up ticks")
    assert "warm-up decisions of the last 24 h; no live decision yet" in shown


def test_why_not_names_reasons_and_what_was_done_instead(full_store: str) -> None:
    session = read_status.read_status(Reader(full_store)).session
    assert session is not None
    shown = tables.render_gate_shares(
        GateCounts((("not paused", 7), ("edge above cost", 61)), (("cut", 20), ("open", 10)), 2, is_warmup=False, is_truncated=False), session
    )
    assert [re.sub("<.*?>", "", cell) for cell in re.findall(r"<a .*?</a>", shown)] == [
        "edge below cost", "paused", "traded: cut", "traded: open", "held: no gate failed",
    ]  # fmt: skip
    assert 'href="/decisions?gate=not paused"' in shown
    assert 'href="/decisions?intent=cut"' in shown
    assert "not paused<" not in shown


@pytest.mark.parametrize("page", ["02_decisions.py", "03_decision.py"])
def test_a_trade_says_its_intent_and_reason(page: str, full_store: str, tmp_path: Path) -> None:
    traded = Reader(full_store).view("v_decisions").query("intent == 'cut'").iloc[-1]
    with store("full", full_store, tmp_path) as url:
        shown = text(run(page, url, tick=str(traded["tick"]), symbol=traded["symbol"], intent="cut"))
        if page == "02_decisions.py":
            shown = trading_tables.render_decisions(decisions.read_latest_decisions(Reader(url), DecisionFilter(intent="cut"), limit=5)[0])
    assert "cut: " in shown
    assert "it acted" not in shown


def test_the_line_of_equity_shows_where_the_warm_up_ends(full_store: str) -> None:
    frame = portfolio.read_equity(Reader(full_store))
    drawn = json.loads(equity_chart.plot_equity(frame, 100_000.0).to_json())["layout"]
    assert [shape["x0"] for shape in drawn["shapes"]] == [int(frame["at"].iloc[19]) // 1_000_000]
    assert not json.loads(equity_chart.plot_equity(frame.assign(warm=0), 100_000.0).to_json())["layout"]["shapes"]


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        ("no measurable effect", "No measurable effect."), ("helped", "Better than usual."), ("harmed", "Worse than usual."),
        ("not enough data", "Not enough data."),
    ],
)  # fmt: skip
def test_a_run_by_hand_is_headed_by_its_verdict_and_never_green(verdict: str, word: str, full_store: str, tmp_path: Path) -> None:
    url, now = copied(full_store, tmp_path), WallClock().now()
    inbox = Inbox(url, None)
    number = inbox.submit("optimize", {"action": "collect_garbage"}, "ada", "to see", now - 3 * SECOND)
    assert inbox.claim_number(number, now - 2 * SECOND) is not None
    inbox.finish(number, True, {"action": "collect_garbage", "detail": "freed 1.5 MB", "amount": 1.5e6, "verdict": verdict}, now - SECOND)
    inbox.close()
    shown = text(run("10_optimizer.py", url))
    assert f'--pd-tone:{theme.NEUTRAL}"><b>{word}</b><span>collect garbage, requested by ada' in shown
    assert "Done." not in shown
    result = json.dumps({"detail": "freed 1.5 MB", "verdict": verdict})
    command = {"id": 1, "at": now, "name": "optimize", "args": "{}", "by": "ada", "reason": "", "status": "done", "progress": 1.0, "note": None}
    row = pd.DataFrame([command | {"result": result}])
    status = command_table.list_commands(row)[0].cells[4]
    assert (status.text, status.colour) == (word[0].lower() + word[1:-1], theme.NEUTRAL)  # type: ignore[union-attr]
    assert theme.state_colour("no measurable effect") != theme.GOOD
