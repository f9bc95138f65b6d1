"""The page of alerts: what is open and who knows, what is silenced, who is told without their secrets, and what was last proven."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine import units
from engine.domain.alerting import Drill, DrillCheck
from engine.health import judge_health
from engine.service.health_inputs import read_health_inputs
from engine.store.read import alerts
from engine.store.read import status as read_status
from engine.store.read.reader import Reader
from pages.alerts import tables
from pages.components import tables as component_tables
from pages.ui import ages, banners, tiles
from tests.pages.stores import NOW, SECOND, beat, store
from tests.pages.test_pages import run, text

NAMES = "json://127.0.0.1 #1a2b\ntgram://**** #3c4d"


def add_alerts(folder: Path, *, drill: bool = True, passed: bool = True) -> None:
    """Adds alerts in every state, targets, a silence, drills and recoveries to a store."""
    now = NOW
    detail = json.dumps({"by": "schedule", "proofs": [{"name": "stop", "passed": passed, "detail": "it ended", "seconds": 0.4}]})
    with closing(sqlite3.connect(folder / "podium.db")) as made, made:
        made.execute("INSERT INTO meta VALUES ('alert targets', ?)", (NAMES,))
        made.execute(
            "INSERT INTO alerts (at, rule, severity, state, message, acked_by, acked_at) VALUES (?, 'drawdown limit hit', 'critical', 'open', "
            "'<b>the drawdown</b> passed its limit', 'ada', ?)", (now - 900 * SECOND, now - 60 * SECOND))  # fmt: skip
        number = made.execute("SELECT max(id) FROM alerts").fetchone()[0]
        made.execute("INSERT INTO silences (at, until, rule, \"by\", reason) VALUES (?, ?, 'phase failed', 'ada', 'known <i>fault</i>')",
                     (now - SECOND, now + 7_200 * SECOND))  # fmt: skip
        for target, status, error in ((NAMES.split("\n", maxsplit=1)[0], "sent", None), (NAMES.split("\n")[1], "waiting", "connection refused")):
            made.execute(
                "INSERT INTO deliveries (alert, at, kind, target, message, status, tries, sent_at, error) "
                "VALUES (?, ?, 'opened', ?, 'm', ?, 3, ?, ?)",
                (number, now - 800 * SECOND, target, status, now - 790 * SECOND if status == "sent" else None, error))  # fmt: skip
        if drill:
            made.execute("INSERT INTO drills (at, passed, seconds, detail) VALUES (?, ?, 8.1, ?)", (now - 6 * 3_600 * SECOND, int(passed), detail))
        for fault, how, after in (
            ("connection reset", "tried again", 4.2),
            ("it gave NaN", None, None),
            ("killed", "the engine was restarted", None),
        ):
            made.execute(
                "INSERT INTO recoveries (at, component, fault, how, tries, recovered_at) VALUES (?, 'feed', ?, ?, 2, ?)",
                (now - 100 * SECOND, fault, how, None if after is None else now - 100 * SECOND + round(after * SECOND)),
            )


def test_open_silenced_past_targets_and_drills_are_shown(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        add_alerts(tmp_path)
        app = run("11_alerts.py", url)
    shown = text(app)
    assert not app.exception
    for words in (
        "drawdown limit hit", "by ada,", "&lt;b&gt;the drawdown&lt;/b&gt;", "known &lt;i&gt;fault&lt;/i&gt;", "silenced for", "data stale",
        "json://127.0.0.1 #1a2b", "tgram://**** #3c4d", "not delivered, 3 attempts", "connection refused", "stop passed: it ended", "proven 6 h ago",
    ):  # fmt: skip
        assert words in shown, words
    assert "2 phase failed" not in shown, "a number beside a name reads as a count"
    assert "alert 2" in shown
    assert [button.label for button in app.button if button.label.startswith("Acknowledge")] == ["Acknowledge 2"]


def test_an_alert_is_acknowledged_and_a_rule_silenced_through_the_inbox(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("11_alerts.py", url)
        next(button for button in app.button if button.label == "Acknowledge 2").click().run()
        assert "Sent." in text(app)
        next(button for button in app.button if button.label == "Silence").click().run()
        assert "Give a reason" in text(app)
        app.text_input(key="reason_to_silence").set_value("known fault")
        app.selectbox(key="rule_to_silence").set_value("data stale")
        next(button for button in app.button if button.label == "Silence").click().run()
        next(button for button in app.button if button.label == "Drill now").click().run()
    with closing(sqlite3.connect(tmp_path / "podium.db")) as made:
        commands = made.execute("SELECT name, args FROM commands WHERE id > 2 ORDER BY id").fetchall()
    assert commands[0] == ("ack", '{"id":"2"}')
    assert commands[1] == ("silence", '{"rule":"data stale","minutes":"60"}')
    assert commands[2][0] == "drill"


def add_webhooks(folder: Path) -> None:
    """Adds webhooks with events in every state."""
    with closing(sqlite3.connect(folder / "podium.db")) as made, made:
        made.execute("INSERT INTO meta VALUES ('webhooks', ?)", ("bot: decisions, alerts\ndesk: alerts",))
        made.execute("INSERT INTO events (id, at, kind, subject, state) VALUES (900, ?, 'decisions', 12, 'decided')", (NOW,))
        for number, target, status, error in (
            (900, "bot", "failed", "it answered <b>500</b>"), (901, "bot", "failed", "deleted"), (902, "bot", "waiting", "no answer"),
            (903, "old", "failed", "the webhook is configured no longer"),
        ):  # fmt: skip
            made.execute(
                "INSERT INTO deliveries (alert, at, kind, target, message, status, tries, error, event) VALUES (0, ?, 'event', ?, '', ?, 7, ?, ?)",
                (NOW, f"webhook {target}", status, error, number))  # fmt: skip


def test_webhooks_and_their_dead_letters_are_shown_and_sent_again(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        add_webhooks(tmp_path)
        app = run("11_alerts.py", url)
        shown = text(app)
        assert not app.exception
        for words in (
            "bot", "decisions, alerts", "nothing: not configured", "it answered &lt;b&gt;500&lt;/b&gt;", "decisions decided, tick 12",
            "deleted since", "no answer",
        ):  # fmt: skip
            assert words in shown, words
        assert [button.label for button in app.button if button.label.startswith("Resend")] == ["Resend to bot", "Resend to old"]
        next(button for button in app.button if button.label == "Resend to bot").click().run()
        assert "Sent." in text(app)
    with closing(sqlite3.connect(tmp_path / "podium.db")) as made:
        assert made.execute("SELECT name, args FROM commands ORDER BY id DESC LIMIT 1").fetchone() == ("resend", '{"webhook":"bot"}')


def test_without_webhooks_nothing_is_said_of_them(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        assert "Dead letters" not in text(run("11_alerts.py", url))


def test_without_targets_drills_and_silences_it_says_so(full_store: str, tmp_path: Path) -> None:
    with store("young", full_store, tmp_path) as url:
        shown = text(run("11_alerts.py", url))
    for words in (
        "no target is set: alerts are shown on this page only",
        "no rule is silenced",
        "not proven yet",
        "nobody is notified; alerts are shown here only",
    ):
        assert words in shown, words


@pytest.mark.parametrize(
    ("passed", "word"), [(True, "Safety drill (kill switch, stop and alert path): proven 6 h ago."), (False, "Safety drill (stop): failed")]
)
def test_overview_says_when_it_was_last_proven(full_store: str, tmp_path: Path, passed: bool, word: str) -> None:
    with store("full", full_store, tmp_path) as url:
        add_alerts(tmp_path, passed=passed)
        assert word in text(run("01_overview.py", url))


def test_components_shows_how_long_each_fault_took_to_come_back(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        add_alerts(tmp_path)
        shown = text(run("08_components.py", url))
        rows = alerts.read_recoveries(Reader(url), limit=10)
    assert "recovered automatically in 4.2 s" in shown
    assert "not yet, for" in shown
    assert "the engine was restarted" in shown
    assert [line.highlighted for line in component_tables.list_recoveries(rows, NOW)] == [True, False, False]


def test_a_drill_is_told_by_what_failed() -> None:
    proofs = (DrillCheck("stop", True, "it ended", 1.0), DrillCheck("alert path", False, "no answer", 1.0))
    word, what = tiles.describe_drill(Drill(0, False, 2.0, proofs, "ada"), 7_200 * units.SECOND)
    assert (ages.strip_marks(word), what) == ("failed 2 h ago", "alert path")
    assert tiles.describe_drill(None, 0)[0] == "not proven yet"
    assert "alert path FAILED: no answer" in str(tables.list_drills((Drill(0, False, 2.0, proofs, "ada"),))[0].cells[4])


def test_answers_are_bounded_however_much_there_is(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        with closing(sqlite3.connect(tmp_path / "podium.db")) as made, made:
            made.executemany("INSERT INTO alerts (at, rule, severity, state, message) VALUES (1, ?, 'info', 'resolved', 'm')",
                             [(f"r{n}",) for n in range(3_000)])  # fmt: skip
            made.executemany("INSERT INTO recoveries (at, component, fault, tries) VALUES (1, 'feed', 'f', 1)", [()] * 3_000)
        overview = alerts.read_alerts(Reader(url), NOW, past=50)
        assert len(overview.past) == 50
        assert len(alerts.read_recoveries(Reader(url), limit=30)) == 30


def test_a_critical_alert_is_degraded_on_every_page_and_for_healthz(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        beat(tmp_path, NOW)
        before = judge_health(read_health_inputs(url, NOW))
        add_alerts(tmp_path)
        after, reader = judge_health(read_health_inputs(url, NOW)), Reader(url)
        shown = banners.judge_status(read_status.read_status(reader), NOW)
    reason = "drawdown limit hit: <b>the drawdown</b> passed its limit"
    assert reason not in before.reasons
    assert (after.state, after.alive, reason in after.reasons) == ("degraded", True, True)
    assert (shown.state, reason in shown.reasons) == ("degraded", True)


def test_a_full_disk_is_told_across_the_top_with_what_to_do(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        status = read_status.read_status(Reader(url))
    words = [
        f"{banner.word} {banner.text}" for banner in banners.build_banners(replace(status, is_full=True), banners.judge_status(status, NOW), NOW)
    ]
    assert "Disk full. The store cannot be written. Free space on its disk; the engine then resumes" in words
    assert not any(banner.word == "Disk full." for banner in banners.build_banners(status, banners.judge_status(status, NOW), NOW))
