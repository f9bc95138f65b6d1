"""A day's report: every figure is the store's, what is unknown says so, and no text in it can become markup."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.domain.alerting import Drill, DrillCheck
from engine.domain.intents import phrase_gate
from engine.domain.optimization import Effect, Firing, Trial
from engine.report.day import LISTED
from engine.report.rendering import render_html, render_markdown
from engine.report.sections import build_document
from engine.store.database import path_from_url
from engine.store.read.reader import Reader
from engine.store.read.report import DAY, read_day
from engine.store.read.savings import read_savings
from engine.store.write import alerts
from engine.store.write.writer import Writer
from tests.store import made

BEGIN = made.WALL - made.WALL % DAY
LAST = made.WALL + 240 * 2 * made.SECOND
DATE = "2025-06-15"
HOSTILE = '<script>alert(1)</script> | [x](javascript:x) `a` **b**\n# "c"\x07 & d'


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made.filled(tmp_path_factory.mktemp("report"))


def render(url: str, now: int = BEGIN + DAY) -> str:
    record = read_day(Reader(url), BEGIN, now, DATE)
    assert record is not None
    return render_markdown(build_document(record))


def signed(value: float) -> str:
    return f"{value:+,.2f}".replace("-", "\N{MINUS SIGN}")


def row(text: str, first: str) -> list[str]:
    """The cells of the table row that begins so."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_counts_and_the_money_are_those_of_the_store(filled: str) -> None:
    text = render(filled)
    with closing(sqlite3.connect(path_from_url(filled))) as store:
        acted = store.execute("SELECT count(*) FROM decisions WHERE action <> 'hold' AND tick >= 20").fetchone()[0]
        buys = store.execute("SELECT count(*) FROM decisions WHERE action = 'buy' AND tick >= 20 AND symbol = 'ETH'").fetchone()[0]
        gate, bound = store.execute(
            "SELECT binding_gate, count(*) FROM decisions WHERE tick >= 20 AND binding_gate IS NOT NULL GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
        ).fetchone()
        before = store.execute("SELECT equity FROM ticks WHERE tick = 19").fetchone()[0]
        after = store.execute("SELECT equity FROM ticks WHERE tick = 239").fetchone()[0]
        fees = store.execute("SELECT sum(size * price * fee_bps / 1e4) FROM fills WHERE tick >= 20").fetchone()[0]
        spread, impact = store.execute(
            "SELECT sum(size * price * spread_bps / 1e4), sum(size * price * impact_bps / 1e4) FROM fills WHERE tick >= 20"
        ).fetchone()
    intents = Counter(row_[4] for row_ in Reader(filled).view("v_decisions").query("tick >= 20 and action != 'hold'").itertuples(index=False))
    assert {intent: row(text, f"traded: {intent}")[1] for intent in intents} == {intent: f"{n}" for intent, n in intents.items()}
    assert f"220 ticks, 4 symbols: 880 decisions, of which {acted} bought or sold." in text
    assert row(text, "ETH")[1] == str(buys)
    assert row(text, phrase_gate(gate))[1:3] == [str(bound), f"{bound / 8.8:.1f} %"]
    assert row(text, "Podium after costs")[1:4] == [f"{before:,.2f}", f"{after:,.2f}", signed(after - before)]
    assert row(text, "Fees")[1] == signed(-fees)
    assert row(text, "Total cost")[1] == signed(-(fees + spread + impact))
    assert row(text, "Change of equity before costs")[1] == signed(after - before + fees + spread + impact)
    assert "20 more ticks of the warm-up, decided over history, are not counted here" in text


def test_declined_trades_skill_and_clean_ticks_come_with_their_evidence(filled: str) -> None:
    text = render(filled)
    assert row(text, "data not fresh")[3:] == ["+1.50 bps", "0.50 to 2.50 bps", "239"]
    assert row(text, "a phase fell back")[3:5] == ["not enough data", "not enough data"]
    assert row(text, "ensemble")[2:] == ["+0.0040", "\N{MINUS SIGN}0.0010 to +0.0090", "956", "239"]
    assert "Clean ticks, without a fallback: 98.182 % of 220 ticks (95 % interval 95.4" in text
    assert row(text, "validation") == ["validation", "4"]


def test_optimizations_are_reported_with_their_measured_effects(tmp_path: Path) -> None:
    url = made.filled(tmp_path, 30)
    with closing(Writer(url)) as writer:
        for number, (verdict, placebo, undone) in enumerate((("harmed", False, True), ("not enough data", True, False))):
            effect = Effect(2e8, 2.5e8, 5e7, 4e7, 6e7, 31, verdict)
            writer.save_trial(Trial(
                LAST + number, "delete_temp", "disk is filling", "auto", placebo, "process.rss_bytes", "bytes", effect, undone, 0.0, "bytes",
                "", "", "", 0.1, probability=0.5,
            ))  # fmt: skip
    text = render(url)
    assert "3 optimizations: 1 measurably helped, 1 harmed." in text
    assert row(text, "collect garbage") == ["collect garbage", "1", "0", "0", "1", "0", "0", "0", "10.0 MB"]
    assert row(text, "delete temp") == ["delete temp", "1", "1", "0", "0", "1", "0", "1", "none"]
    assert "disk is filling | process.rss\\_bytes | harmed, undone | +50.0 MB | 40.0 to 60.0 MB |" in text
    assert "2 runs without measurable effect, excluded from the sums. Savings: no measurable effect." in " ".join(text.split())
    with closing(Writer(url)) as writer:
        for number, change in enumerate((-2e7, -3e7), 10):  # a fall is the gain
            effect = Effect(2e8, 2e8 + change, change, change - 5e6, change + 5e6, 31, "helped")
            writer.save_trial(replace(made.trial(LAST + number), effect=effect))
    saved = row(render(url), "process.rss\\_bytes")
    assert (saved[1], saved[3]) == ("+50.0 MB", "2")  # neither what was undone nor what had no measurable effect is in the sum
    assert "Rules that fired: disk is filling 1." in text


def test_manual_runs_stand_apart_and_are_in_no_count_and_no_sum(tmp_path: Path) -> None:
    url = made.filled(tmp_path, 30)
    before = render(url)
    with closing(Writer(url)) as writer:
        for number, verdict in enumerate(("helped", "harmed")):
            writer.save_trial(made.by_hand(made.trial(LAST + number, verdict)))
    text = render(url)
    assert "2 optimizations: 1 measurably helped, 0 harmed. 2 manual runs." in text
    assert row(text, "collect garbage") == row(before, "collect garbage")
    assert "Savings on" not in text
    apart = text.split("Manual run at")[1]
    assert "| better than usual | 200 MB | 190 MB | 10.0 MB |" in apart
    assert "| worse than usual |" in apart
    assert "chance did not decide them" in apart
    assert "Manual run at" not in before


def test_what_was_saved_on_the_metric_of_a_rule_counts_once_its_direction_is_known(tmp_path: Path) -> None:
    """No action cures the host's processor time, so only a run that helped tells which way is better; one that harmed may have harmed the ticks."""
    url = made.filled(tmp_path, 30)

    def run(number: int, effect: float, verdict: str, *, undone: bool = False) -> None:
        outcome = Effect(60.0, 60.0 + effect, effect, effect - 2.0, effect + 2.0, 20, verdict)
        with closing(Writer(url)) as writer:
            writer.save_trial(Trial(
                LAST + number, "slow_polling", "host_cpu", "auto", False, "host.cpu_percent", "%", outcome, undone, 0.0, "", "", "", "", 0.1,
                probability=0.5,
            ))  # fmt: skip

    def saved() -> list[float | None]:
        return [entry.proved.amount if entry.proved else None for entry in read_savings(Reader(url)).savings if entry.metric == "host.cpu_percent"]

    run(0, -20.0, "harmed", undone=True)
    run(1, -8.0, "no measurable effect")
    assert saved() == [None]
    assert "Savings on" not in render(url)
    run(2, -6.0, "helped")
    assert saved() == [pytest.approx(6.0)]
    assert row(render(url).split("Savings on")[-1], "host.cpu\\_percent")[1:4:2] == ["+6.0 %", "1"]


def test_a_day_whose_first_ticks_are_not_kept_says_from_when_on(tmp_path: Path) -> None:
    url = made.filled(tmp_path, 60)
    assert "no longer stored" not in render(url)
    with closing(sqlite3.connect(path_from_url(url))) as store, store:
        for table in ("ticks", "decisions", "fills"):
            store.execute(f"DELETE FROM {table} WHERE tick < 45")
    assert "money and decisions from 15:08:10 on: earlier ticks are no longer stored" in render(url)


def test_drills_are_described_in_words_and_a_truncated_count_says_at_least(tmp_path: Path) -> None:
    url = made.filled(tmp_path, 30)
    with closing(Writer(url)) as writer:
        for number in range(LISTED + 5):
            writer.raise_alert(f"rule {number}", "warning", "made", LAST + number)
        with writer.write() as connection:
            alerts.save_drill(connection, Drill(LAST, True, 3.2, (DrillCheck("kill switch", True, "nothing opens", 0.1),), "schedule"))
    text = render(url)
    assert "kill switch: nothing opens." in text
    assert "proofs" not in text
    assert f"at least {LISTED} alerts" in text


def test_a_day_that_is_not_over_says_until_when(filled: str) -> None:
    text = render(filled, LAST + 1)
    assert "The day in UTC so far, until 15:14:40" in text
    assert "The whole day in UTC" in render(filled)


def test_a_day_with_nothing_has_no_report_and_one_with_only_an_alert_has(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    assert read_day(Reader(url), BEGIN, BEGIN + DAY, DATE) is None
    with closing(Writer(url)) as writer:
        writer.raise_alert("feed is silent", "critical", "no bar for 5 min", made.WALL)
    text = render(url)
    assert "No tick was decided on this day. 1 alert, 1 still open." in text
    assert "critical | feed is silent | no bar for 5 min | still open" in text
    assert render(url).count("Nothing was decided") == 2


def test_days_are_utc_and_end_where_the_next_begins(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    with closing(Writer(url)) as writer:
        market = made.Market()
        made.begin(writer, market, BEGIN)
        for number in range(60):
            writer.save(market.tick(wall=BEGIN + DAY + (number - 40) * made.SECOND))
    first, second = (read_day(Reader(url), BEGIN + days * DAY, BEGIN + 5 * DAY, DATE) for days in (0, 1))
    assert first is not None
    assert second is not None
    assert [(span.first, span.last) for span in (*first.spans, *second.spans)] == [(20, 39), (40, 59)]
    assert (first.warmup_ticks, second.warmup_ticks) == (20, 0)


def test_warm_up_ticks_alone_are_marked_as_such(tmp_path: Path) -> None:
    text = render(made.filled(tmp_path, 15))
    assert "15 ticks, all over history during the warm-up, 4 symbols: 60 decisions" in text


class Page(HTMLParser):
    """What a browser would make of a page: its tags, and whatever would load something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "srcset", "data", "onclick", "onload", "background"}]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = made.filled(tmp_path_factory.mktemp("hostile"), 40, (HOSTILE, "B"))
    with closing(Writer(url)) as writer:
        writer.raise_alert(HOSTILE, "warning", HOSTILE, made.WALL)
        writer.save_firing(Firing(made.WALL, HOSTILE, "threshold", HOSTILE, 1.0, 1.0, "fired"))
        effect = Effect(1.0, 2.0, 1.0, 0.5, 1.5, 30, "helped")
        writer.save_trial(
            Trial(made.WALL, HOSTILE, HOSTILE, "auto", False, HOSTILE, HOSTILE, effect, False, 1.0, HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0.1)
        )
        with writer.write() as connection:
            connection.exec_driver_sql("UPDATE sessions SET label = ?", (HOSTILE,))
            connection.exec_driver_sql(
                "INSERT INTO recoveries (at, component, fault, how, tries, recovered_at) VALUES (?, ?, ?, ?, 2, ?)",
                (made.WALL, HOSTILE, HOSTILE, HOSTILE, made.WALL + 3 * made.SECOND),
            )
            alerts.save_drill(connection, Drill(made.WALL, True, 2.0, (DrillCheck(HOSTILE, True, HOSTILE, 1.0),), HOSTILE))
    return url


def test_no_text_of_the_store_becomes_markup_in_html(hostile: str) -> None:
    record = read_day(Reader(hostile), BEGIN, BEGIN + DAY, DATE)
    assert record is not None
    page = render_html(build_document(record))
    seen = Page()
    seen.feed(page)
    assert "script" not in seen.tags
    assert seen.loads == []
    assert not re.search(r"https?://|@import|url\(", page)
    assert page.count("&lt;script&gt;") >= 9
    assert page.count("<table>") == page.count("</table>") >= 6
    assert "prefers-color-scheme:dark" in page
    assert "@media print" in page
    assert "<svg" in page


def test_no_text_of_the_store_becomes_markup_in_markdown(hostile: str) -> None:
    text = render(hostile)
    assert "<script" not in text
    assert not re.search(r"(?<!\\)[<>`*\[]", text)
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    for lines in tables:
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(columns) == 1, lines
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        f"# Podium, {DATE}", "## Money", "## Decisions", "## Why not trading?", "## Health", "## Alerts", "## Optimizations", "## Skill",
        "## Evolution", "## Audit",
    ]  # fmt: skip


def test_the_command_writes_what_the_ending_of_the_file_says(filled: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["report", "--day", DATE, "--store", filled]
    assert main([*words, "--out", str(tmp_path / "day.HTML")]) == 0
    assert main([*words, "--out", str(tmp_path / "day.md")]) == 0
    assert main(words) == 0
    assert (tmp_path / "day.HTML").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert capsys.readouterr().out == (tmp_path / "day.md").read_text(encoding="utf-8") == render(filled)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["day.HTML", "day.md"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--day", "2025-06-14"], "the store has no rows of 2025-06-14: it has ticks from 2025-06-15 to 2025-06-15"),
        (["--day", "15.6.2025"], "--day '15.6.2025' is not a day: write it as 2024-01-31, yesterday or today"),
        (["--day", "2025-02-29"], "--day '2025-02-29' is not a day"),
        (["--day", "9999-12-31"], "is in the future"),
        (["--day", "0001-01-01"], "is before 1970"),
    ],
)
def test_a_day_without_a_report_is_one_line(filled: str, capsys: pytest.CaptureFixture[str], words: list[str], line: str) -> None:
    assert main(["report", *words, "--store", filled]) == 64
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert line in err
