"""A store that a real engine filled, with every kind of model in service at its last ticks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.service.resume import resume_engine
from engine.store import database
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.makers import KNOBS, Inline, StoppedClock, settings, simulated

TRAINED, END = 260, 420
SERVED = TRAINED + 11  # first tick with models
LAST = END - 1
MODELS = ("interactions", "kmeans_prototypes", "lightgbm", "neural", "online", "random_fourier_features", "ridge")


def fill_store(folder: Path) -> str:
    """Play a simulated market of three symbols into a store; returns its address."""
    url = f"sqlite:///{folder / 'podium.db'}"
    database.prepare(url)
    writer, history = Writer(url), TickHistory(url)
    trading = replace(KNOBS, first_training=TRAINED, retrain_every=10_000)
    set_up = settings(database_url=url, trading=trading, models=MODELS)
    engine, _ = resume_engine(set_up, simulated(END, symbols=3), StoppedClock(), writer, history, training_pool=Inline())
    while engine.step() is not None:
        pass
    history.close()
    writer.close()
    return url
