"""A session that begins because of a quarantine: what people switched stays switched, and a kind in quarantine begins a new one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.service.engine import Engine
from engine.service.plugin_files import NO_QUARANTINE, Quarantine
from engine.service.resume import resume_engine
from engine.settings import Settings
from engine.store import database
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.makers import StoppedClock, command, play, settings, simulated

BOOK = Quarantine(frozenset({"book"}))


@contextmanager
def started(own: Settings, quarantine: Quarantine = NO_QUARANTINE) -> Iterator[tuple[Engine, int]]:
    """An engine on the store, and its session."""
    writer, history = Writer(own.database_url), TickHistory(own.database_url)
    try:
        yield resume_engine(own, simulated(30, symbols=2), StoppedClock(), writer, history, training_pool=None, quarantine=quarantine)
    finally:
        history.close()
        writer.close()


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    made = replace(settings(), home=str(tmp_path), database_url=f"sqlite:///{tmp_path / 'podium.db'}", models=("ridge", "online"))
    database.prepare(made.database_url)
    return made


@pytest.mark.parametrize("name", ["pause", "flatten"])
def test_a_quarantine_lifts_neither_a_pause_nor_a_flattening_nor_a_parameter(own: Settings, name: str) -> None:
    with started(own) as (engine, _):
        play(engine, 2)
        engine.handle_command(command(name))
        engine.handle_command(command("configure", parameter="max_gross", value="0.25"))
        before = engine.config
    for _ in range(2):  # the second time after an end before the first tick
        with started(own, BOOK) as (engine, session):
            assert session == 2
            assert (engine.config.paused, engine.config.flatten) == (before.paused, before.flatten)
            assert engine.config.max_gross == 0.25
    with started(own, BOOK) as (engine, session):
        (tick,) = play(engine, 1)
        assert (tick.inputs.config.paused, tick.inputs.config.flatten) == (before.paused, before.flatten)
        engine.handle_command(command("resume"))
    with started(own, BOOK) as (engine, session):  # the session's own switches hold from here on
        assert (session, engine.config.paused, engine.config.flatten, engine.config.max_gross) == (2, False, False, 0.25)


def test_a_drawdown_stop_goes_on_as_a_pause(own: Settings) -> None:
    with started(own) as (engine, _):
        play(engine, 2)
        engine.account = replace(engine.account, peak_equity=2.0 * engine.account.equity)
        play(engine, 1)
    with started(own, BOOK) as (engine, session):
        assert (session, engine.config.paused, engine.account.peak_equity) == (2, True, own.capital)


def test_what_a_person_changed_begins_without_the_switches(own: Settings) -> None:
    with started(own) as (engine, _):
        play(engine, 2)
        engine.handle_command(command("pause"))
    with started(replace(own, models=("ridge",))) as (engine, session):
        assert (session, engine.config.paused) == (2, False)


def test_a_kind_in_quarantine_begins_a_new_session_even_where_no_place_has_its_name(own: Settings) -> None:
    """A recipe may have put it at a place of another name."""
    with started(own) as (engine, first):
        play(engine, 1)
    with started(own, Quarantine(models=frozenset({"kmeans_prototypes"}))) as (engine, second):
        assert engine.fitted_models == (None, None)
    with started(own, Quarantine(models=frozenset({"kmeans_prototypes"}))) as (engine, third):
        assert (first, second, third) == (1, 2, 2)
