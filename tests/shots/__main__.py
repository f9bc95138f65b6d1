"""Pictures of the running app for README and docs: `make shots`, or `python -m tests.shots [FOLDER]`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.conftest import FLAGS, NAMES
from tests.e2e.served import Served, serving

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "screens"
WARMUP_BARS = 3_000
LIVE_TICKS = 120  # decided before the pictures are taken, so that every page has something live to show
SETTINGS = {"PODIUM_WARMUP_BARS": str(WARMUP_BARS), "PODIUM_TICK_INTERVAL_SECONDS": "1", "PODIUM_SIM_SIGNAL": "0.1"}
OPENED = "SELECT tick, symbol FROM v_decisions WHERE intent IN ('open', 'add') ORDER BY tick DESC LIMIT 1"
PAGES = ("overview", "market", "models", "components", "resources", "optimizer", "backtests")
MILLISECONDS = 60_000


def take_pictures(folder: Path) -> None:
    """One picture per page at 1440 px in light colours, and Overview as a phone shows it."""
    chromium = next((path for path in map(shutil.which, NAMES) if path), None)
    if chromium is None:
        raise SystemExit("the pictures need Chromium: install it (Debian: apt-get install chromium) or give its path in CHROMIUM")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, serving(Path(home), SETTINGS) as served, sync_playwright() as play:
        prepare(served)
        browser = play.chromium.launch(executable_path=chromium, args=list(FLAGS))
        for name in PAGES:
            save(browser, served.url + ("/" if name == "overview" else f"/{name}"), folder / f"{name}.png")
        tick, symbol = served.ask(OPENED)[0]
        save(browser, f"{served.url}/decision?tick={tick}&symbol={symbol}", folder / "decision.png")
        save(browser, served.url, folder / "phone.png", width=390, height=844, whole=False)
        browser.close()


def prepare(served: Served) -> None:
    """Wait for the warm-up and some live ticks, and run one backtest."""
    backtest = [sys.executable, "-m", "engine", "command", "backtest", "market=simulated", "bars=2000", "--reason", "a picture of the page"]
    subprocess.run(backtest, cwd=ROOT, env=os.environ | {"PODIUM_HOME": str(served.home)}, check=True, stdout=subprocess.DEVNULL)
    served.wait(lambda: served.tick() > WARMUP_BARS + LIVE_TICKS, "the engine to decide live", seconds=900.0)


def save(browser: Browser, url: str, file: Path, *, width: int = 1440, height: int = 900, whole: bool = True) -> None:
    """Open an address in a new window and save what it shows, in whole or its first screen."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light", device_scale_factor=1 if whole else 2)
    page = context.new_page()
    page.goto(url)
    settle(page)
    if whole:  # the window grows to the height of what scrolls inside it
        tall = page.evaluate("() => document.querySelector('[data-testid=\"stMain\"]').scrollHeight")
        page.set_viewport_size({"width": width, "height": max(height, int(tall))})
        settle(page)
    page.screenshot(path=file)
    print(file)
    context.close()


def settle(page: Page) -> None:
    """Wait until the page has its head and nothing of it is being computed any more."""
    page.locator("h1").wait_for(timeout=MILLISECONDS)
    page.wait_for_load_state("networkidle", timeout=MILLISECONDS)
    page.wait_for_function("() => !document.querySelector('[data-testid=\"stStatusWidget\"]')", timeout=MILLISECONDS)
    page.wait_for_timeout(2_000)  # charts draw after their data


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
