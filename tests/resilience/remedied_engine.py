"""An engine on a real store with its remedies, and a feed that fails on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.domain.market import MarketSnapshot
from engine.domain.ports import Feed, FeedInfo
from engine.domain.tick import Tick
from engine.resilience.failure_log import FailureLog
from engine.resilience.remedies import ComponentRemedies
from engine.service.feeds import FeedFailed
from engine.service.priority_lock import PriorityLock
from engine.service.resume import resume_engine
from engine.service.worker_pool import WorkerPool
from engine.store.errors import StoreError
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.makers import Inline, StoppedClock, settings
from tests.resilience.test_failure_log import Watched


@dataclass
class Flaky:
    """A feed that fails at given bars, as often as it is told, with what it is told."""

    feed: Feed
    faults: dict[int, list[Exception]]
    opened: int = 0

    def __post_init__(self) -> None:
        self.first = next(self.feed.slices(None)).at

    @property
    def info(self) -> FeedInfo:
        return self.feed.info

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        self.opened += 1
        for bar in self.feed.slices(after):
            left = self.faults.get((bar.at - self.first) // self.info.interval, [])
            if left:
                raise left.pop()
            yield bar

    def switch_signal(self, signal: float, at: int) -> None:
        self.feed.switch_signal(signal, at)


@dataclass
class Scene:
    """An engine on a real store, mended as at its service, on a clock that is moved by hand."""

    url: str
    feed: Feed
    reopened: list[Feed] = field(default_factory=list)
    changed: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = StoppedClock()
        self.writer = Writer(self.url, busy_ms=20)
        self.recovery = FailureLog(self.writer, Watched(), self.clock)
        self.workers = WorkerPool()
        configured = settings(database_url=self.url, **self.changed)
        self.engine, session = resume_engine(configured, self.feed, self.clock, self.writer, TickHistory(self.url), training_pool=Inline())
        self.mending = ComponentRemedies(
            self.recovery,
            self.engine,
            PriorityLock(),
            self.workers,
            self.writer.store,
            TickHistory(self.url),
            session,
            self.reopened.pop if self.reopened else None,
        )

    def step(self) -> Tick | None:
        if self.mending.is_backing_off:
            return None
        try:
            tick = self.engine.step()
        except StoreError as error:
            self.mending.on_store_failure(error)
            return None
        except FeedFailed as error:
            self.mending.on_feed_failure(error)
            return None
        if tick is not None:
            self.mending.on_tick(tick)
        return tick

    def play(self, seconds: int) -> list[Tick]:
        """A try a second."""
        made = []
        for _ in range(seconds):
            self.clock.seconds += 1.0
            tick = self.step()
            made += [tick] if tick is not None else []
        return made

    def faults(self) -> list[tuple[str, str | None, bool]]:
        self.recovery.flush()
        with self.writer.store.read() as connection:
            return [
                (str(row[0]), row[1], row[2] is not None)
                for row in connection.exec_driver_sql("SELECT component, how, recovered_at FROM recoveries ORDER BY id")
            ]
