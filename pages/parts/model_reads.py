"""What Models reads of the store, and Backtests of the folder it keeps them in; kept as long as what they were made of stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from engine.domain.succession import Agreement
from engine.store import database, event_query, model_queries, shelf
from engine.store.model_queries import Checked
from engine.store.shelf import Kept
from engine.store.status_query import Status
from pages.parts import reads

SELDOM = 5  # ticks


def votes() -> pd.DataFrame:
    told: pd.DataFrame = _kept(reads.url(), reads.version(), "votes", ())
    return told


def weights() -> pd.DataFrame:
    told: pd.DataFrame = _kept(reads.url(), _now_and_then(), "weights", ())
    return told


def pairs(place: int) -> pd.DataFrame:
    """Who points the same way as whom, at the horizon at this place."""
    told: pd.DataFrame = _kept(reads.url(), _now_and_then(), "pairs", (place,))
    return told


def versions(limit: int) -> pd.DataFrame:
    told: pd.DataFrame = _kept(reads.url(), reads.version(), "versions", (limit,))
    return told


def agreements(found: pd.DataFrame) -> dict[int, Agreement]:
    """How far each of these versions agreed with the ones of record when it was adopted, by the tick it was to serve from."""
    starts = tuple(sorted({int(start) for start in found["serves_from"]}))
    told: dict[int, Agreement] = _kept(reads.url(), _now_and_then(), "agreements", (starts,))
    return told


def inherited() -> float | None:
    """Share of the proven size that the serving versions may use now; None where none is proven."""
    told: float | None = _kept(reads.url(), reads.version(), "inherited", ())
    return told


def regret() -> pd.DataFrame:
    told: pd.DataFrame = _kept(reads.url(), reads.version(), "regret", ())
    return told


def calibration() -> Checked | None:
    """As of the newest checkpoint, which comes every 100 ticks; None before the first."""
    tick = model_queries.newest_checkpoint(reads.reader())
    told: Checked | None = None if tick is None else _kept(reads.url(), "", "calibration", (tick,))
    return told


def shelf_of(status: Status) -> Path:
    """Where the engine keeps its backtests: it says so in the store, else they lie beside it."""
    told = status.meta.get("backtests")
    return Path(told) if told else shelf.folder_in(database.path_of(reads.url()).parent)


def backtests(folder: Path) -> tuple[tuple[Kept, ...], tuple[str, ...]]:
    """Every backtest that is kept, newest first; and a line for each file that cannot be read."""
    told: tuple[tuple[Kept, ...], tuple[str, ...]] = _shelf(str(folder), shelf.version(folder))
    return told


def _now_and_then() -> str:
    """A key for what moves little from tick to tick."""
    last = reads.status().last
    return "" if last is None else f"every {SELDOM}: {last.tick // SELDOM}"


@st.cache_data(max_entries=2, show_spinner=False)
def _shelf(folder: str, kept_for: int) -> tuple[tuple[Kept, ...], tuple[str, ...]]:  # noqa: ARG001 another version is another key
    return shelf.read_all(Path(folder))


@st.cache_data(max_entries=24, ttl=300, show_spinner=False)
def _kept(address: str, kept_for: str, query: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ARG001 a new version is a new key
    return QUERIES[query](reads.reader(), *arguments)


QUERIES: dict[str, Callable[..., Any]] = {
    "votes": model_queries.votes,
    "weights": model_queries.weights,
    "pairs": model_queries.pairs,
    "versions": lambda reader, limit: model_queries.versions(reader, limit=limit),
    "agreements": event_query.agreements,
    "inherited": event_query.inherited,
    "regret": model_queries.regret,
    "calibration": model_queries.calibration,
}
