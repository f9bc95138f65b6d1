"""Visit every page of a running dashboard, wide and narrow, light and dark: `python -m tests.shots.survey URL FOLDER [--axe axe.min.js]`.

For each page a line with the seconds until it is settled, errors on the console, requests that leave the machine, exception boxes, pixels
wider than the window and violations that axe-core finds (`npm pack axe-core`), the same in FOLDER/survey.jsonl, and two pictures.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from playwright.sync_api import Browser, Error, Page, sync_playwright

from engine.service.clock import WallClock
from tests.e2e.conftest import FLAGS, NAMES
from tests.e2e.visitor import TITLES

VISITS = (("wide", 1440, 900, ("light", "dark")), ("phone", 390, 844, ("dark", "light")))  # the first scheme is the one of the picture
SETTLED = """() => {
  const app = document.querySelector('[data-testid="stApp"]'), main = document.querySelector('[data-testid="stMain"]');
  return app && app.getAttribute('data-test-script-state') === 'notRunning' && document.querySelector('h1')
    && !document.querySelector('[data-testid="stSkeleton"]') && main.innerText.length > 20;
}"""
TOO_WIDE = "() => { const m = document.querySelector('[data-testid=\"stMain\"]'); return m.scrollWidth - m.clientWidth; }"
HEIGHT = "() => document.querySelector('[data-testid=\"stMain\"]').scrollHeight"
AXE = """() => axe.run({ exclude: [['.main-svg']] }, { resultTypes: ['violations'] }).then(
  (results) => results.violations.map((v) => [v.impact, v.id, v.nodes.length, v.nodes[0].html.slice(0, 200)]))"""
MILLISECONDS = 60_000
TALLEST = 6_000  # px of a picture
DRAWN = 1_500  # ms that charts need after their data


def visit_page(browser: Browser, url: str, path: str, size: tuple[str, int, int, tuple[str, ...]], folder: Path, axe: str) -> dict[str, Any]:
    """Open one page in a new window, and return what was wrong there."""
    name, width, height, schemes = size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=schemes[0])  # type: ignore[arg-type]
    page, clock = context.new_page(), WallClock()
    errors: list[str] = []
    left: list[str] = []
    page.on("console", lambda message: errors.append(message.text[:300]) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)[:300]))
    page.on("request", lambda request: left.append(request.url) if urlparse(request.url).hostname not in {"127.0.0.1", None} else None)
    begun = clock.tick()
    page.goto(url + path)
    try:
        page.wait_for_function(SETTLED, timeout=MILLISECONDS, polling=50)
    except Error as error:
        errors.append(f"never settled: {str(error)[:80]}")
    seconds = clock.tick() - begun
    page.wait_for_timeout(DRAWN)
    violations = {scheme: run_axe(page, scheme, axe) for scheme in schemes} if axe else {}
    page.emulate_media(color_scheme=schemes[0])  # type: ignore[arg-type]
    wide = max(0, int(page.evaluate(TOO_WIDE)))
    page.set_viewport_size({"width": width, "height": min(TALLEST, max(height, int(page.evaluate(HEIGHT))))})
    page.wait_for_timeout(DRAWN)
    page.screenshot(path=folder / f"{path.strip('/') or 'overview'}-{name}-{schemes[0]}.png")
    boxes = [box.inner_text()[:200] for box in page.locator('[data-testid="stException"]').all()]
    context.close()
    return {
        "page": TITLES[path],
        "size": name,
        "seconds": round(seconds, 2),
        "console": errors,
        "left": left,
        "boxes": boxes,
        "wide": wide,
        "axe": violations,
    }


def run_axe(page: Page, scheme: str, axe: str) -> list[Any]:
    """Return what axe finds under a colour scheme: impact, rule, number of nodes and the first of them."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.wait_for_timeout(DRAWN)
    page.evaluate(f"() => {{ {axe} }}")
    violations: list[Any] = page.evaluate(AXE)
    return violations


def survey(url: str, folder: Path, axe: str, paths: list[str]) -> None:
    """Visit the pages one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    chromium = next((path for path in map(shutil.which, NAMES) if path), None)
    with sync_playwright() as play, (folder / "survey.jsonl").open("a", encoding="utf-8") as out:
        browser = play.chromium.launch(executable_path=chromium, args=list(FLAGS))
        for path in paths:
            for size in VISITS:
                line = visit_page(browser, url.rstrip("/"), path, size, folder, axe)
                print(json.dumps(line), file=out, flush=True)
                print(
                    path,
                    size[0],
                    f"{line['seconds']} s",
                    {key: line[key] for key in ("console", "left", "boxes", "wide", "axe") if line[key]},
                    flush=True,
                )
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.shots.survey", description="Visit every page and report what is wrong there.")
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("paths", nargs="*", help="such as /market; all pages by default")
    parser.add_argument("--axe", type=Path, help="axe.min.js of axe-core")
    options = parser.parse_args()
    survey(options.url, options.folder, options.axe.read_text(encoding="utf-8") if options.axe else "", options.paths or list(TITLES))


if __name__ == "__main__":
    main()
