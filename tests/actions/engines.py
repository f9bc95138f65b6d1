"""A real engine on a store of its own, for actions to be run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.settings import Settings
from engine.shell.caches import Kept
from engine.shell.clock import WallClock
from engine.shell.desk import Desk
from engine.shell.host import open_feed
from engine.shell.jobs import Jobs
from engine.shell.lease import Lease


@contextmanager
def desk(home: Path, *, clock: WallClock | None = None, caches: tuple[Kept, ...] = (), **changes: Any) -> Iterator[Desk]:
    """An engine on a store of its own, with jobs that are never started: it ticks when it is told to."""
    plain: dict[str, Any] = {"sim_symbols": 4, "models": ("ridge", "fourier", "online", "prototypes"), "threads": 0, "seed": 7}
    settings = Settings(home=str(home), database_url=f"sqlite:///{home}/podium.db", **{**plain, **changes})
    home.mkdir(parents=True, exist_ok=True)
    clock, lease = clock or WallClock(), Lease(settings.database_url)
    assert lease.take(clock.now(), clock.tick())
    made = Desk(settings, open_feed(settings), clock, lease.holder, caches=caches)
    made.schedule(Jobs(clock))
    try:
        yield made
    finally:
        made.close()
        lease.release()
        lease.close()
