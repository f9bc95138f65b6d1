"""An engine on a real store that is mended as at its desk, and a feed that fails where it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.domain.market import Slice
from engine.domain.ports import Feed, FeedInfo
from engine.domain.tick import Tick
from engine.shell.feeding import FeedFailed
from engine.shell.mending import Mending
from engine.shell.recovery import Recovery
from engine.shell.resume import resume
from engine.shell.turns import Turns
from engine.shell.workers import Workers
from engine.store.errors import StoreFailed
from engine.store.history import History
from engine.store.writer import Writer
from tests.makers import Inline, StoppedClock, settings
from tests.shell.test_recovery import Watched


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

    def slices(self, after: int | None) -> Iterator[Slice]:
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
    """An engine on a real store, mended as at its desk, on a clock that is moved by hand."""

    url: str
    feed: Feed
    reopened: list[Feed] = field(default_factory=list)
    changed: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = StoppedClock()
        self.writer = Writer(self.url, busy_ms=20)
        self.recovery = Recovery(self.writer, Watched(), self.clock)
        self.workers = Workers()
        told = settings(database_url=self.url, **self.changed)
        self.engine, session = resume(told, self.feed, self.clock, self.writer, History(self.url), trainers=Inline())
        self.mending = Mending(
            self.recovery,
            self.engine,
            Turns(),
            self.workers,
            self.writer.store,
            History(self.url),
            session,
            self.reopened.pop if self.reopened else None,
        )

    def step(self) -> Tick | None:
        if self.mending.rests:
            return None
        try:
            tick = self.engine.step()
        except StoreFailed as error:
            self.mending.store_failed(error)
            return None
        except FeedFailed as error:
            self.mending.feed_failed(error)
            return None
        if tick is not None:
            self.mending.decided(tick)
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
        self.recovery.settle()
        with self.writer.store.read() as connection:
            return [
                (str(row[0]), row[1], row[2] is not None)
                for row in connection.exec_driver_sql("SELECT component, how, recovered_at FROM recoveries ORDER BY id")
            ]
