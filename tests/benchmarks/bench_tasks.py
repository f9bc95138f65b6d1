"""Ten tasks of a person at the dashboard, from Overview each: seconds, clicks and entries until the answer is on the screen."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from engine.service.clock import WallClock
from tests.e2e.served import ROOT, WARM_UP, WATCHED, Served, serving
from tests.e2e.visitor import MS, Visitor

FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
COUNT = """
window.addEventListener('click', (event) => { if (event.isTrusted && event.detail) window.clicksMade = (window.clicksMade ?? 0) + 1; }, true);
window.addEventListener('keydown', (event) => { if (event.key === 'Enter') window.entriesMade = (window.entriesMade ?? 0) + 1; }, true);
"""
ALERT = "INSERT INTO alerts (at, rule, severity, state, message) VALUES (1, 'store over its limit', 'warning', 'open', 'made for the measurement')"
Task = Callable[[Visitor, Served], None]


def find_why(visitor: Visitor, server: Served) -> None:
    """Why was a symbol not traded at a certain time?"""
    tick, symbol = server.ask("SELECT tick, symbol FROM v_decisions WHERE action = 'hold' ORDER BY tick DESC LIMIT 1 OFFSET 200")[0]
    visitor.to("Decisions")
    field = visitor.page.get_by_role("textbox", name="Go to tick or time")
    field.fill(str(tick))
    field.press("Enter")
    line = visitor.page.locator(f'tr[data-id="{tick} {symbol}"]')
    expect(line).to_contain_text(re.compile("hold: .+"), timeout=MS)


def stop_everything(visitor: Visitor, server: Served) -> None:
    """Close every position at once."""
    del server
    visitor.press("Flatten")
    visitor.page.get_by_role("button", name=re.compile(r"^Close (\d+ positions?|every position)$")).click()
    expect(visitor.banner("Flattening.")).to_be_visible(timeout=MS)


def see_skill(visitor: Visitor, server: Served) -> None:
    """Has skill gone?"""
    del server
    expect(visitor.page.locator(".pd-verdict").first).to_contain_text(re.compile("[Ss]kill"), timeout=MS)


def undo_setting(visitor: Visitor, server: Served) -> None:
    """Take back the newest change of a setting."""
    visitor.to("Control")
    visitor.page.get_by_role("radio", name="Settings").click()
    visitor.press("Undo edge margin")
    expect(visitor.page.locator('[data-testid="stMain"]')).to_contain_text("undo of command", timeout=MS)
    del server


def export_fills(visitor: Visitor, server: Served) -> None:
    """Save the fills of the last seven days."""
    del server
    visitor.to("Portfolio")
    visitor.is_idle()
    visitor.choose("Period", "Last 7 days")
    visitor.press("Download")
    with visitor.page.expect_download(timeout=MS):
        visitor.press("CSV")


def find_slowest_phase(visitor: Visitor, server: Served) -> None:
    """Which phase takes longest?"""
    del server
    visitor.to("Components")
    expect(visitor.page.locator("table", has_text="whole tick").first).to_be_visible(timeout=MS)


def run_optimization(visitor: Visitor, server: Served) -> None:
    """Collect garbage now."""
    visitor.to("Optimizer")
    visitor.page.get_by_role("button", name="Run collect garbage", exact=True).click()
    server.wait(lambda: bool(server.ask("SELECT 1 FROM commands WHERE name = 'optimize'")), "the command")


def acknowledge_alert(visitor: Visitor, server: Served) -> None:
    """Say that an alert is being looked at."""
    visitor.to("Alerts")
    visitor.page.get_by_role("button", name=re.compile("Acknowledge")).first.click()
    server.wait(lambda: bool(server.ask("SELECT 1 FROM alerts WHERE acked_by IS NOT NULL")), "the acknowledgement")


def travel_back(visitor: Visitor, server: Served) -> None:
    """See Overview as it stood at a past tick."""
    del server
    visitor.page.get_by_role("button", name="Travel to the past").click()
    field = visitor.page.get_by_role("textbox", name="Travel to tick or time")
    field.fill("900")
    field.press("Enter")
    expect(visitor.page.locator(".pd-statebar")).to_contain_text("as of tick 900,", timeout=MS)


def compare_symbols(visitor: Visitor, server: Served) -> None:
    """Compare a symbol with another."""
    visitor.to("Market")
    visitor.choose("Compare with", server.ask("SELECT max(symbol) FROM decisions")[0][0])
    visitor.page.keyboard.press("Escape")
    visitor.is_idle()


TASKS: tuple[Task, ...] = (
    see_skill, find_why, find_slowest_phase, compare_symbols, export_fills, travel_back, acknowledge_alert, run_optimization, undo_setting,
    stop_everything,
)  # fmt: skip


def prepare(server: Served) -> None:
    """Change a setting, and open an alert."""
    command = [sys.executable, "-m", "engine", "command", "configure", "parameter=edge_margin", "value=1.5", "--reason", "to be undone"]
    subprocess.run(command, cwd=ROOT, env={"PATH": "", "PODIUM_HOME": str(server.home)}, check=True, capture_output=True)
    with closing(sqlite3.connect(server.home / "podium.db", timeout=60)) as store, store:
        store.execute(ALERT)


def counted(page: Page, what: str) -> int:
    return int(page.evaluate(f"() => window.{what} ?? 0"))


def main() -> None:
    """Do each task once, in a window of its own, and print what it took."""
    chromium = next(
        (path for path in map(shutil.which, (os.environ.get("CHROMIUM") or "chromium", "chromium-browser", "google-chrome")) if path), None
    )
    if chromium is None:
        sys.exit("this bench needs Chromium: install it or give its path in CHROMIUM")
    clock = WallClock()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), WATCHED) as server, sync_playwright() as play:
        server.wait(lambda: server.tick() > WARM_UP + 4, "the warm-up to be over")
        prepare(server)
        browser = play.chromium.launch(executable_path=chromium, args=list(FLAGS))
        for task in TASKS:
            context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
            context.add_init_script(COUNT)
            visitor = Visitor(context, server.url)
            visitor.go("/")
            visitor.is_idle()
            begun = clock.tick()
            task(visitor, server)
            seconds = clock.tick() - begun
            clicks, entries = counted(visitor.page, "clicksMade"), counted(visitor.page, "entriesMade")
            print(f"{(task.__doc__ or '').strip():62} {seconds:6.1f} s  {clicks} clicks  {entries} entries", flush=True)
            context.close()
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
