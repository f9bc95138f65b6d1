"""The outbox: writes that wait for the store, in order and bounded, repeated until the store accepts them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from engine.service.logging import LOG
from engine.store.errors import StoreError

T = TypeVar("T")


class Outbox(Generic[T]):
    """Items in the order in which they are to be written. Safe from any thread.

    An item leaves the outbox only when it has been written, or when a newer one needs its place; that loss is logged with its number.
    """

    def __init__(self, name: str, write: Callable[[Sequence[T]], object], *, capacity: int, batch: int | None = None) -> None:
        """`write` stores items or raises StoreError, having stored none of them; it gets all that wait, at most `batch` per call.

        `name` is what the items are, for the log.
        """
        self._name, self._write, self._capacity, self._batch = name, write, capacity, batch
        self._items: deque[T] = deque()
        self._dropped = 0  # since the last write that the store accepted
        self._lock = Lock()  # of the items; never held during a write
        self._writing = Lock()

    def __len__(self) -> int:
        """Items that wait, without those that are being written."""
        return len(self._items)

    def put(self, item: T) -> None:
        """Append an item without writing; an item that already waits keeps its place. Does not block."""
        with self._lock:
            if not any(waiting is item for waiting in self._items):
                self._items.append(item)
                self._drop_excess()

    def submit(self, item: T) -> bool:
        """Append an item and write all that wait; False where the store refuses, so that the next `flush` writes it."""
        self.put(item)
        try:
            self.flush()
        except StoreError as error:
            LOG.warning("%s are written later: %s", self._name, error)
            return False
        return True

    def flush(self) -> None:
        """Write all that wait, the oldest first. Raises StoreError at the first refusal; what was refused waits in its old place."""
        with self._writing:
            while batch := self._take():
                written = False
                try:
                    self._write(batch)
                    written = True
                finally:
                    if not written:
                        self._put_back(batch)
                self._report_dropped()

    def _take(self) -> list[T]:
        with self._lock:
            count = len(self._items) if self._batch is None else min(self._batch, len(self._items))
            return [self._items.popleft() for _ in range(count)]

    def _put_back(self, batch: Sequence[T]) -> None:
        with self._lock:
            newer = [item for item in self._items if not any(item is old for old in batch)]
            self._items = deque([*batch, *newer])
            self._drop_excess()

    def _drop_excess(self) -> None:
        while len(self._items) > self._capacity:
            self._items.popleft()
            self._dropped += 1
            if self._dropped == 1:
                LOG.warning("%s are lost from here on, the oldest first: %s wait for the store already", self._name, self._capacity)

    def _report_dropped(self) -> None:
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            LOG.warning("%s: %s were lost while the store refused them", self._name, dropped)
