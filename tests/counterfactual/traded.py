"""A store with trades, a pause and a flattening: a real engine on a simulated market with a strong signal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.domain.trading_config import Command
from engine.service.resume import resume_engine
from engine.store import database
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.makers import KNOBS, Inline, StoppedClock, settings, simulated

TRAINED, END = 200, 640
LAST = END - 1
PAUSED, RESUMED, FLATTENED, RELEASED = 560, 580, 600, 612  # ticks, the first of each
MODELS = ("online", "ridge")
TRADING = replace(KNOBS, first_training=TRAINED, retrain_every=10_000, skill_alpha=0.5)
COMMANDS = {PAUSED: "pause", RESUMED: "resume", FLATTENED: "flatten", RELEASED: "resume"}


def fill_store(folder: Path) -> str:
    """Play three symbols into a store; returns its address."""
    url = f"sqlite:///{folder / 'podium.db'}"
    database.prepare(url)
    writer, history = Writer(url), TickHistory(url)
    set_up = settings(database_url=url, trading=TRADING, models=MODELS)
    engine, _ = resume_engine(set_up, simulated(END, symbols=3, signal=0.5), StoppedClock(), writer, history, training_pool=Inline())
    while engine.step() is not None:
        if engine.tick in COMMANDS:
            engine.handle_command(Command(engine.tick, COMMANDS[engine.tick], (), "ann", "to see"))
    for opened in (history, writer):
        opened.close()
    return url
