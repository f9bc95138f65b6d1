"""What Optimizer reads of the store: what fires, actions, trials, what they came to, and the rules with where each comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from engine.store import optimizer_query, savings_query
from engine.store.optimizer_query import TrialTold
from engine.store.savings_query import SavingsTold
from pages.parts import reads

DAY = 86_400 * 1_000_000_000


def firings() -> pd.DataFrame:
    """The newest word of every rule."""
    return optimizer_query.firings(reads.reader())


def questions() -> pd.DataFrame:
    return optimizer_query.questions(reads.reader(), reads.now())


def under_way() -> pd.DataFrame:
    return optimizer_query.under_way(reads.reader())


def actions() -> pd.DataFrame:
    told: pd.DataFrame = _kept(reads.url(), "actions", ())
    return told


def trials(*, limit: int, kind: str, action: str | None) -> pd.DataFrame:
    return optimizer_query.trials(reads.reader(), limit=limit, kind=kind, action=action)


def savings() -> SavingsTold:
    told: SavingsTold = _seldom(reads.url())
    return told


def trial(number: int) -> TrialTold | None:
    told: TrialTold | None = _kept(reads.url(), "trial", (number,))
    return told


def history(metric: str, until: int) -> pd.DataFrame:
    """The metric's last day up to then."""
    return optimizer_query.history(reads.reader(), metric, until - DAY, until)


def changed_rules() -> pd.DataFrame:
    return optimizer_query.changed_rules(reads.reader())


@st.cache_data(max_entries=32, ttl=3, show_spinner=False)
def _kept(address: str, query: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ARG001 another store is another key
    return QUERIES[query](reads.reader(), *arguments)


@st.cache_data(max_entries=4, ttl=15, show_spinner=False)
def _seldom(address: str) -> SavingsTold:  # noqa: ARG001 another store is another key
    return savings_query.savings(reads.reader())


QUERIES: dict[str, Callable[..., Any]] = {
    "actions": optimizer_query.actions,
    "trial": optimizer_query.trial,
}
