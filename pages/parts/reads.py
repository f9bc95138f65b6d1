"""The pages' only way to the store: reads kept as long as the store's version stands, and commands handed to the inbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import pandas as pd
import streamlit as st

from engine.shell.clock import WallClock
from engine.store import component_queries, decision_query, event_query, machine_queries, market_query, page_queries, status_query
from engine.store.component_queries import Honesty, Latency, Life
from engine.store.decision_query import DecisionTold
from engine.store.live_ticks import Counted
from engine.store.market_query import MarketTold
from engine.store.page_queries import Bound, Wanted
from engine.store.reader import Reader
from engine.store.status_query import Status

SECOND = 1_000_000_000
JUST_NOW = 0.4  # s for which the version and the state are not asked again, outside `together`


def use(url: str) -> None:
    """The store this browser's pages read; the frame says so at every run."""
    st.session_state["store_url"] = url


def url() -> str:
    return str(st.session_state["store_url"])


def now() -> int:
    """ns UTC."""
    return WallClock().now()


def reader() -> Reader:
    return _reader(url())


def together() -> AbstractContextManager[None]:
    """What is read inside is of one moment of the store, so that no two parts of what is drawn are of two ticks."""
    return reader().snapshot()


def version() -> str:
    """Changes with everything a page might show; raises StoreUnreadable, so ask it first."""
    told: str = reader().once(status_query.version) if reader().is_held else _version(url())
    return told


def status() -> Status:
    told: Status = reader().once(status_query.status) if reader().is_held else _status(url())
    return told


def knobs(status: Status) -> dict[str, Any]:
    """The knobs the newest tick was decided with; {} before the first."""
    return {} if status.last is None else knobs_of(status.last.knobs_digest)


def knobs_of(digest: str) -> dict[str, Any]:
    """The knobs of this digest by name; {} where they are not kept."""
    told: dict[str, Any] = _kept(url(), "", "knobs", (digest,))
    return told


def latest(wanted: Wanted, *, limit: int) -> tuple[pd.DataFrame, int | None]:
    """The newest decisions that fit, and the oldest tick looked at where the search was cut short."""
    told: tuple[pd.DataFrame, int | None] = _kept(url(), version(), "latest", (wanted, limit))
    return told


def bound() -> Bound:
    told: Bound = _kept(url(), version(), "bound", ())
    return told


def session_ticks() -> Counted:
    told: Counted = _kept(url(), version(), "session_ticks", ())
    return told


def decision(tick: int, symbol: str) -> DecisionTold | None:
    told: DecisionTold | None = _kept(url(), version(), "decision", (tick, symbol))
    return told


def strip(ticks: int) -> pd.DataFrame:
    return _frame("strip", ticks)


def equity() -> pd.DataFrame:
    return _frame("equity")


def skill() -> pd.DataFrame:
    return _frame("skill")


def positions() -> pd.DataFrame:
    return _frame("positions")


def fills(*, limit: int) -> pd.DataFrame:
    return _frame("fills", limit)


def execution() -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = _kept(url(), version(), "execution", ())
    return told


def working() -> pd.DataFrame:
    return _frame("working")


def market(symbol: str) -> MarketTold | None:
    told: MarketTold | None = _kept(url(), version(), "market", (symbol,))
    return told


def outlook() -> pd.DataFrame:
    return _frame("outlook")


def marks() -> pd.DataFrame:
    return _frame("marks")


def latency() -> Latency | None:
    told: Latency | None = _kept(url(), version(), "latency", ())
    return told


def honest() -> Honesty:
    told: Honesty = _kept(url(), version(), "honest", ())
    return told


def life() -> Life:
    return component_queries.life(reader())


def incidents(*, limit: int) -> pd.DataFrame:
    return _frame("incidents", limit)


def fallbacks(*, limit: int) -> pd.DataFrame:
    return _frame("fallbacks", limit)


def fallback_counts() -> pd.DataFrame:
    return _frame("fallback_counts")


def current() -> pd.DataFrame:
    """The newest sample of every reading of the machine."""
    return machine_queries.current(reader())


def lines(wanted: Sequence[tuple[str, str]], seconds: int, points: int = machine_queries.POINTS) -> pd.DataFrame:
    """Readings of the last `seconds`, in fewer points for a small line; asked for anew when another point is due, or a part of a long one."""
    since, until = _span(seconds, points)
    told: pd.DataFrame = _kept(url(), "", "lines", (tuple(wanted), since, until, points))
    return told


def happened(seconds: int) -> pd.DataFrame:
    """What was done and what went wrong in the last `seconds`."""
    told: pd.DataFrame = _kept(url(), "", "happened", _span(seconds))
    return told


def _span(seconds: int, points: int = machine_queries.POINTS) -> tuple[int, int]:
    """From and until, ns UTC: the last `seconds`, moving in steps, of which longer spans have longer ones."""
    step = max(2, min(machine_queries.step_of(seconds, points), 300))
    until = (now() // (step * SECOND) + 1) * step * SECOND
    return until - seconds * SECOND, until


def commands(*, limit: int, name: str | None = None) -> pd.DataFrame:
    return machine_queries.commands(reader(), limit=limit, name=name)


def last_training() -> tuple[int, float | None, int, str] | None:
    return machine_queries.last_training(reader())


@cache
def _reader(address: str) -> Reader:
    return Reader(address)


@st.cache_data(ttl=JUST_NOW, max_entries=16, show_spinner=False)
def _version(address: str) -> str:
    return status_query.version(_reader(address))


@st.cache_data(ttl=JUST_NOW, max_entries=16, show_spinner=False)
def _status(address: str) -> Status:
    return status_query.status(_reader(address))


def _frame(query: str, *arguments: object) -> pd.DataFrame:
    told: pd.DataFrame = _kept(url(), version(), query, arguments)
    return told


@st.cache_data(max_entries=128, ttl=300, show_spinner=False)
def _kept(address: str, kept_for: str, query: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ARG001 a new version is a new key
    return QUERIES[query](_reader(address), *arguments)


QUERIES: dict[str, Callable[..., Any]] = {
    "latest": lambda reader, wanted, limit: page_queries.latest(reader, wanted, limit=limit),
    "bound": lambda reader: page_queries.bound(reader, now()),
    "session_ticks": page_queries.session_ticks,
    "decision": decision_query.decision,
    "strip": page_queries.strip,
    "equity": page_queries.equity,
    "skill": page_queries.skill,
    "positions": page_queries.positions,
    "fills": lambda reader, limit: page_queries.fills(reader, limit=limit),
    "execution": page_queries.execution,
    "working": page_queries.working,
    "lines": machine_queries.lines,
    "happened": machine_queries.happened,
    "knobs": page_queries.knobs,
    "market": market_query.market,
    "outlook": market_query.outlook,
    "marks": event_query.marks,
    "latency": component_queries.latency,
    "honest": lambda reader: component_queries.honest(reader, now()),
    "incidents": lambda reader, limit: component_queries.incidents(reader, limit=limit),
    "fallbacks": lambda reader, limit: component_queries.fallbacks(reader, limit=limit),
    "fallback_counts": lambda reader: component_queries.fallback_counts(reader, now()),
}
