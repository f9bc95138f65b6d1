"""Overview on the present: what is true now, what changed since the last look, and a newcomer's first minute."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from engine.alerting.rules import find_rule
from engine.explain import LAPSED, NOT_PROVEN, PROVEN
from engine.store import database
from engine.store.read import status as read_status
from engine.store.read.activity import Activity, read_activity
from engine.store.read.alerts import read_alerts
from engine.store.read.reader import Reader
from engine.store.read.recent import News
from engine.store.write.writer import Writer
from pages.overview import text as sentences
from pages.overview import visit
from pages.ui import equity_chart, skill, theme
from tests.pages.stores import store
from tests.pages.test_pages import run, text

IDLE = Activity(None, (), (), (), None)
SINCE = 1_750_000_000 * 10**9


def test_the_present_is_answered_from_the_store(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        shown = " ".join(re.sub("<[^>]+>", " ", text(run("01_overview.py", url))).split())
    for words in ("P&amp;L today", "since midnight UTC", "Exposure", "Recent skill", "Open alerts 1", "Recommended", "Safety drill"):
        assert words in shown, words
    assert "Since you last looked: this is your first visit in this browser" in shown
    assert "phase failed: validation failed at tick 59" in shown
    assert re.search(r"net [+\N{MINUS SIGN}]?[0-9.]+ %; \d positions: ", shown)


def test_a_young_store_is_neutral_and_says_how_many_outcomes_are_missing(tmp_path: Path) -> None:
    with store("young", "", tmp_path) as url:
        with closing(sqlite3.connect(tmp_path / "podium.db")) as made, made:
            made.execute("""UPDATE ticks SET verdict = 'unreliable', skill = '{"low":[null,null,null]}'""")
        shown = text(run("01_overview.py", url))
    assert "The models have not yet earned the right to trade: 0 of at least 720 outcomes seen." in shown
    assert "unreliable" not in shown
    assert shown.index("pd-verdict") < shown.index(theme.NEUTRAL) < shown.index("have not yet earned")
    assert theme.HARM not in shown[: shown.index("have not yet earned")]


@pytest.mark.parametrize(("state", "seen", "is_shown"), [(NOT_PROVEN, 719, False), (NOT_PROVEN, 720, True), (PROVEN, 5, True), (LAPSED, 5, True)])
def test_the_cross_check_is_named_as_soon_as_there_is_enough_to_judge_by(state: str, seen: int, is_shown: bool) -> None:
    banner = skill.render_skill_banner(skill.SkillVerdict(state, 1, 0.01), "unreliable", skill.Outcomes(seen, 720))
    assert ("Cross-check: unreliable." in banner) == is_shown


def test_the_warm_up_says_how_long_it_takes_at_the_measured_pace(full_store: str) -> None:
    status = read_status.read_status(Reader(full_store))
    assert status.last is not None
    assert status.session is not None
    warming = replace(
        status,
        last=replace(status.last, warmup_ticks=212),
        session=replace(status.session, settings={**status.session.settings, "warmup_bars": 1000}),
    )
    assert str(sentences.describe_warmup(warming, 10.0)).endswith("212 of 1,000 bars, about 1 min left at 10.0 bars/s.")
    assert str(sentences.describe_warmup(warming, None)).endswith("time left: not measured yet.")
    assert sentences.describe_warmup(status, 10.0) is None


def test_what_changed_is_counted_and_what_is_not_known_is_said(full_store: str) -> None:
    name, same = visit.describe_news(News(103, 412, 3, 0.002, 1), SINCE)
    assert (name, same) == ("Since you last looked, 06-15 15:06 UTC", "412 decisions, 3 trades, equity +0.20 %, 1 alert")
    _, across = visit.describe_news(News(7, None, 1_000, None, 1_000), SINCE)
    assert across == "7 ticks over several sessions, 1,000 trades or more, 1,000 alerts or more"
    assert "not known" in visit.describe_news(None, SINCE)[1]
    assert visit.describe_news(None, None) == ("Since you last looked", "this is your first visit in this browser")


@pytest.mark.parametrize(
    ("activity", "is_stopped", "words"),
    [
        (IDLE, False, "nothing to do; optimizer and evolution idle"),
        (IDLE, True, "trading is stopped; Resume when you are ready"),
        (replace(IDLE, racing=("ridge", "lightgbm")), False, "nothing to do; 2 challengers racing"),
        (replace(IDLE, recommendation=("disk_filling", "recommends running trim_cache; sampled gains: 3")), False,
         "optimizer recommends running trim cache, because the rule disk filling fired"),
        (replace(IDLE, approvals=("host_memory",)), True, "approve or decline on Optimizer: host memory"),
        (replace(IDLE, approvals=("host_memory",), urgent=("disk full", "critical")), True,
         "disk full: Free space now: ticks cannot be stored much longer"),
        (replace(IDLE, approvals=("host_memory",), urgent=("disk nearly full", "warning")), False, "approve or decline on Optimizer: host memory"),
        (replace(IDLE, urgent=("disk nearly full", "warning")), False, "disk nearly full: Free space on the disk of PODIUM_HOME"),
        (replace(IDLE, urgent=("made by a later version", "critical")), False, "made by a later version: Look at Alerts"),
        (replace(IDLE, urgent=("incident open", "info")), False, "nothing to do; optimizer and evolution idle"),
        (replace(IDLE, trial=("trim_cache", True)), False, "nothing to do; control window of trim cache"),
    ],
)  # fmt: skip
def test_one_recommendation_is_made_and_nothing_to_do_is_said(activity: Activity, is_stopped: bool, words: str) -> None:
    assert sentences.describe_recommendation(activity, is_trading_stopped=is_stopped) == words


def test_open_alerts_are_named_the_most_severe_first(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'podium.db'}"
    database.prepare(url)
    with closing(Writer(url)) as writer:
        for name in ("incident open", "disk full", "disk nearly full", "store over its limit"):
            writer.raise_alert(name, find_rule(name).severity, "m", 10**18)
    activity = read_activity(Reader(url), 10**18)
    assert [rule for rule, _ in activity.alerts] == ["disk full", "store over its limit", "disk nearly full"]
    assert read_alerts(Reader(url), 10**18, past=0).open["rule"].tolist() == [
        "disk full",
        "store over its limit",
        "disk nearly full",
        "incident open",
    ]
    assert sentences.describe_alerts(activity, 4).startswith("4 open, the most severe: disk full: m; store over")
    assert sentences.describe_alerts(activity, 3).startswith("3 open: disk full: m")


def test_the_chart_has_both_benchmarks_and_labels_that_do_not_cover_each_other() -> None:
    frame = pd.DataFrame({"tick": [0, 1], "at": [0, 10**9], "equity": [100.0, 101.0], "benchmark": [100.0, 101.1], "warm": [0, 0]})
    matched = pd.DataFrame({"tick": [0, 1], "at": [0, 10**9], "value": [100.0, 101.05]})
    figure = equity_chart.plot_equity(frame, 100.0, None, matched)
    assert [trace["name"] for trace in figure.data] == ["benchmark", "Podium", "equal exposure"]
    assert sorted(note["yshift"] for note in figure.layout["annotations"]) == [-30, 0, 30]
    far = equity_chart.plot_equity(frame.assign(benchmark=[100.0, 150.0]), 100.0, None, matched)
    assert sorted(note["yshift"] for note in far.layout["annotations"]) == [-15, 0, 15]
