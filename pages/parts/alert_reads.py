"""What the pages read of alerts, drills and recoveries."""

from __future__ import annotations

import pandas as pd

from engine.domain.alerting import Drill
from engine.store import alert_query
from engine.store.alert_query import AlertsTold
from pages.parts import reads


def alerts(*, past: int) -> AlertsTold:
    return alert_query.alerts(reads.reader(), reads.now(), past=past)


def last_drill() -> Drill | None:
    return alert_query.last_drill(reads.reader())


def recoveries(*, limit: int) -> pd.DataFrame:
    return alert_query.recoveries(reads.reader(), limit=limit)
