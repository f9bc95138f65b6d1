"""What Optimizer reads of the store: what fires, actions, trials, what they came to, and the rules with where each comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from engine.store.read import optimizer, savings
from engine.store.read.optimizer import TrialDetails
from engine.store.read.savings import SavingsSummary
from pages.ui import cache

DAY = 86_400 * 1_000_000_000


def fetch_rule_states() -> pd.DataFrame:
    """The newest word of every rule."""
    return optimizer.read_firings(cache.get_reader())


def fetch_pending_approvals() -> pd.DataFrame:
    return optimizer.read_questions(cache.get_reader(), cache.current_time())


def fetch_running_trials() -> pd.DataFrame:
    return optimizer.read_running_trials(cache.get_reader())


def fetch_actions() -> pd.DataFrame:
    told: pd.DataFrame = _kept(cache.store_url(), "actions", ())
    return told


def fetch_trials(*, limit: int, kind: str, action: str | None) -> pd.DataFrame:
    return optimizer.read_trials(cache.get_reader(), limit=limit, kind=kind, action=action)


def fetch_savings() -> SavingsSummary:
    told: SavingsSummary = _seldom(cache.store_url())
    return told


def fetch_trial(number: int) -> TrialDetails | None:
    told: TrialDetails | None = _kept(cache.store_url(), "trial", (number,))
    return told


def fetch_metric_history(metric: str, until: int) -> pd.DataFrame:
    """The metric's last day up to then."""
    return optimizer.read_metric_history(cache.get_reader(), metric, until - DAY, until)


def fetch_rule_overrides() -> pd.DataFrame:
    return optimizer.read_changed_rules(cache.get_reader())


@st.cache_data(max_entries=32, ttl=3, show_spinner=False)
def _kept(address: str, query: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ARG001 another store is another key
    return QUERIES[query](cache.get_reader(), *arguments)


@st.cache_data(max_entries=4, ttl=15, show_spinner=False)
def _seldom(address: str) -> SavingsSummary:  # noqa: ARG001 another store is another key
    return savings.read_savings(cache.get_reader())


QUERIES: dict[str, Callable[..., Any]] = {
    "actions": optimizer.read_actions,
    "trial": optimizer.read_trial,
}
