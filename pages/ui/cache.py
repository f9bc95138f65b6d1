"""The pages' only way to the store: reads kept as long as the store's version stands, and commands handed to the inbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import pandas as pd
import streamlit as st

from engine.service.clock import WallClock
from engine.store.read import components, decision, decisions, market, resources, timeline
from engine.store.read import status as read_status
from engine.store.read.components import CleanRate, LatencyStats, Liveness
from engine.store.read.decision import DecisionDetails
from engine.store.read.decisions import DecisionFilter, GateCounts
from engine.store.read.live_ticks import TickCounts
from engine.store.read.market import MarketHistory
from engine.store.read.reader import Reader
from engine.store.read.status import EngineStatus

SECOND = 1_000_000_000
FRESH_SECONDS = 0.4  # s for which the version and the state are not asked again, outside `together`


def use_store(url: str) -> None:
    """The store this browser's pages read; the frame says so at every run."""
    st.session_state["store_url"] = url


def store_url() -> str:
    return str(st.session_state["store_url"])


def current_time() -> int:
    """ns UTC."""
    return WallClock().now()


def get_reader() -> Reader:
    return _reader(store_url())


def read_snapshot() -> AbstractContextManager[None]:
    """What is read inside is of one moment of the store, so that no two parts of what is drawn are of two ticks."""
    return get_reader().snapshot()


def store_version() -> str:
    """Changes with everything a page might show; raises StoreUnreadable, so ask it first."""
    told: str = get_reader().once(read_status.read_version) if get_reader().in_snapshot else _version(store_url())
    return told


def fetch_status() -> EngineStatus:
    told: EngineStatus = get_reader().once(read_status.read_status) if get_reader().in_snapshot else _status(store_url())
    return told


def fetch_config(status: EngineStatus) -> dict[str, Any]:
    """The knobs the newest tick was decided with; {} before the first."""
    return {} if status.last is None else fetch_config_of(status.last.knobs_digest)


def fetch_config_of(digest: str) -> dict[str, Any]:
    """The knobs of this digest by name; {} where they are not kept."""
    told: dict[str, Any] = _kept(store_url(), "", "knobs", (digest,))
    return told


def fetch_decisions(wanted: DecisionFilter, *, limit: int) -> tuple[pd.DataFrame, int | None]:
    """The newest decisions that fit, and the oldest tick looked at where the search was cut short."""
    told: tuple[pd.DataFrame, int | None] = _kept(store_url(), store_version(), "latest", (wanted, limit))
    return told


def fetch_binding_gates() -> GateCounts:
    told: GateCounts = _kept(store_url(), store_version(), "bound", ())
    return told


def fetch_session_ticks() -> TickCounts:
    told: TickCounts = _kept(store_url(), store_version(), "session_ticks", ())
    return told


def fetch_decision(tick: int, symbol: str) -> DecisionDetails | None:
    told: DecisionDetails | None = _kept(store_url(), store_version(), "decision", (tick, symbol))
    return told


def fetch_gate_strip(ticks: int) -> pd.DataFrame:
    return _frame("strip", ticks)


def fetch_equity() -> pd.DataFrame:
    return _frame("equity")


def fetch_skill() -> pd.DataFrame:
    return _frame("skill")


def fetch_positions() -> pd.DataFrame:
    return _frame("positions")


def fetch_fills(*, limit: int) -> pd.DataFrame:
    return _frame("fills", limit)


def fetch_execution() -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = _kept(store_url(), store_version(), "execution", ())
    return told


def fetch_working_orders() -> pd.DataFrame:
    return _frame("working")


def fetch_market(symbol: str) -> MarketHistory | None:
    told: MarketHistory | None = _kept(store_url(), store_version(), "market", (symbol,))
    return told


def fetch_liquidity_forecasts() -> pd.DataFrame:
    return _frame("outlook")


def fetch_marks() -> pd.DataFrame:
    return _frame("marks")


def fetch_latency() -> LatencyStats | None:
    told: LatencyStats | None = _kept(store_url(), store_version(), "latency", ())
    return told


def fetch_clean_rate() -> CleanRate:
    told: CleanRate = _kept(store_url(), store_version(), "honest", ())
    return told


def fetch_liveness() -> Liveness:
    return components.read_liveness(get_reader())


def fetch_incidents(*, limit: int) -> pd.DataFrame:
    return _frame("incidents", limit)


def fetch_fallbacks(*, limit: int) -> pd.DataFrame:
    return _frame("fallbacks", limit)


def fetch_fallback_counts() -> pd.DataFrame:
    return _frame("fallback_counts")


def fetch_readings() -> pd.DataFrame:
    """The newest sample of every reading of the machine."""
    return resources.read_current(get_reader())


def fetch_reading_series(wanted: Sequence[tuple[str, str]], seconds: int, points: int = resources.MAX_POINTS) -> pd.DataFrame:
    """Readings of the last `seconds`, in fewer points for a small line; asked for anew when another point is due, or a part of a long one."""
    since, until = _span(seconds, points)
    told: pd.DataFrame = _kept(store_url(), "", "lines", (tuple(wanted), since, until, points))
    return told


def fetch_events(seconds: int) -> pd.DataFrame:
    """What was done and what went wrong in the last `seconds`."""
    told: pd.DataFrame = _kept(store_url(), "", "happened", _span(seconds))
    return told


def _span(seconds: int, points: int = resources.MAX_POINTS) -> tuple[int, int]:
    """From and until, ns UTC: the last `seconds`, moving in steps, of which longer spans have longer ones."""
    step = max(2, min(resources.choose_step(seconds, points), 300))
    until = (current_time() // (step * SECOND) + 1) * step * SECOND
    return until - seconds * SECOND, until


def fetch_commands(*, limit: int, name: str | None = None) -> pd.DataFrame:
    return resources.read_commands(get_reader(), limit=limit, name=name)


def fetch_last_training() -> tuple[int, float | None, int, str] | None:
    return resources.read_last_training(get_reader())


@cache
def _reader(address: str) -> Reader:
    return Reader(address)


@st.cache_data(ttl=FRESH_SECONDS, max_entries=16, show_spinner=False)
def _version(address: str) -> str:
    return read_status.read_version(_reader(address))


@st.cache_data(ttl=FRESH_SECONDS, max_entries=16, show_spinner=False)
def _status(address: str) -> EngineStatus:
    return read_status.read_status(_reader(address))


def _frame(query: str, *arguments: object) -> pd.DataFrame:
    told: pd.DataFrame = _kept(store_url(), store_version(), query, arguments)
    return told


@st.cache_data(max_entries=128, ttl=300, show_spinner=False)
def _kept(address: str, kept_for: str, query: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ARG001 a new version is a new key
    return QUERIES[query](_reader(address), *arguments)


QUERIES: dict[str, Callable[..., Any]] = {
    "latest": lambda reader, wanted, limit: decisions.read_latest_decisions(reader, wanted, limit=limit),
    "bound": lambda reader: decisions.count_binding_gates(reader, current_time()),
    "session_ticks": decisions.read_session_ticks,
    "decision": decision.read_decision,
    "strip": decisions.read_gate_strip,
    "equity": decisions.read_equity,
    "skill": decisions.read_skill,
    "positions": decisions.read_positions,
    "fills": lambda reader, limit: decisions.read_fills(reader, limit=limit),
    "execution": decisions.read_execution,
    "working": decisions.read_working_orders,
    "lines": resources.read_series,
    "happened": resources.read_events,
    "knobs": decisions.read_trading_config,
    "market": market.read_market,
    "outlook": market.read_liquidity_forecast,
    "marks": timeline.read_timeline,
    "latency": components.read_latency,
    "honest": lambda reader: components.read_clean_rate(reader, current_time()),
    "incidents": lambda reader, limit: components.read_incidents(reader, limit=limit),
    "fallbacks": lambda reader, limit: components.read_fallbacks(reader, limit=limit),
    "fallback_counts": lambda reader: components.count_fallbacks(reader, current_time()),
}
