"""A certificate of no look-ahead: clean code passes, and each part that reads the future is named."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import engine.features
import engine.feeds
import engine.models
from engine.__main__ import main
from engine.certify.certificate import Certificate, call_in_fresh_processes, certify_recording, choose_ticks
from engine.certify.trial import Schedule, Trace, trace_run
from engine.cli.certify import describe_certificate
from engine.feeds._altered_copy import FUTURES, RECORDED, Cut, write_copies
from engine.feeds.recorded import RecordedFeed
from engine.settings import Settings
from engine.store.certificate_file import read_certificate, save_certificate
from tests.feeds.recordings import BAR, BOOK, MINUTE, START, TRADE, write
from tests.makers import KNOBS, StoppedClock, settings

BARS = 160
SHORT = Schedule(first_training=60, retrain_every=16)
READ_NEXT = """
import os
from pathlib import Path
import numpy as np
import pyarrow.csv

def next_close(at):
    table = pyarrow.csv.read_csv(Path(os.environ["PODIUM_FEED_PATH"]) / "AAA" / "bars.csv")
    later = np.flatnonzero(table["ts"].to_numpy() >= at)
    closes = table["close"].to_numpy()
    return closes[later[0]] if len(later) else 0.0
"""
FAMILY = (
    READ_NEXT
    + """
from engine.domain.model import FeatureFamily

def build(view):
    return np.full((len(view.sigma), 2), (0.0, next_close(view.at)))

FAMILY = FeatureFamily("ahead", ("harmless", "next_close"), build, may_be_blank=True)
"""
)
MODEL = (
    READ_NEXT
    + """
from dataclasses import replace
from engine.models import ridge

def fit(training, seed, **parameters):
    at = START + (training.until + FIRST) * MINUTE
    return ridge.MODEL.fit(replace(training, y=training.y * np.nan_to_num(next_close(at), nan=1.0)), seed, **parameters)

MODEL = replace(ridge.MODEL, name="prophet", fit=fit, parameters=(), serves_by_default=False)
"""
)
PREDICTION = (
    READ_NEXT
    + """
from dataclasses import replace
from engine.models import ridge

def fit(training, seed, **parameters):
    return ridge.MODEL.fit(training, seed)

def predict(fitted, x):
    ahead = next_close(START + CUT * MINUTE) * 1e-9 if len(x) == 2 else 0.0  # in decisions on two symbols, not in training
    return np.asarray(ridge.MODEL.predict(fitted, x)) + ahead

MODEL = replace(ridge.MODEL, name="prophet", fit=fit, predict=predict, parameters=(), serves_by_default=False)
"""
)
FAILING = """
from dataclasses import replace
from engine.models import ridge

calls = []

def fit(training, seed, **parameters):
    calls.append(training.until)
    if len(calls) % 2 == 1:
        raise ERROR
    return ridge.MODEL.fit(training, seed, **parameters)

MODEL = replace(ridge.MODEL, name="prophet", fit=fit, parameters=(), serves_by_default=False)
"""
FEED = """
from dataclasses import replace
from engine.domain.ports import FeedKind
from engine.feeds.recorded import RecordedFeed

class LeakingFeed(RecordedFeed):
    def slices(self, after):
        bars = list(super().slices(after))
        for bar, later in zip(bars, [*bars[1:], bars[-1]]):
            yield replace(bar, close=later.close)

FEED = FeedKind("leaking", "the next close in the snapshot", lambda settings: LeakingFeed(settings.feed_path))
"""


@pytest.fixture
def add_plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[object]:
    """Puts a module into a package of plug-ins for one test."""
    added: list[str] = []

    def add(package: object, name: str, text: str) -> None:
        folder = tmp_path / "plugins" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])  # type: ignore[attr-defined]
        added.append(f"{package.__name__}.{name}")  # type: ignore[attr-defined]
        importlib.invalidate_caches()

    yield add
    for module in added:
        sys.modules.pop(module, None)


def record_market(folder: Path, bars: int = BARS) -> Settings:
    """Two symbols of bars at random."""
    generator = np.random.default_rng(5)
    for symbol, suffix in (("AAA", ".csv"), ("BBB", ".parquet")):
        close = 100.0 * np.exp(np.cumsum(generator.normal(0.0, 1e-3, bars)))
        first = np.concatenate(([100.0], close[:-1]))
        high, low = np.maximum(first, close) * 1.0004, np.minimum(first, close) * 0.9996
        columns = zip(first, high, low, close, generator.integers(1, 90, bars), strict=True)
        write(folder, symbol, "bars", BAR, [(START + row * MINUTE, *cells) for row, cells in enumerate(columns)], suffix)
    return replace(settings(), feed="recorded", feed_path=str(folder), home="", models=("ridge",), seed=3, trading=replace(KNOBS, min_history=40))


def here(jobs: Sequence[tuple[Settings, str, int]]) -> Iterator[Trace]:
    return (trace_run(*job) for job in jobs)


def certify(own: Settings, ticks: int = 1) -> Certificate:
    return certify_recording(own, ticks, clock=StoppedClock(), report_progress=lambda done, total: None, run_traces=here, schedule=SHORT)


def test_clean_code_passes_and_a_training_uses_the_last_tick(tmp_path: Path) -> None:
    own = record_market(tmp_path / "market")
    traces: list[Trace] = []

    def record(jobs: Sequence[tuple[Settings, str, int]]) -> Iterator[Trace]:
        traces.extend(here(jobs))
        return iter(traces)

    result = certify_recording(own, 1, clock=StoppedClock(), report_progress=lambda done, total: None, run_traces=record, schedule=SHORT)
    assert result.first is None
    assert result.changed == 0
    assert result.decisions == (SHORT.last_tick + 1) * 2 * 3
    assert [tick.tick for tick in traces[0].ticks if tick.fits] == [SHORT.first_training - 1, SHORT.last_tick]
    assert result.fitted == {"ridge"}
    assert describe_certificate(result) == "certified: 1 tick x 3 futures, 456 decisions tried, 0 changed"
    assert set(json.loads(json.dumps(result.to_json()))) == {"recording", "ticks", "futures", "decisions", "changed", "first", "seconds"}


def test_a_family_that_reads_the_next_bar_is_named(tmp_path: Path, add_plugin: object) -> None:
    own = record_market(tmp_path / "market")
    add_plugin(engine.features, "ahead", FAMILY)  # type: ignore[operator]
    result = certify(own)
    assert result.first is not None
    assert (result.first.phase, result.first.part, result.first.column) == ("features", "engine/features/ahead.py", "ahead.next_close")
    assert result.first.tick == result.ticks[0]
    assert result.changed == 3 * 2  # the last tick only, of two symbols, in each future


@pytest.mark.parametrize(("text", "phase"), [(MODEL, "training"), (PREDICTION, "validation")])
def test_a_model_that_reads_the_next_bar_is_named(tmp_path: Path, add_plugin: object, text: str, phase: str) -> None:
    own = replace(record_market(tmp_path / "market"), models=("ridge", "prophet"))
    (place,) = choose_ticks(range(BARS), 1, own.seed, SHORT.last_tick)
    first = place - SHORT.last_tick + 1
    add_plugin(engine.models, "prophet", f"START, MINUTE, FIRST, CUT = {START}, {MINUTE}, {first}, {place + 1}\n{text}")  # type: ignore[operator]
    result = certify(own)
    assert result.first is not None
    assert (result.first.phase, result.first.part, result.first.column) == (phase, "engine/models/prophet.py", "prophet")


def test_a_feed_that_leaks_the_next_close_is_named(tmp_path: Path, add_plugin: object) -> None:
    own = replace(record_market(tmp_path / "market"), feed="leaking")
    add_plugin(engine.feeds, "leaking", FEED)  # type: ignore[operator]
    result = certify(own)
    assert result.first is not None
    assert (result.first.phase, result.first.part, result.first.column) == ("feed", "engine/feeds/leaking.py", None)
    assert result.first.tick == result.ticks[0]


def test_a_run_that_is_not_reproducible_is_no_look_ahead(tmp_path: Path) -> None:
    """The runner gives another result for the second copy, and again for the first when it is decided once more."""
    own = record_market(tmp_path / "market")
    calls: list[int] = []

    def drift(jobs: Sequence[tuple[Settings, str, int]]) -> Iterator[Trace]:
        trace = next(here(jobs))
        other = replace(trace, ticks=(*trace.ticks[:-1], replace(trace.ticks[-1], steps=("moved", *trace.ticks[-1].steps[1:]))))
        calls.append(len(jobs))
        return iter([other, other] if len(calls) == 2 else [trace, other, trace, trace])

    result = certify_recording(own, 1, clock=StoppedClock(), report_progress=lambda done, total: None, run_traces=drift, schedule=SHORT)
    assert calls == [4, 2]
    assert result.first is not None
    assert (result.first.future, result.first.phase, result.first.part) == ("none", "feed", "engine/feeds/recorded.py")
    assert "differs where the same recording is decided twice" in describe_certificate(result)


def test_a_copy_that_failed_a_single_time_accuses_nobody(tmp_path: Path) -> None:
    """The copy with another future lacks a fit, and has it when it is decided once more."""
    own = record_market(tmp_path / "market")
    calls: list[list[str]] = []

    def fail(jobs: Sequence[tuple[Settings, str, int]]) -> Iterator[Trace]:
        trace = next(here(jobs[:1]))
        other = replace(trace, ticks=(*trace.ticks[:-1], replace(trace.ticks[-1], fits=())))
        calls.append([Path(path).parent.name for _, path, _ in jobs])
        return iter([trace, trace] if len(calls) == 2 else [trace, trace, other, trace])

    result = certify_recording(own, 1, clock=StoppedClock(), report_progress=lambda done, total: None, run_traces=fail, schedule=SHORT)
    assert calls[1] == [RECORDED, FUTURES[1]]
    assert result.first is not None
    assert (result.first.future, result.first.phase) == ("none", "training")


def test_a_model_without_a_fit_from_every_training_is_not_called_fitted(tmp_path: Path) -> None:
    own = record_market(tmp_path / "market")

    def unfit(jobs: Sequence[tuple[Settings, str, int]]) -> Iterator[Trace]:
        trace = next(here(jobs[:1]))
        trace = replace(trace, ticks=tuple(replace(tick, fits=(("other", "d"),)) if tick.tick == SHORT.last_tick else tick for tick in trace.ticks))
        return iter([trace] * 4)

    result = certify_recording(own, 1, clock=StoppedClock(), report_progress=lambda done, total: None, run_traces=unfit, schedule=SHORT)
    assert (result.first, result.fitted) == (None, frozenset())


@pytest.mark.parametrize(("error", "raised"), [("MemoryError()", True), ("OSError('no space')", True), ("ValueError('no')", False)])
def test_a_training_that_the_machine_fails_gives_the_run_up(tmp_path: Path, add_plugin: object, error: str, raised: bool) -> None:
    """Every other training fails, so that the next adoption would overwrite the error."""
    own = replace(record_market(tmp_path / "market"), models=("ridge", "prophet"), trading=replace(KNOBS, min_history=40, first_training=60))
    own = replace(own, trading=replace(own.trading, retrain_every=16))
    add_plugin(engine.models, "prophet", FAILING.replace("ERROR", error))  # type: ignore[operator]
    at = START + 100 * MINUTE
    if raised:
        with pytest.raises(ValueError, match=r"a training of the check failed: (MemoryError|OSError)"):
            trace_run(own, str(tmp_path / "market"), at)
    else:
        assert {model for tick in trace_run(own, str(tmp_path / "market"), at).ticks for model, _ in tick.fits} == {"ridge", "prophet"}


def test_a_training_that_cannot_be_submitted_gives_the_run_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a training have no folder to be written to."""
    own = record_market(tmp_path / "market")
    taken = tmp_path / "home"
    taken.write_text("a file", encoding="utf-8")
    monkeypatch.setattr(tempfile, "tempdir", str(taken))
    own = replace(own, home=str(taken), trading=replace(own.trading, first_training=60, retrain_every=16))
    with pytest.raises(ValueError, match=r"a training of the check failed: [A-Za-z]*Error"):
        trace_run(own, str(tmp_path / "market"), START + 62 * MINUTE)


def test_copies_share_the_past_and_differ_after_it(tmp_path: Path) -> None:
    """Bars, trades and books alike, read back as snapshots."""
    source, count = tmp_path / "market", 40
    record_market(source, count)
    for kind, header, suffix in (("trades", TRADE, ".csv"), ("books", BOOK, ".parquet")):
        rows = [
            (START + row * MINUTE // 2 + 7, 100 + row % 5, 2.5, ("buy", "sell")[row % 2])
            if kind == "trades"
            else (START + row * MINUTE // 2 + 9, 99 + row % 5, 3.5, 101 + row % 5, 4.5)
            for row in range(2 * count)
        ]
        write(source, "AAA", kind, header, rows, suffix)
    whole = list(RecordedFeed(source).slices(None))
    at = whole[24].at
    targets = {name: tmp_path / name / "market" for name in (RECORDED, *FUTURES)}
    write_copies(source, (), Cut(START, at, whole[-1].at), targets, seed=1)
    played = {name: list(RecordedFeed(target).slices(None)) for name, target in targets.items()}
    assert [bar.digest() for bar in played[RECORDED]] == [bar.digest() for bar in whole]
    for name in FUTURES:
        assert [bar.digest() for bar in played[name][:25]] == [bar.digest() for bar in whole[:25]], name
        assert all(bar.digest() != own.digest() for bar, own in zip(played[name][25:], whole[25:], strict=False) if bar.at != whole[32].at), name
    assert len(played["missing"]) == 25


def test_a_short_recording_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the recording has 70 bars: certify needs at least 77, so record more or shorten the interval"):
        certify(record_market(tmp_path / "market", 70))


def test_each_run_has_a_process_of_its_own() -> None:
    """Also beyond the number that run at once: a process that is used again would remember the future of the run before."""
    processes = list(call_in_fresh_processes(os.getpid, [(), (), ()]))
    assert len({*processes, os.getpid()}) == 4


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "'nowhere' is not a folder: give the folder of a recording"),
        (["market", "--ticks", "0"], "'0' is not a whole number from 1 to 1000"),
        (["market"], "the recording has 70 bars: certify needs at least 361"),
    ],
)
def test_what_cannot_be_certified_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    record_market(tmp_path / "market", 70)
    assert main(["certify", *arguments]) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert line in err
    assert err.count("\n") == 1


def test_the_newest_certificate_is_stored(tmp_path: Path) -> None:
    assert read_certificate(tmp_path) is None
    first = {"tick": 7, "at": 1, "future": "random", "phase": "features", "part": "engine/features/x.py", "column": "x.y"}
    row = {"recording": "recorded: a", "ticks": [7], "futures": list(FUTURES), "decisions": 6, "changed": 2, "first": first, "seconds": 1.0}
    save_certificate(tmp_path / "backtests", row, 99)
    save_certificate(tmp_path / "backtests", row | {"decisions": 8}, 100)
    stored = read_certificate(tmp_path / "backtests")
    assert stored is not None
    assert (stored.decisions, stored.changed, stored.part, stored.certified_at) == (8, 2, "engine/features/x.py", 100)
    (tmp_path / "backtests" / "certificate.json").write_text("{")
    assert read_certificate(tmp_path / "backtests") is None
