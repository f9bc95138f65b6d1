"""Operating an engine from a real browser: every command with its reason and result, one engine a store, and an engine that is gone."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from engine.domain.optimization import describe_verdict
from engine.service.clock import WallClock
from engine.store.inbox import Inbox
from tests.e2e.served import OWN, SLOW, Served
from tests.e2e.visitor import MS, Visitor

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]
LAST = 'SELECT name, args, "by", reason, status, result FROM commands ORDER BY id DESC LIMIT 1'
HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(1)"> \'); DROP TABLE commands;-- \U0001f680 &lt;b&gt; **bold** $x^2$ :red[r]'


@pytest.fixture(scope="module")
def viewer(server: Served) -> Iterator[Served]:
    """A second server on the same store: it may look and command, and waits for its turn."""
    viewer = Served(server.home, name="viewer", **OWN)
    try:
        viewer.answers(200)
        yield viewer
    finally:
        viewer.end()


def on_control(visit: Visit, server: Served, reason: str) -> Visitor:
    visitor = visit(server.url)
    visitor.go("/control")
    visitor.page.get_by_label("Reason").fill(reason)
    return visitor


def listed(visitor: Visitor, *texts: str) -> None:
    """The newest command of the list tells all of these."""
    newest = visitor.fresh('table[aria-label="Commands sent"] tbody tr').first
    for text in texts:
        expect(newest).to_contain_text(text, timeout=MS)


def test_a_pause_holds_everything_until_it_is_resumed(server: Served, visit: Visit) -> None:
    visitor = on_control(visit, server, "going out for lunch")
    visitor.press("Pause")
    listed(visitor, "pause", "dashboard", "going out for lunch", "done", "paused: nothing is opened or closed until resume")
    expect(visitor.banner("Paused.")).to_be_visible(timeout=MS)
    paused = server.tick()
    server.wait(lambda: server.tick() >= paused + 2, "two ticks more")
    held = f"SELECT DISTINCT action, json_extract(gates, '$.passed[1]') FROM decisions WHERE tick > {paused}"
    assert server.ask("SELECT json_extract(gates, '$[1].name') FROM sessions") == [("not paused",)]
    assert server.ask(held) == [("hold", 0)]
    visitor.to("Decisions")
    gates = visitor.page.locator("tr[data-link]").first.locator("td").nth(2)
    expect(gates).to_have_text("hold: paused", timeout=MS)
    visitor.to("Control")
    expect(visitor.banner("Paused.")).to_be_visible(timeout=MS)
    visitor.page.get_by_label("Reason").fill("back again")
    visitor.press("Resume")
    listed(visitor, "resume", "dashboard", "back again", "done")
    expect(visitor.banner("Paused.")).to_have_count(0, timeout=MS)


def test_no_command_is_sent_without_a_reason(server: Served, visit: Visit) -> None:
    before = server.ask("SELECT count(*) FROM commands")
    visitor = on_control(visit, server, "  x ")
    visitor.press("Pause")
    expect(visitor.banner("Not sent.")).to_contain_text("reason", timeout=MS)
    assert server.ask("SELECT count(*) FROM commands") == before


def test_a_retraining_and_the_signal_are_asked_for_from_the_page(server: Served, visit: Visit) -> None:
    visitor = on_control(visit, server, "see what it learns")
    visitor.press("Retrain")
    listed(visitor, "retrain", "dashboard", "see what it learns", "done", "bars later")
    visitor.press("No signal")
    listed(visitor, "set", "signal 0", "see what it learns", "done")
    expect(visitor.banner("Simulated market.")).to_contain_text("nothing in them can be predicted", timeout=MS)
    box = visitor.page.get_by_role("spinbutton")
    expect(box).to_have_value("0.000", timeout=MS)  # it follows the signal that holds, and forgets what was typed before
    box.fill("0.2")
    visitor.press("Set signal")
    listed(visitor, "set", "signal 0.2", "done")
    expect(visitor.banner("Simulated market.")).to_contain_text("20.0 %", timeout=MS)


def test_a_hostile_reason_is_text_and_nothing_else(server: Served, visit: Visit) -> None:
    visitor = on_control(visit, server, HOSTILE)
    visitor.press("Retrain")
    listed(visitor, "retrain", HOSTILE, "done")
    assert server.ask(LAST)[0][3] == HOSTILE
    assert visitor.page.locator("img[src=x]").count() == 0
    Inbox(f"sqlite:///{server.home}/podium.db").submit("retrain", {}, "somebody else", "x" * 10_000, WallClock().now())
    listed(visitor, "somebody else", "x" * 10_000, "done")
    visitor.fits()
    assert visitor.boxes() == []
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.until("() => document.querySelector('[data-testid=\"stMain\"]').clientWidth < 400")
    visitor.fits()


def test_an_optimization_by_hand_tells_what_it_measured(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    visitor.go("/optimizer")
    visitor.page.get_by_label("Reason").fill("how much does it hold")
    visitor.page.get_by_label("Reason").press("Enter")
    action = visitor.fresh('table[aria-label="Actions and their measured effects"] tr[data-id="collect_garbage"]')
    action.get_by_role("button", name="Dry run of collect garbage").click()
    expect(visitor.banner("Done.")).to_contain_text("collect garbage, dry run", timeout=MS)
    assert json.loads(server.ask(LAST)[0][5])["status"] == "dry run"
    assert server.ask("SELECT count(*) FROM trials WHERE mode = 'manual'") == [(0,)]
    action.get_by_role("button", name="Run collect garbage").click()
    expect(visitor.banner("Running.").locator(".pd-progress")).to_be_visible(timeout=MS)
    visitor.sees("s left", ".pd-notice:has(.pd-progress)")
    server.wait(lambda: server.ask(LAST)[0][4] == "done", "the run to be over")
    name, args, by, reason, status, result = server.ask(LAST)[0]
    assert (name, json.loads(args), by, reason, status) == ("optimize", {"action": "collect_garbage"}, "dashboard", "how much does it hold", "done")
    measured = json.loads(result)
    assert measured["unit"] == "bytes"
    assert measured["amount"] is not None
    assert measured["comparison"] in {"better than usual", "as usual", "worse than usual", "not enough data"}
    verdict = describe_verdict(measured["verdict"])
    expect(visitor.banner(f"{verdict.capitalize()}.")).to_contain_text(measured["detail"], timeout=MS)
    visitor.chart("Effect of collect garbage")
    visitor.page.get_by_text("History", exact=True).click()
    row = visitor.fresh(f'table[aria-label="Trials and their effects"] tr[data-id="{measured["trial"]}"]')
    for text in ("collect garbage", "dashboard", "how much does it hold", verdict):
        expect(row).to_contain_text(text, timeout=MS)
    row.locator("td").nth(3).click()
    visitor.sees(f"Trial {measured['trial']}")
    visitor.has_query(view="History", trial=str(measured["trial"]))
    visitor.chart("Readings around collect garbage")
    expect(row).to_have_class("mark", timeout=MS)
    assert visitor.boxes() == []


def test_a_rule_is_previewed_on_what_was_stored_and_then_applied_and_taken_back(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    visitor.go("/optimizer?view=Rules&rule=host_memory")
    level = visitor.page.get_by_role("textbox", name="Level")
    level.fill("lots")
    visitor.press("Preview")
    expect(visitor.banner("No preview.")).to_contain_text("above is 'lots': give a number", timeout=MS)
    expect(level).to_have_value("lots")
    level.fill("0.1")
    visitor.page.get_by_role("textbox", name="Clears at").fill("0.05")
    visitor.page.get_by_role("textbox", name="For", exact=True).fill("3s")
    visitor.press("Preview")
    expect(visitor.banner("Preview.")).to_contain_text("Would have fired", timeout=MS)
    visitor.chart("host memory of the last day")
    assert server.ask("SELECT count(*) FROM rules") == [(0,)]
    visitor.page.get_by_label("Reason").fill("to see it fire")
    visitor.press("Apply")
    rule = visitor.fresh('table[aria-label^="Rules in force"] tr[data-id="host_memory"]')
    expect(rule).to_contain_text("host memory above 0.1 % for 3 s", timeout=MS)
    expect(rule).to_contain_text("changed here")
    expect(visitor.banner("Host memory.")).to_contain_text("Fires: host memory above 0.1 %", timeout=MS)
    visitor.page.get_by_label("Reason").fill("seen")
    visitor.press("Reset")
    expect(rule).to_contain_text("default", timeout=MS)
    assert server.ask("SELECT count(*) FROM rules") == [(0,)]
    rule.locator("summary").click()
    rule.get_by_role("button", name="Silence host memory for an hour").click()
    expect(rule.get_by_role("button", name="End the silence of host memory")).to_be_visible(timeout=MS)  # it stays open
    expect(rule).to_contain_text("silenced until")
    assert server.ask("SELECT rule FROM silences") == [("host_memory",)]
    rule.get_by_role("button", name="End the silence of host memory").click()
    expect(rule.get_by_role("button", name="Silence host memory for an hour")).to_be_visible(timeout=MS)
    assert visitor.boxes() == []


def test_a_second_server_shows_the_one_engine_and_may_command_it(server: Served, viewer: Served, visit: Visit) -> None:
    (holder, pid), before = server.ask("SELECT holder, pid FROM lease")[0], server.ask("SELECT count(*) FROM sessions")
    assert pid == server.process.pid
    visitor = on_control(visit, viewer, "said at the other server")
    visitor.press("Retrain")
    listed(visitor, "retrain", "said at the other server", "done")
    tick = visitor.tick()
    visitor.until("tick => Number(document.querySelector('.pd-head b').innerText.replace(',', '')) > tick", arg=tick)
    assert server.ask("SELECT holder, pid FROM lease") == [(holder, pid)]
    assert server.ask("SELECT count(*) FROM sessions") == before
    assert server.ask("SELECT count(*) - max(tick) - 1 FROM ticks") == [(0,)]


def test_when_the_engine_dies_the_other_server_takes_up_its_work(server: Served, viewer: Served, visit: Visit) -> None:
    visitor = visit(viewer.url)
    visitor.go("/")
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(SLOW)
    died = viewer.tick()
    viewer.wait(lambda: viewer.tick() > died + 1, "the other server's engine to go on")
    assert viewer.ask("SELECT pid FROM lease") == [(viewer.process.pid,)]
    visitor.until("tick => Number(document.querySelector('.pd-head b').innerText.replace(',', '')) > tick", arg=died)
    viewer.answers(200)
    assert viewer.ask("SELECT count(*) - max(tick) - 1 FROM ticks") == [(0,)]
    assert viewer.ask("SELECT count(*) FROM sessions") == [(1,)]
    visitor.page.close()
    viewer.stop()
    assert viewer.tracebacks() == []


def test_an_engine_that_is_gone_is_told_on_every_page_and_by_the_health(viewer: Served, visit: Visit, tmp_path: Path) -> None:
    if viewer.process.poll() is None:
        viewer.stop()
    (tmp_path / "nothing").mkdir()
    home = tmp_path / "home"
    home.mkdir()
    for file in viewer.home.glob("podium.db*"):
        shutil.copy(file, home)
    idle = Served(home, PODIUM_FEED="recorded", PODIUM_FEED_PATH=str(tmp_path / "nothing"))  # an engine that cannot start
    try:
        down = json.loads(idle.answers(503))
        assert down["state"] == "down"
        assert down["last_tick"] == idle.tick()
        visitor = visit(idle.url)
        for path in ("/", "/decisions", "/decision", "/market", "/portfolio", "/components", "/resources", "/optimizer", "/control"):
            visitor.go(path)
            expect(visitor.banner("Engine down.")).to_contain_text("The pages show the last stored state", ignore_case=True, timeout=MS)
            expect(visitor.page.locator(".pd-chip").first).to_have_text("down")
            expect(visitor.page.locator("table:visible, .podium-chart .main-svg, .pd-words").first).to_be_visible(timeout=MS)
            assert visitor.boxes() == [], path
        visitor.page.close()  # before its server goes, which a page that is open complains of
    finally:
        idle.end()
    assert idle.tracebacks() == []
