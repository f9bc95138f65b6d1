"""The outbox: order, bound, a store that refuses for a while, and losses that are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from logging import WARNING, LogRecord
from logging.handlers import BufferingHandler
from threading import Event

import pytest

from engine.service.logging import LOG
from engine.service.outbox import Outbox
from engine.store.errors import StoreError


class Store:
    """Accepts writes, unless it is closed; may be held up in a write."""

    def __init__(self) -> None:
        self.closed = False
        self.batches: list[list[str]] = []
        self.entered, self.release = Event(), Event()
        self.release.set()

    @property
    def written(self) -> list[str]:
        return [item for batch in self.batches for item in batch]

    def write(self, items: Sequence[str]) -> None:
        self.entered.set()
        assert self.release.wait(300)
        if self.closed:
            raise StoreError("the store is locked")
        self.batches.append(list(items))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """The warnings of the log, as they are written."""
    lines: list[str] = []

    class GarbageCollector(BufferingHandler):
        def emit(self, record: LogRecord) -> None:
            lines.append(record.getMessage())

    handler = GarbageCollector(1_000)
    handler.setLevel(WARNING)
    LOG.addHandler(handler)
    yield lines
    LOG.removeHandler(handler)


def test_what_the_store_refuses_is_written_later_in_order_and_once(store: Store) -> None:
    outbox = Outbox("letters", store.write, capacity=10)
    store.closed = True
    assert not outbox.submit("a")
    assert not outbox.submit("b")
    outbox.put("c")
    with pytest.raises(StoreError):
        outbox.flush()
    assert (store.written, len(outbox)) == ([], 3)
    store.closed = False
    assert outbox.submit("d")
    outbox.flush()
    assert (store.written, len(outbox)) == (["a", "b", "c", "d"], 0)


@pytest.mark.parametrize(("batch", "batches"), [(None, [["a", "b", "c"]]), (1, [["a"], ["b"], ["c"]]), (2, [["a", "b"], ["c"]])])
def test_items_are_written_so_many_at_a_time(store: Store, batch: int | None, batches: list[list[str]]) -> None:
    outbox = Outbox("letters", store.write, capacity=10, batch=batch)
    for item in "abc":
        outbox.put(item)
    outbox.flush()
    assert store.batches == batches


def test_nothing_is_written_where_nothing_waits(store: Store) -> None:
    Outbox("letters", store.write, capacity=10).flush()
    assert store.batches == []


def test_the_oldest_is_lost_when_it_is_full_and_the_log_says_how_many(store: Store, warnings: list[str]) -> None:
    outbox = Outbox("letters", store.write, capacity=3)
    store.closed = True
    for item in "abcdefg":
        outbox.put(item)
    with pytest.raises(StoreError):
        outbox.flush()
    assert len(outbox) == 3
    assert warnings == ["letters are lost from here on, the oldest first: 3 wait for the store already"]
    store.closed = False
    outbox.flush()
    assert store.written == ["e", "f", "g"]
    assert warnings[1:] == ["letters: 4 were lost while the store refused them"]


def test_an_item_that_waits_already_keeps_its_place(store: Store) -> None:
    outbox = Outbox("letters", store.write, capacity=10)
    for item in ("a", "b", "a"):
        outbox.put(item)
    outbox.flush()
    assert store.written == ["a", "b"]


@pytest.mark.parametrize("refused", [False, True])
def test_a_put_does_not_wait_for_a_write_and_is_not_lost(store: Store, refused: bool) -> None:
    outbox = Outbox("letters", store.write, capacity=10)
    outbox.put("a")
    store.release.clear()
    store.closed = refused
    with ThreadPoolExecutor(1) as pool:
        flushed = pool.submit(outbox.flush)
        assert store.entered.wait(300)
        outbox.put("b")
        outbox.put("a")  # it has changed since: it is to be written again, unless the write in hand is refused
        store.release.set()
        assert isinstance(flushed.exception(), StoreError) is refused
    store.closed = False
    outbox.flush()
    assert store.written == (["a", "b"] if refused else ["a", "b", "a"])


def test_what_an_unforeseen_error_cut_short_still_waits() -> None:
    written: list[str] = []

    def write(items: Sequence[str]) -> None:
        if not written:
            written.append("")
            raise ZeroDivisionError
        written.extend(items)

    outbox = Outbox("letters", write, capacity=10)
    outbox.put("a")
    with pytest.raises(ZeroDivisionError):
        outbox.flush()
    outbox.flush()
    assert written == ["", "a"]
