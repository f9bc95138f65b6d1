"""From another program's file to a finished backtest in a real browser: uploaded, previewed, imported, and decided."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.served import Served
from tests.e2e.visitor import MS, Visitor
from tests.importers.test_import_command import write_source

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]


def test_a_file_is_uploaded_imported_and_decided(server: Served, visit: Visit, tmp_path: Path) -> None:
    source = write_source(tmp_path, "binance")
    visitor = visit(server.url)
    visitor.go("/data")
    visitor.sees("waiting for a first recording")
    visitor.page.get_by_role("radio", name="import").click()
    visitor.page.locator('input[type="file"]').set_input_files(str(source))
    visitor.press("Preview")
    visitor.sees("BTCUSDT-1m-2024-01-01.csv is read as Binance klines: bars of BTCUSDT")
    visitor.sees("Of all 130 rows: nothing would be left out.")
    visitor.press("Import")
    expect(visitor.banner("Imported.")).to_contain_text("130 bars", timeout=MS)
    table = visitor.fresh('table[aria-label="What BTCUSDT holds, by symbol"] tbody tr')
    expect(table).to_have_count(1, timeout=MS)
    expect(table.locator("svg[role=img]")).to_have_attribute("aria-label", "BTCUSDT: bars in 200 of 200 parts of its time span")
    assert [file.name for file in (server.home / "imports" / "BTCUSDT" / "BTCUSDT").iterdir()] == ["bars.parquet"]
    visitor.press("Start a backtest")
    visitor.is_on("Backtests")
    folder = str(server.home / "imports" / "BTCUSDT")
    expect(visitor.page.get_by_role("textbox", name="Folder of the recording")).to_have_value(folder, timeout=MS)
    visitor.has_query(market="recording", run_path=folder)
    visitor.page.reload()
    expect(visitor.page.get_by_role("textbox", name="Folder of the recording")).to_have_value(folder, timeout=MS)
    visitor.page.get_by_text("Train models").click()
    visitor.press("Run")
    expect(visitor.banner("Done.")).to_contain_text("130 decisions", timeout=MS)
    assert visitor.boxes() == []
    assert list((server.home / "podium-temp").glob("import-*")) == []
    assert server.tracebacks() == []


def test_a_file_that_is_no_market_data_is_refused_on_a_phone(server: Served, visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text('what,when\n"<img src=x onerror=alert(1)>",late\n')
    visitor = visit(server.url, width=390, height=844)
    visitor.go("/data?view=import")
    visitor.page.locator('input[type="file"]').set_input_files(str(tmp_path / "notes.csv"))
    visitor.press("Preview")
    expect(visitor.banner("Refused.")).to_contain_text("notes.csv is of no known format", timeout=MS)
    visitor.fits()
    assert visitor.page.get_by_role("button", name="Import", exact=True).count() == 0
