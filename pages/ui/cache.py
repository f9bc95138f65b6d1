"""The pages' only way to read the store: every query goes through here, and its result is cached for as long as it holds.

A result is cached until the store's version changes, for a few ticks, or for some seconds; the rest is read each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import pandas as pd
import streamlit as st

from engine.domain.alerting import Drill
from engine.domain.evidence import Agreement
from engine.report.savings import SavingsSummary
from engine.service.clock import WallClock
from engine.store import backtest_files, database
from engine.store.backtest_files import StoredBacktest
from engine.store.read import alerts, components, decision, decisions, evolution, market, models, optimizer, portfolio, resources, savings, timeline
from engine.store.read import status as status_reader
from engine.store.read.alerts import AlertOverview
from engine.store.read.components import CleanRate, LatencyStats, Liveness
from engine.store.read.decision import DecisionDetails
from engine.store.read.decisions import DecisionFilter
from engine.store.read.evolution import ArmForecastAtTick, EvolutionView
from engine.store.read.market import MarketHistory
from engine.store.read.models import CalibrationReport
from engine.store.read.optimizer import TrialDetails
from engine.store.read.past import PastTick, parse_past
from engine.store.read.reader import Reader
from engine.store.read.status import EngineStatus

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
FRESH_SECONDS = 0.4  # s for which version and status are not read again outside a snapshot
TICKS_PER_REFRESH = 5  # for what changes little from tick to tick

_outside: ContextVar[str] = ContextVar("_outside", default="")
P = ParamSpec("P")
T = TypeVar("T")


def use_store(url: str, past: PastTick | None = None) -> None:
    """Set the store that this browser session reads, and the tick it is read as of; the frame does so at every run."""
    st.session_state["store_url"], st.session_state["store_past"] = url, past


@contextmanager
def reading_outside(url: str) -> Iterator[None]:
    """Read this store, as it is now, where there is no browser session."""
    token = _outside.set(url)
    try:
        yield
    finally:
        _outside.reset(token)


def store_url() -> str:
    return _outside.get() or str(st.session_state["store_url"])


def past_tick() -> PastTick | None:
    """Return the tick that the page is shown as of; None for now."""
    past: PastTick | None = None if _outside.get() else st.session_state.get("store_past")
    return past


def read_key() -> str:
    """Return the store's address with the past tick, if any: a part of the key of everything that is read."""
    past = past_tick()
    return store_url() if past is None else f"{store_url()}\n{past.to_text()}"


def current_time() -> int:
    """Return the wall clock, ns UTC; while travelling, the time at which the past tick was decided."""
    past = past_tick()
    return WallClock().now() if past is None else past.wall


def get_reader() -> Reader:
    return open_reader(read_key())


def open_present() -> Reader:
    """Return the reader of the store as it is now, also while travelling."""
    return open_reader(store_url())


def read_snapshot() -> AbstractContextManager[None]:
    """Read everything inside from one snapshot of the store, so that no two parts of a page show different ticks."""
    return get_reader().snapshot()


def store_version() -> str:
    """Return a string that changes with everything a page may show; raises StoreUnreadable."""
    version: str = get_reader().once(status_reader.read_version) if get_reader().in_snapshot else _version(read_key())
    return version


def fetch_status() -> EngineStatus:
    status: EngineStatus = get_reader().once(status_reader.read_status) if get_reader().in_snapshot else _status(read_key())
    return status


def fetch_config(status: EngineStatus) -> dict[str, Any]:
    """Return the trading configuration of the newest tick by name; {} before the first."""
    return {} if status.last is None else fetch_config_of(status.last.config_digest)


def fetch_config_of(digest: str) -> dict[str, Any]:
    """Return the trading configuration of this digest by name; {} where it is not stored."""
    return _until("", decisions.read_trading_config, digest)


def fetch_decisions(wanted: DecisionFilter, *, limit: int) -> tuple[pd.DataFrame, int | None]:
    """Return the newest decisions that fit, and the oldest tick searched where the search was cut short."""
    return _per_version(decisions.read_latest_decisions, wanted, limit=limit)


def fetch_decision(tick: int, symbol: str) -> DecisionDetails | None:
    return _per_version(decision.read_decision, tick, symbol)


def fetch_equity(ticks: int | None = None) -> pd.DataFrame:
    return _per_version(portfolio.read_equity) if ticks is None else _per_version(portfolio.read_equity, ticks=ticks)


def fetch_positions() -> pd.DataFrame:
    return _per_version(portfolio.read_positions)


def fetch_execution() -> list[dict[str, Any]]:
    return _per_version(portfolio.read_execution)


def fetch_working_orders() -> pd.DataFrame:
    return _per_version(portfolio.read_working_orders)


def fetch_market(symbol: str) -> MarketHistory | None:
    return _per_version(market.read_market, symbol)


def fetch_liquidity_forecasts() -> pd.DataFrame:
    return _per_version(market.read_liquidity_forecast)


# Models and backtests


def fetch_skill() -> pd.DataFrame:
    return _per_version(decisions.read_skill)


def fetch_votes() -> pd.DataFrame:
    return _per_version(models.read_votes)


def fetch_weights() -> pd.DataFrame:
    return _until(_tick_group(), models.read_weights)


def fetch_model_agreement(place: int) -> pd.DataFrame:
    """Return how often two models point the same way, at the horizon at this place."""
    return _until(_tick_group(), models.read_model_agreement, place)


def fetch_versions(limit: int) -> pd.DataFrame:
    return _per_version(models.read_versions, limit=limit)


def fetch_version_agreement(versions: pd.DataFrame) -> dict[int, Agreement]:
    """Return the agreement of these versions with the versions of record at their adoption, by the tick they serve from."""
    starts = tuple(sorted({int(start) for start in versions["serves_from"]}))
    return _until(_tick_group(), timeline.read_agreements, starts)


def fetch_inherited_share() -> float | None:
    """Return the share of the proven size that the serving versions may use; None where no skill is proven."""
    return _per_version(timeline.read_inherited_share)


def fetch_evolution(*, limit: int) -> EvolutionView:
    return _per_version(evolution.read_evolution_view, limit=limit)


def fetch_contest(number: int) -> pd.DataFrame:
    return _per_version(evolution.read_contest, number)


def fetch_arm_forecasts(tick: int, symbol: str) -> tuple[ArmForecastAtTick, ...]:
    return _per_version(evolution.read_arm_forecasts, tick, symbol)


def fetch_declined_trades() -> pd.DataFrame:
    return _per_version(models.read_declined)


def fetch_calibration() -> CalibrationReport | None:
    """Return the calibration as of the newest checkpoint, which comes every 100 ticks; None before the first."""
    tick = models.find_newest_checkpoint(get_reader())
    return None if tick is None else _until("", models.read_calibration, tick)


def backtest_folder(status: EngineStatus) -> Path:
    """Return the engine's folder of backtests: as stored by the engine, by default beside the store."""
    folder = status.meta.get("backtests")
    return Path(folder) if folder else backtest_files.backtest_folder(database.path_from_url(store_url()).parent)


def fetch_backtests(folder: Path) -> tuple[tuple[StoredBacktest, ...], tuple[str, ...]]:
    """Return the stored backtests, newest first, and a line for each file that cannot be read."""
    backtests: tuple[tuple[StoredBacktest, ...], tuple[str, ...]] = _backtests(str(folder), backtest_files.read_folder_version(folder))
    return backtests


def fetch_latency() -> LatencyStats | None:
    return _per_version(components.read_latency)


def fetch_clean_rate() -> CleanRate:
    return _per_version(_read_clean_rate)


def fetch_liveness() -> Liveness:
    return components.read_liveness(get_reader())


def fetch_incidents(*, limit: int) -> pd.DataFrame:
    return _per_version(components.read_incidents, limit=limit)


def fetch_fallbacks(*, limit: int) -> pd.DataFrame:
    return _per_version(components.read_fallbacks, limit=limit)


def fetch_fallback_counts() -> pd.DataFrame:
    return _per_version(_count_fallbacks)


def fetch_readings() -> pd.DataFrame:
    """Return the newest sample of every reading."""
    return resources.read_current(get_reader())


def fetch_reading_series(wanted: Sequence[tuple[str, str]], seconds: int, points: int = resources.MAX_POINTS) -> pd.DataFrame:
    """Return readings of the last `seconds` in at most so many points; read again when the next point is due."""
    since, until = _time_span(seconds, points)
    return _until("", resources.read_series, tuple(wanted), since, until, points)


def fetch_events(seconds: int) -> pd.DataFrame:
    """Return the trades, optimizations and incidents of the last `seconds`."""
    return _until("", resources.read_events, *_time_span(seconds))


def fetch_rule_states() -> pd.DataFrame:
    """Return the newest state of every rule."""
    return optimizer.read_firings(get_reader())


def fetch_pending_approvals() -> pd.DataFrame:
    return optimizer.read_questions(get_reader(), current_time())


def fetch_running_trials() -> pd.DataFrame:
    return optimizer.read_running_trials(get_reader())


def fetch_actions() -> pd.DataFrame:
    return _for_seconds(optimizer.read_actions)


def fetch_trial(number: int) -> TrialDetails | None:
    return _for_seconds(optimizer.read_trial, number)


def fetch_savings() -> SavingsSummary:
    summary: SavingsSummary = _savings(read_key())
    return summary


def fetch_metric_history(metric: str, until: int) -> pd.DataFrame:
    """Return the metric's readings of the day before `until`, ns UTC."""
    return optimizer.read_metric_history(get_reader(), metric, until - DAY, until)


def fetch_rule_overrides() -> pd.DataFrame:
    return optimizer.read_changed_rules(get_reader())


def fetch_alerts(*, past: int) -> AlertOverview:
    return alerts.read_alerts(get_reader(), current_time(), past=past)


def fetch_last_drill() -> Drill | None:
    return alerts.read_last_drill(get_reader())


def fetch_recoveries(*, limit: int) -> pd.DataFrame:
    return alerts.read_recoveries(get_reader(), limit=limit)


def fetch_commands(*, limit: int, name: str | None = None) -> pd.DataFrame:
    return resources.read_commands(get_reader(), limit=limit, name=name)


def _per_version(query: Callable[Concatenate[Reader, P], T], *args: P.args, **options: P.kwargs) -> T:
    """Cache the result until the store's version changes."""
    return _until(store_version(), query, *args, **options)


def _until(key: str, query: Callable[Concatenate[Reader, P], T], *args: P.args, **options: P.kwargs) -> T:
    """Cache the result until the key changes."""
    result: T = _result(read_key(), key, _name(query), args, options, query)
    return result


def _for_seconds(query: Callable[Concatenate[Reader, P], T], *args: P.args, **options: P.kwargs) -> T:
    """Cache the result for three seconds."""
    result: T = _brief_result(read_key(), _name(query), args, options, query)
    return result


def _name(query: Callable[..., object]) -> str:
    return f"{query.__module__}.{query.__qualname__}"


def _tick_group() -> str:
    last = fetch_status().last
    return "" if last is None else f"every {TICKS_PER_REFRESH}: {last.tick // TICKS_PER_REFRESH}"


def _time_span(seconds: int, points: int = resources.MAX_POINTS) -> tuple[int, int]:
    """Return start and end, ns UTC, of the last `seconds`; they move in steps, longer ones for longer spans."""
    step = max(2, min(resources.choose_step(seconds, points), 300))
    until = (current_time() // (step * SECOND) + 1) * step * SECOND
    return until - seconds * SECOND, until


def _read_clean_rate(reader: Reader) -> CleanRate:
    return components.read_clean_rate(reader, current_time())


def _count_fallbacks(reader: Reader) -> pd.DataFrame:
    return components.count_fallbacks(reader, current_time())


@lru_cache(maxsize=64)
def open_reader(address: str) -> Reader:
    """Return the reader of an address with or without a past tick, as `read_key` gives it."""
    url, _, past = address.partition("\n")
    return Reader(url, past=parse_past(past) if past else None)


@st.cache_data(ttl=FRESH_SECONDS, max_entries=16, show_spinner=False)
def _version(address: str) -> str:
    return status_reader.read_version(open_reader(address))


@st.cache_data(ttl=FRESH_SECONDS, max_entries=16, show_spinner=False)
def _status(address: str) -> EngineStatus:
    return status_reader.read_status(open_reader(address))


@st.cache_data(max_entries=152, ttl=300, show_spinner=False)
def _result(address: str, key: str, name: str, args: tuple[Any, ...], options: dict[str, Any], _query: Callable[..., Any]) -> Any:  # noqa: ARG001 of the key
    return _query(open_reader(address), *args, **options)


@st.cache_data(max_entries=32, ttl=3, show_spinner=False)
def _brief_result(address: str, name: str, args: tuple[Any, ...], options: dict[str, Any], _query: Callable[..., Any]) -> Any:  # noqa: ARG001 of the key
    return _query(open_reader(address), *args, **options)


@st.cache_data(max_entries=4, ttl=15, show_spinner=False)
def _savings(address: str) -> SavingsSummary:
    return savings.read_savings(open_reader(address))


@st.cache_data(max_entries=2, show_spinner=False)
def _backtests(folder: str, version: int) -> tuple[tuple[StoredBacktest, ...], tuple[str, ...]]:  # noqa: ARG001 of the key
    return backtest_files.read_backtests(Path(folder))
