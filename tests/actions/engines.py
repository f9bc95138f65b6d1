"""A real engine on a store of its own, to run actions on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.service.bootstrap import build_service
from engine.service.caches import ClearableCache
from engine.service.clock import WallClock
from engine.service.feeds import open_configured_feed
from engine.service.lease import Lease
from engine.service.scheduler import JobScheduler
from engine.service.service import EngineService
from engine.settings import Settings


@contextmanager
def desk(home: Path, *, clock: WallClock | None = None, caches: tuple[ClearableCache, ...] = (), **changes: Any) -> Iterator[EngineService]:
    """An engine on a store of its own, with jobs that are never started: it ticks when it is told to."""
    plain: dict[str, Any] = {"sim_symbols": 4, "models": ("ridge", "random_fourier_features", "online", "kmeans_prototypes"), "threads": 0, "seed": 7}
    settings = Settings(home=str(home), database_url=f"sqlite:///{home}/podium.db", **{**plain, **changes})
    home.mkdir(parents=True, exist_ok=True)
    clock, lease = clock or WallClock(), Lease(settings.database_url)
    assert lease.acquire(clock.now(), clock.tick())
    made = build_service(settings, open_configured_feed(settings), clock, lease.holder_id, caches=caches)
    made.schedule_jobs(JobScheduler(clock))
    try:
        yield made
    finally:
        made.close()
        lease.release()
        lease.close()
