"""What the pages read of alerts, drills and recoveries."""

from __future__ import annotations

import pandas as pd

from engine.domain.alerting import Drill
from engine.store.read import alerts
from engine.store.read.alerts import AlertOverview
from pages.ui import cache


def fetch_alerts(*, past: int) -> AlertOverview:
    return alerts.read_alerts(cache.get_reader(), cache.current_time(), past=past)


def fetch_last_drill() -> Drill | None:
    return alerts.read_last_drill(cache.get_reader())


def fetch_recoveries(*, limit: int) -> pd.DataFrame:
    return alerts.read_recoveries(cache.get_reader(), limit=limit)
