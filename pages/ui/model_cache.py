"""What Models reads of the store, and Backtests of the folder it keeps them in; kept as long as what they were made of stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from engine.domain.succession import Agreement
from engine.store import backtest_files, database
from engine.store.backtest_files import StoredBacktest
from engine.store.read import models, timeline
from engine.store.read.models import CalibrationReport
from engine.store.read.status import EngineStatus
from pages.ui import cache

TICKS_PER_REFRESH = 5  # ticks


def fetch_votes() -> pd.DataFrame:
    told: pd.DataFrame = _kept(cache.store_url(), cache.store_version(), "votes", ())
    return told


def fetch_weights() -> pd.DataFrame:
    told: pd.DataFrame = _kept(cache.store_url(), _now_and_then(), "weights", ())
    return told


def fetch_model_agreement(place: int) -> pd.DataFrame:
    """Who points the same way as whom, at the horizon at this place."""
    told: pd.DataFrame = _kept(cache.store_url(), _now_and_then(), "pairs", (place,))
    return told


def fetch_versions(limit: int) -> pd.DataFrame:
    told: pd.DataFrame = _kept(cache.store_url(), cache.store_version(), "versions", (limit,))
    return told


def fetch_version_agreement(found: pd.DataFrame) -> dict[int, Agreement]:
    """How far each of these versions agreed with the ones of record when it was adopted, by the tick it was to serve from."""
    starts = tuple(sorted({int(start) for start in found["serves_from"]}))
    told: dict[int, Agreement] = _kept(cache.store_url(), _now_and_then(), "agreements", (starts,))
    return told


def fetch_inherited_share() -> float | None:
    """Share of the proven size that the serving versions may use now; None where none is proven."""
    told: float | None = _kept(cache.store_url(), cache.store_version(), "inherited", ())
    return told


def fetch_declined_trades() -> pd.DataFrame:
    told: pd.DataFrame = _kept(cache.store_url(), cache.store_version(), "regret", ())
    return told


def fetch_calibration() -> CalibrationReport | None:
    """As of the newest checkpoint, which comes every 100 ticks; None before the first."""
    tick = models.find_newest_checkpoint(cache.get_reader())
    told: CalibrationReport | None = None if tick is None else _kept(cache.store_url(), "", "calibration", (tick,))
    return told


def backtest_folder(status: EngineStatus) -> Path:
    """Where the engine keeps its backtests: it says so in the store, else they lie beside it."""
    told = status.meta.get("backtests")
    return Path(told) if told else backtest_files.backtest_folder(database.path_from_url(cache.store_url()).parent)


def fetch_backtests(folder: Path) -> tuple[tuple[StoredBacktest, ...], tuple[str, ...]]:
    """Every backtest that is kept, newest first; and a line for each file that cannot be read."""
    told: tuple[tuple[StoredBacktest, ...], tuple[str, ...]] = _shelf(str(folder), backtest_files.read_folder_version(folder))
    return told


def _now_and_then() -> str:
    """A key for what moves little from tick to tick."""
    last = cache.fetch_status().last
    return "" if last is None else f"every {TICKS_PER_REFRESH}: {last.tick // TICKS_PER_REFRESH}"


@st.cache_data(max_entries=2, show_spinner=False)
def _shelf(folder: str, kept_for: int) -> tuple[tuple[StoredBacktest, ...], tuple[str, ...]]:  # noqa: ARG001 another version is another key
    return backtest_files.read_backtests(Path(folder))


@st.cache_data(max_entries=24, ttl=300, show_spinner=False)
def _kept(address: str, kept_for: str, query: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ARG001 a new version is a new key
    return QUERIES[query](cache.get_reader(), *arguments)


QUERIES: dict[str, Callable[..., Any]] = {
    "votes": models.read_votes,
    "weights": models.read_weights,
    "pairs": models.read_model_agreement,
    "versions": lambda reader, limit: models.read_versions(reader, limit=limit),
    "agreements": timeline.read_agreements,
    "inherited": timeline.read_inherited_share,
    "regret": models.read_declined,
    "calibration": models.read_calibration,
}
