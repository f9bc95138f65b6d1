"""What becomes of models is reported: an alert about a change that was reverted, and the evolutions of a day."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.domain.alerting import AlertInputs
from engine.domain.evolution import EvolutionReport, EvolutionRow
from engine.report.rendering import render_markdown
from engine.report.sections import build_document
from engine.store.read.alert_facts import HOUR, FactsReader
from engine.store.read.reader import Reader
from engine.store.read.report import DAY, read_day
from engine.store.write.writer import Writer
from tests.store import made
from tests.store.made_evolution import row

BEGIN = made.WALL - made.WALL % DAY


def evolve(folder: Path, *rows: EvolutionRow) -> str:
    """A store with 24 ticks, the last of which has these rows."""
    url = made.empty(folder)
    writer, market = Writer(url), made.Market(made.SYMBOLS)
    made.begin(writer, market)
    for tick in market.ticks(23):
        writer.save(tick)
    writer.save(replace(market.tick(), evolution=EvolutionReport(rows)))
    writer.close()
    return url


def reverts(url: str, now: int) -> tuple[str, ...]:
    reader = FactsReader(url)
    try:
        return reader.read(AlertInputs(now)).reverted
    finally:
        reader.close()


def test_a_change_that_was_reverted_is_reported_with_its_figures_for_an_hour(tmp_path: Path) -> None:
    refresh = {"strategy": "refresh", "model": "all", "version": "ridge-10, lightgbm-10"}
    url = evolve(
        tmp_path,
        row(1, "reverted", evidence=120.0, threshold=100.0, decided=23, **refresh),
        row(2, "reverted", evidence=None, threshold=None, decided=23),  # by hand
        row(3, "promoted", decided=23),
    )
    expected = ("ridge-10, lightgbm-10 (refresh of all models) was worse than the versions before (e-value 120 of 100)",)
    at = made.WALL + 23 * 2 * made.SECOND
    assert reverts(url, at) == expected
    assert reverts(url, at + HOUR + 5 * made.SECOND) == ()


def test_the_report_of_a_day_lists_its_evolutions_newest_first(tmp_path: Path) -> None:
    retired = row(2, "retired", trigger="input drift", evidence=44.0, decided=23)  # which began during the warm-up
    url = evolve(tmp_path, row(1, began=20), retired, row(3, "training", began=23, version="", evidence=None), row(4, began=3))
    record = read_day(Reader(url), BEGIN, BEGIN + DAY, "2025-06-15")
    assert record is not None
    assert [each.state for each in record.evolutions] == ["training", "retired", "racing"]
    text = render_markdown(build_document(record))
    assert "3 changes of models: 1 training, 1 retired, 1 racing." in text
    assert "| 10 | input drift | gain 0.1 % against 0.6 %, e-value 31 of 20 | tuning | ridge | ridge-10-abc123 | retired | 44.0 of 40 |" in text


def test_a_day_without_evolutions_says_so(tmp_path: Path) -> None:
    record = read_day(Reader(evolve(tmp_path)), BEGIN, BEGIN + DAY, "2025-06-15")
    assert record is not None
    assert record.evolutions == ()
    assert "No model was trained again, and none was searched." in render_markdown(build_document(record))
