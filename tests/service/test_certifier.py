"""Checks in idle time: never beside a late tick, within a budget, added up; a file that looks ahead is not used any more until it changes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.certify.certificate import Certificate, LookAhead
from engine.certify.stored_bars import CheckResult, SessionCheck
from engine.replay import replay_tick
from engine.service.certifier import FIRST_SECONDS, IdleCertifier, KnownFiles, describe_look_ahead
from engine.service.plugin_files import MODELS, NO_QUARANTINE, PluginFile, digest_files, list_plugin_files
from engine.service.supervisor import Supervisor
from engine.store.errors import NotStored
from engine.store.read.certified import AHEAD, CLEAN, UNCHECKED
from engine.store.read.history import TickHistory
from tests.makers import settings, simulated
from tests.service.test_supervisor import LONG, rows, until
from tests.service.test_supervisor import settings as host_settings

FILES = (PluginFile("engine/features/book.py", "b1", "engine.features", "book"), PluginFile("engine/models/ridge.py", "r1", MODELS, "ridge"))
AHEAD_BY_BOOK = LookAhead(7, 1, "random", "features", "engine/features/book.py", "book.imbalance")


class SteppedClock:
    seconds = 1_000.0

    def now(self) -> int:
        return int(self.seconds * 1e9)

    def tick(self) -> float:
        return self.seconds


class HandPool:
    """A worker whose result a test sets."""

    def __init__(self) -> None:
        self.future: Future[CheckResult] = Future()
        self.check: SessionCheck | None = None
        self.is_closed = False

    def submit(self, work: Callable[[SessionCheck], CheckResult], check: SessionCheck, /) -> Future[CheckResult]:
        self.check = check
        return self.future

    def close(self) -> None:
        self.is_closed = True


class Bench:
    """A certifier with everything around it by hand."""

    def __init__(self, home: Path, files: tuple[PluginFile, ...] = FILES, stored: str | None = None, session: int = 1) -> None:
        self.clock, self.pools, self.facts = SteppedClock(), list[HandPool](), dict[str, str]()
        self.idle, self.late = True, False
        own = replace(settings(), home=str(home), models=("ridge",), certify_cpu_share=0.05)
        self.certifier = IdleCertifier(
            own, simulated(2, symbols=2).info, session, KnownFiles(files, stored, NO_QUARANTINE), self, self.clock,
            has_time=lambda: self.idle, is_late=lambda: self.late, make_pool=self.make_pool,
        )  # fmt: skip

    def make_pool(self) -> HandPool:
        self.pools.append(HandPool())
        return self.pools[-1]

    def remember(self, key: str, value: str) -> None:
        self.facts[key] = value

    def finish(self, first: LookAhead | None = None, cpu: float = 10.0, fitted: tuple[str, ...] = ("ridge", "mine")) -> None:
        """Let a check begin and end, with these models fitted."""
        self.clock.seconds += 10_000.0
        self.certifier.run()
        changed = 0 if first is None else 2
        certificate = Certificate("r", (7,), ("random",), 600, changed, first, 1.0, frozenset(fitted))
        self.pools[-1].future.set_result(CheckResult(certificate, "stored bars", cpu))
        self.certifier.run()

    @property
    def stored(self) -> str:
        (text,) = self.facts.values()
        return text

    def states(self) -> list[str]:
        return [file.state for file in self.certifier.certificate.files]


def test_the_start_is_left_alone_and_the_budget_is_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.certifier.run()
    assert (bench.pools, bench.states()) == ([], [UNCHECKED, UNCHECKED])
    assert UNCHECKED in bench.stored  # the page says so from the start
    bench.clock.seconds += FIRST_SECONDS
    bench.certifier.run()
    begun = bench.clock.seconds
    bench.pools[0].future.set_result(CheckResult(Certificate("r", (7,), ("random",), 600, 0, None, 1.0), "stored bars", 10.0))
    bench.certifier.run()
    assert bench.pools[0].is_closed
    bench.clock.seconds = begun + 10.0 / 0.05 - 1.0
    bench.certifier.run()
    assert len(bench.pools) == 1
    bench.clock.seconds += 1.0
    bench.certifier.run()
    assert len(bench.pools) == 2


def test_nothing_begins_without_idle_time_and_a_late_tick_ends_a_check(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.clock.seconds += 1_000.0
    bench.idle = False
    bench.certifier.run()
    assert bench.pools == []
    bench.idle = True
    bench.certifier.run()
    bench.idle = False  # a training begins: only a late tick ends a check
    bench.certifier.run()
    ended = [bench.pools[0].is_closed]
    bench.late = True
    bench.certifier.run()
    ended.append(bench.pools[0].is_closed)
    assert ended == [False, True]
    assert (bench.certifier.certificate.note, bench.certifier.certificate.checks) == ("a tick was late", 0)
    assert not any((tmp_path / "podium-temp").glob("*certify*"))


def test_checks_add_up_and_go_on_after_a_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.finish()
    bench.finish()
    certificate = bench.certifier.certificate
    assert (certificate.checks, certificate.decisions, certificate.changed) == (2, 1_200, 0)
    assert [(file.state, file.decisions) for file in certificate.files] == [(CLEAN, 1_200), (CLEAN, 1_200)]
    numbers = {pool.check.number for pool in bench.pools if pool.check is not None}
    assert len(numbers) == 2
    assert Bench(tmp_path, stored=bench.stored).certifier.certificate == certificate
    other = Bench(tmp_path, stored=bench.stored, session=2).certifier.certificate
    assert (other.decisions, [file.state for file in other.files]) == (0, [CLEAN, CLEAN])  # a file was checked, whatever the session


def test_a_file_that_looks_ahead_is_quarantined_until_it_changes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.finish(AHEAD_BY_BOOK)
    assert bench.certifier.is_restart_due
    assert bench.states() == [AHEAD, UNCHECKED]  # nothing is proven about the other
    line = "engine/features/book.py looks ahead (features, book.imbalance): it is not used until the file changes"
    assert describe_look_ahead(bench.certifier.certificate) == line
    again = Bench(tmp_path, stored=bench.stored, session=2)
    assert again.certifier.quarantine.families == {"book"}
    assert not again.certifier.is_restart_due
    again.finish()
    assert again.pools[0].check is not None
    assert again.pools[0].check.quarantine.families == {"book"}
    assert again.states() == [AHEAD, CLEAN]
    changed = Bench(tmp_path, files=(replace(FILES[0], digest="b2"), FILES[1]), stored=again.stored, session=3)
    assert (changed.states(), changed.certifier.quarantine) == ([UNCHECKED, CLEAN], NO_QUARANTINE)
    assert describe_look_ahead(changed.certifier.certificate) is None


def test_unchecked_models_are_all_tried_and_clean_ones_are_those_that_serve(tmp_path: Path) -> None:
    files = (*FILES, PluginFile("engine/models/mine.py", "m1", MODELS, "mine"))
    bench = Bench(tmp_path, files=files)
    bench.finish()
    bench.finish()
    checks = [pool.check for pool in bench.pools]
    assert [check.settings.models for check in checks if check is not None] == [("ridge", "mine"), ("ridge",)]
    assert [file.decisions for file in bench.certifier.certificate.files] == [1_200, 1_200, 600]


def test_a_model_that_no_training_fitted_stays_unchecked(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.finish(fitted=())
    assert [(file.state, file.decisions) for file in bench.certifier.certificate.files] == [(CLEAN, 600), (UNCHECKED, 0)]


def test_a_check_carries_the_files_that_the_engine_runs(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.finish()
    assert bench.pools[0].check is not None
    assert bench.pools[0].check.code == digest_files(FILES)


def test_what_cannot_be_compared_accuses_nobody(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.finish(replace(AHEAD_BY_BOOK, future="none"))
    assert (bench.states(), bench.certifier.is_restart_due) == ([UNCHECKED, UNCHECKED], False)
    assert "differs where the same bars are decided twice" in str(bench.certifier.certificate.note)
    bench.clock.seconds += 10_000.0
    bench.certifier.run()
    bench.pools[-1].future.set_exception(NotStored("361 stored bars are needed, there are 12"))
    bench.certifier.run()
    assert bench.certifier.certificate.note == "361 stored bars are needed, there are 12"


def test_a_part_that_is_no_file_of_a_plugin_is_reported_and_stays_in_use(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.finish(replace(AHEAD_BY_BOOK, part="engine/feeds/mine.py"))
    assert not bench.certifier.is_restart_due
    assert "engine/feeds/mine.py moved with the future" in str(describe_look_ahead(bench.certifier.certificate))


def test_the_engine_starts_again_without_a_file_that_looks_ahead(tmp_path: Path) -> None:
    """The result of a check is set by hand; the rest is a running engine."""
    configured: Any = host_settings(tmp_path, sim_symbols=2, symbols=(), tick_interval_seconds=0.2)
    host = Supervisor(configured)
    host.open()
    host.start()
    try:
        until(lambda: host._service is not None and host._service.ticks_decided > 2)
        service = host._service
        assert service is not None
        certificate = Certificate("r", (7,), ("random",), 600, 2, AHEAD_BY_BOOK, 1.0)
        service._parts.certifier._add(CheckResult(certificate, "stored bars", 1.0))
        until(lambda: host._service not in {None, service} and host._service.ticks_decided > 2)
        (last,) = rows(configured, "SELECT max(id) FROM sessions")
        assert last == (2,)
        ((error,),) = rows(configured, "SELECT last_error FROM components WHERE component = 'engine'")
        assert error.startswith("engine/features/book.py looks ahead (features, book.imbalance): it is not used")
        alerts = rows(configured, "SELECT message FROM alerts WHERE rule = 'engine failing'")
        assert any("looks ahead" in message for (message,) in alerts)
    finally:
        assert host.stop(LONG)
    ((first, second),) = rows(configured, "SELECT (SELECT identity FROM sessions WHERE id = 1), (SELECT identity FROM sessions WHERE id = 2)")
    assert "book." in first
    assert "book." not in second
    history = TickHistory(configured.database_url)
    last_of_first, last_of_second = (history.tick_range(session) for session in (1, 2))
    assert last_of_first is not None
    assert last_of_second is not None
    assert replay_tick(history, last_of_first[1]).identical  # with the file, as it was decided
    assert replay_tick(history, last_of_second[1]).identical  # without it
    history.close()


def test_every_plugin_has_a_file_and_a_digest_of_its_content() -> None:
    files = list_plugin_files()
    assert {"engine/features/book.py", "engine/models/ridge.py"} <= {file.part for file in files}
    assert len({file.digest for file in files}) == len(files)
    assert all(Path(file.part).is_file() for file in files)


@pytest.mark.parametrize("share", [0.0])
def test_without_a_budget_nothing_is_checked(tmp_path: Path, share: float) -> None:
    bench = Bench(tmp_path)
    bench.certifier.share = share
    bench.clock.seconds += 10_000.0
    bench.certifier.run()
    assert bench.pools == []
