"""A trading parameter is changed while the engine runs: from the next tick on, on record, through a restart, and back again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.domain.trading_config import Command
from engine.replay import replay_tick
from engine.service import session_controls
from engine.service.engine import Engine
from engine.service.resume import resume_engine
from engine.store import database
from engine.store.inbox import Inbox
from engine.store.read.history import TickHistory
from engine.store.read.reader import Reader
from engine.store.read.setting_changes import read_setting_changes
from engine.store.write.writer import Writer
from tests.makers import KNOBS, StoppedClock, settings, simulated


class Restartable:
    """An engine over one store, which can be started again."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'podium.db'}"
        database.prepare(self.url)
        self.writer, self.history = Writer(self.url), TickHistory(self.url)

    def start(self, **trading: Any) -> Engine:
        set_up = settings(database_url=self.url, trading=replace(KNOBS, **trading), models=("ridge",))
        engine, _ = resume_engine(set_up, simulated(60, symbols=2), StoppedClock(), self.writer, self.history, training_pool=None)
        return engine

    def close(self) -> None:
        self.history.close()
        self.writer.close()


def configure(engine: Engine, name: str, value: str, number: int = 1) -> str:
    return engine.handle_command(Command(number, "configure", (("parameter", name), ("value", value)), "ann", "to see"))


def test_a_change_holds_from_the_next_tick_and_through_a_restart(tmp_path: Path) -> None:
    store = Restartable(tmp_path)
    engine = store.start()
    for _ in range(5):
        engine.step()
    assert configure(engine, "edge_margin", "2.5") == "edge_margin is 2.5 from the next tick on; it was 1"
    assert configure(engine, "cooldown_bars", "9") == "cooldown_bars is 9 from the next tick on; it was 6"
    for refused in ("2.5", "nan", "-1", "a lot"):
        with pytest.raises(ValueError, match="edge_margin"):
            configure(engine, "edge_margin", refused)
    engine.step()
    assert [store.history.tick(tick).config.edge_margin for tick in (4, 5)] == [1.0, 2.5]
    assert [event.detail for event in store.history.tick(5).events if event.kind == "command"] == [
        "parameter=edge_margin value=2.5",
        "parameter=cooldown_bars value=9",
    ]
    assert replay_tick(store.history, 5).identical
    assert configure(engine, "min_models", "1")  # and no tick before the restart
    engine = store.start()
    assert (engine.config.edge_margin, engine.config.cooldown_bars, engine.config.min_models) == (2.5, 9, 1)
    assert isinstance(engine.config.cooldown_bars, int)
    engine.step()
    assert replay_tick(store.history, 6).identical
    engine = store.start(edge_margin=3.0)  # podium.toml was edited after the command
    assert (engine.config.edge_margin, engine.config.cooldown_bars) == (3.0, 9)
    assert store.start().config.edge_margin == 1.0, "a value that was overtaken does not return with the old setting"
    engine = store.start(edge_margin=3.0)
    assert configure(engine, "edge_margin", "1").endswith("it was 3")
    store.close()


def test_the_history_names_the_value_before_each_change(tmp_path: Path) -> None:
    store = Restartable(tmp_path)
    engine, inbox, reader = store.start(), Inbox(store.url, "holder"), Reader(store.url)
    engine.step()
    session = store.history.latest_session()
    assert session is not None
    for name, value in (("edge_margin", "2"), ("kelly", "0.1"), ("edge_margin", "4"), ("edge_margin", "1")):
        number = inbox.submit("configure", {"parameter": name, "value": value}, "<b>ann", "to see", 5)
        message = configure(engine, name, value, number)
        result = session_controls.build_command_result(message, session.id, 5)
        with database.connect(store.url).begin() as connection:
            connection.exec_driver_sql("UPDATE commands SET status = 'done', result = ? WHERE id = ?", (json.dumps(result), number))
    inbox.submit("configure", {"parameter": "kelly", "value": "0.2"}, "ann", "", 6)
    changes = read_setting_changes(reader)
    assert [(change.parameter, change.before, change.value, change.status, change.is_newest) for change in changes] == [
        ("kelly", None, "0.2", "queued", False),
        ("edge_margin", "4", "1", "done", True),
        ("edge_margin", "2", "4", "done", False),
        ("kelly", "0.25", "0.1", "done", True),
        ("edge_margin", "1", "2", "done", False),
    ]
    with database.connect(store.url).begin() as connection:
        connection.exec_driver_sql("UPDATE commands SET result = json_set(result, '$.session', ?) WHERE id = 1", (session.id - 1,))
    earlier = [(change.parameter, change.before) for change in read_setting_changes(reader)]
    assert earlier == [("kelly", None), ("edge_margin", "4"), ("edge_margin", "1"), ("kelly", "0.25")], (
        "a change of an earlier session is none of this one"
    )
    inbox.close()
    store.close()
