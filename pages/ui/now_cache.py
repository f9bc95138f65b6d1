"""The pages' way to read what is going on now: results are cached until the store's version changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from engine.store.read import activity, closing, command_notes, decisions, evolution, recent
from engine.store.read.activity import Activity
from engine.store.read.closing import ClosingEstimate
from engine.store.read.command_notes import CommandOutcome
from engine.store.read.reader import Reader
from engine.store.read.recent import News
from pages.ui import cache
from pages.ui.shared import build_every, build_once

T = TypeVar("T")
STEP = 10_000_000_000  # ns, for which an activity that no tick or command has changed is not read again
CONFIG_SECONDS = 300.0  # s for which a trading configuration is not read again


def read_now(query: Callable[..., T], *args: Any) -> T:
    """Read without caching: for a part that `shared.build_once` builds, a second cache would only copy what is read once."""
    return query(cache.get_reader(), *args)


def fetch_activity() -> Activity:
    """Return what is under way, which no page may change."""
    return build_once("activity", lambda: read_now(activity.read_activity, cache.current_time()), seconds=STEP / cache.SECOND)


def fetch_skill_halflife(digest: str) -> float | None:
    """Return the half-life of recent skill, in ticks, of the trading configuration with this digest; None where it is not stored."""
    config = build_every(("trading config", digest), lambda: read_now(decisions.read_trading_config, digest), seconds=CONFIG_SECONDS)
    return config.get("recent_skill_halflife")


def fetch_contests(*, limit: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the newest evolutions and the standings of their contests."""
    return read_now(evolution.read_contests, limit)


def fetch_silences() -> dict[str, int]:
    """Return the silenced rules and until when, ns UTC."""
    return _per_version(activity.read_silences, cache.current_time() // STEP * STEP)


def fetch_closing_estimate() -> ClosingEstimate:
    return closing.read_closing_estimate(cache.get_reader())


def fetch_outcome(number: int) -> CommandOutcome | None:
    return command_notes.read_outcome(cache.get_reader(), number)


def fetch_notes() -> dict[int, str]:
    return command_notes.read_notes(cache.get_reader())


def fetch_day_open() -> float | None:
    return read_now(recent.read_day_open)


def fetch_trends() -> pd.DataFrame:
    return read_now(recent.read_trends)


def fetch_equal_exposure() -> tuple[pd.DataFrame, int]:
    """Return the benchmark at the engine's exposure, and the ticks between two changes of that exposure."""
    return read_now(recent.read_equal_exposure)


def fetch_warmup_pace() -> float | None:
    return _per_version(recent.read_warmup_pace)


def fetch_news(since: int) -> News | None:
    """Return what happened since a wall time, ns UTC; a browser names the time, so nothing of it is kept here."""
    return read_now(recent.read_news, since)


def _per_version(query: Callable[..., T], *args: Any) -> T:
    result: T = _result(cache.read_key(), cache.store_version(), f"{query.__module__}.{query.__qualname__}", args, query)
    return result


@st.cache_data(max_entries=48, ttl=300, show_spinner=False)
def _result(address: str, version: str, name: str, args: tuple[Any, ...], _query: Callable[..., Any]) -> Any:  # noqa: ARG001 of the key
    reader: Reader = cache.get_reader()
    return _query(reader, *args)
