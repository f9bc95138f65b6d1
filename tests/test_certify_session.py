"""A check of a running session: on the recording it decides on, or on the bars that it stored; it agrees with the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import engine.features
from engine.certify.stored_bars import SessionCheck, check_session, derive_seed
from engine.certify.trial import Trace, trace_run
from engine.feeds.recorded import RecordedFeed
from engine.service.plugin_files import Quarantine, digest_files, list_plugin_files
from engine.service.resume import resume_engine
from engine.settings import Settings
from engine.store import database
from engine.store.errors import NotStored
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.makers import Inline, StoppedClock, play, settings, simulated
from tests.test_certify import FAMILY, SHORT, add_plugin, certify, here, record_market

__all__ = ["add_plugin"]


HARMLESS = """
import numpy as np
from engine.domain.model import FeatureFamily

def build(view):
    return np.zeros((len(view.sigma), 1))

FAMILY = FeatureFamily("harmless", ("nothing",), build, may_be_blank=True)
"""


def run_here(quarantine: Quarantine, jobs: Sequence[tuple[Settings, str, int]]) -> Iterator[Trace]:
    return (trace_run(*job, quarantine) for job in jobs)


def decide(home: Path, ticks: int) -> Settings:
    """A store with so many ticks of the simulated market."""
    own = replace(settings(), home=str(home), database_url=f"sqlite:///{home / 'podium.db'}", models=("ridge",))
    database.prepare(own.database_url)
    writer, history = Writer(own.database_url), TickHistory(own.database_url)
    engine_of_session, _ = resume_engine(own, simulated(ticks, symbols=2), StoppedClock(), writer, history, training_pool=Inline())
    play(engine_of_session)
    history.close()
    writer.close()
    return own


def test_the_stored_bars_of_a_session_are_checked(tmp_path: Path) -> None:
    own = decide(tmp_path, SHORT.last_tick + 30)
    work = tmp_path / "work"
    work.mkdir()
    check = SessionCheck(replace(own, home=str(work)), simulated(2, symbols=2).info, 1, 0, schedule=SHORT)
    result = check_session(check, here)
    assert (result.certificate.first, result.certificate.changed) == (None, 0)
    assert result.certificate.decisions == (SHORT.last_tick + 1) * 2 * 3
    assert result.source == "bars and closing books that this session stored"


def test_too_few_stored_bars_are_one_clear_line(tmp_path: Path) -> None:
    own = decide(tmp_path, 5)
    with pytest.raises(NotStored, match="77 stored bars are needed, there are 5"):
        check_session(SessionCheck(own, simulated(2, symbols=2).info, 1, 0, schedule=SHORT), here)


def test_a_file_that_changed_since_the_engine_started_gives_the_check_up(tmp_path: Path, add_plugin: object) -> None:
    """Before the check, and while it runs."""
    own = record_market(tmp_path / "market")
    add_plugin(engine.features, "harmless", HARMLESS)  # type: ignore[operator]
    info = RecordedFeed(tmp_path / "market").info
    check = SessionCheck(replace(own, home=str(tmp_path)), info, 1, 3, schedule=SHORT, code=digest_files(list_plugin_files()))
    assert check_session(check, here).certificate.first is None
    file = next((tmp_path / "plugins").rglob("harmless.py"))

    def change(jobs: Sequence[tuple[Settings, str, int]]) -> Iterator[Trace]:
        file.write_text(HARMLESS + "# changed", encoding="utf-8")
        return here(jobs)

    for _ in range(2):
        with pytest.raises(ValueError, match="a file has changed since the engine started: restart it"):
            check_session(check, change)
    assert digest_files(list_plugin_files()) == check.code  # this process runs what it has imported
    assert digest_files(list_plugin_files(reread=True)) != check.code


def test_the_seed_of_a_check_stays_within_what_libraries_take() -> None:
    checks = [SessionCheck(settings(), simulated(2, symbols=2).info, 1, number * 1_000 + 1) for number in range(100)]
    seeds = [derive_seed(check) for check in checks]
    assert max(seeds) < 2**31
    assert len(set(seeds)) == len(seeds)


def test_a_recorded_session_names_the_file_that_the_command_line_names(tmp_path: Path, add_plugin: object) -> None:
    own = record_market(tmp_path / "market")
    add_plugin(engine.features, "ahead", FAMILY)  # type: ignore[operator]
    info = RecordedFeed(tmp_path / "market").info
    check = SessionCheck(replace(own, home=str(tmp_path)), info, 1, 3, schedule=SHORT)
    result = check_session(check, here)
    by_hand = certify(own)
    assert result.certificate.first is not None
    assert by_hand.first is not None
    assert (result.certificate.first.part, result.certificate.first.column) == (by_hand.first.part, by_hand.first.column)
    assert result.source == "the recording that is decided on"
    without = check_session(check, partial(run_here, Quarantine(frozenset({"ahead"}))))
    assert (without.certificate.first, without.certificate.changed) == (None, 0)
