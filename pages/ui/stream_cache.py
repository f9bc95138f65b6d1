"""The pages' way to read the streams of a live market: few rows, read each time."""

from __future__ import annotations

import pandas as pd

from engine.store.read import streams
from engine.store.read.streams import TickDelay
from pages.ui import cache


def fetch_streams() -> pd.DataFrame:
    return streams.read_streams(cache.get_reader())


def fetch_tick_delays() -> tuple[TickDelay, ...]:
    return streams.read_tick_delays(cache.get_reader())
