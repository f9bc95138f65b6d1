"""Keeps a store fast and small while it runs: batch sizes, the page cache, compaction, and data that no stored tick needs."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import orjson
from sqlalchemy import Connection

from engine.domain.optimization import ActionResult, ReclaimableSpace, UnusedArtifacts
from engine.store.connection import Store, fetch_value, wal_path

MIN_TRANSACTIONS = 5  # below which there is no median
_MAX_LOG_PAGES, _MAX_CACHE_BYTES = 100_000, 2**30
_PAGES_PER_STEP = 64  # returned to the file system at a time
_FOLD_MS = 50  # wait for readers before the log is folded


@dataclass(frozen=True, slots=True)
class ObsoleteModels:
    """Artifacts and trading configurations that no stored tick needs, as of a tick."""

    artifacts: tuple[tuple[int, int], ...]  # id, bytes
    configs: tuple[tuple[str, int], ...]  # digest, bytes
    tick: int  # the newest at that time

    @property
    def summary(self) -> UnusedArtifacts:
        return UnusedArtifacts(len(self.artifacts), len(self.configs), sum(size for _, size in (*self.artifacts, *self.configs)))


def measure_commit_ms(store: Store) -> float:
    """The median duration of the newest transactions; NaN with fewer than MIN_TRANSACTIONS."""
    seconds = list(store.transaction_seconds)
    return median(seconds) * 1e3 if len(seconds) >= MIN_TRANSACTIONS else float("nan")


def read_batch_sizes(store: Store) -> tuple[int, int]:
    """Pages of the write-ahead log after which it is folded into the store, and bytes of the connection's page cache."""
    pages, cache, page_size = (_pragma(store, name) for name in ("wal_autocheckpoint", "cache_size", "page_size"))
    return pages, -cache * 1024 if cache < 0 else cache * page_size


def set_batch_sizes(store: Store, log_pages: int, cache_bytes: int) -> None:
    """Set both sizes; raises ValueError for sizes out of range."""
    if not (1 <= log_pages <= _MAX_LOG_PAGES and 2**20 <= cache_bytes <= _MAX_CACHE_BYTES):
        raise ValueError(f"a log of {log_pages:,} pages and {cache_bytes:,} bytes of cache are outside the store's limits")
    store.pragma(f"PRAGMA wal_autocheckpoint = {log_pages}")
    store.pragma(f"PRAGMA cache_size = {-(cache_bytes // 1024)}")


def measure_page_cache(store: Store) -> tuple[int, int]:
    """An upper bound of the connection's cached pages, and their bytes."""
    pages, page_size = (_pragma(store, name) for name in ("page_count", "page_size"))
    cached = min(pages, read_batch_sizes(store)[1] // page_size)
    return cached, cached * page_size


def release_page_cache(store: Store) -> None:
    """Free the cached pages that are not in use."""
    store.pragma("PRAGMA shrink_memory")


def measure_reclaimable(store: Store) -> ReclaimableSpace:
    """Bytes of the write-ahead log and of free pages."""
    free, page_size = (_pragma(store, name) for name in ("freelist_count", "page_size"))
    return ReclaimableSpace(_log_size(store), free * page_size)


def measure_size(store: Store) -> int:
    """Bytes of the store's file and of its write-ahead log."""
    return store.path.stat().st_size + _log_size(store)


def measure_live_bytes(store: Store) -> int:
    """Bytes in use, without free pages."""
    pages, free, page_size = (_pragma(store, name) for name in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * page_size


def compact_store(store: Store) -> ActionResult:
    """Fold the write-ahead log, renew the query planner's statistics and return free pages; the amount is the reduction in bytes."""
    log_before, before = _log_size(store), measure_size(store)
    free = _pragma(store, "freelist_count")
    fold_log(store)
    store.pragma("PRAGMA analysis_limit = 400")
    store.pragma("PRAGMA optimize = 0x10002")
    return_free_pages(store)
    is_folded = fold_log(store)
    after = measure_size(store)
    detail = (
        f"folded a log of {log_before:,} bytes into the store, gave back {free:,} free pages and renewed the planner's figures: "
        f"{before:,} bytes before, {after:,} after"
    )
    return ActionResult(float(before - after), "bytes", detail + ("" if is_folded else "; a reader kept the log from being cut"))


def return_free_pages(store: Store) -> None:
    """Return free pages to the file system, a few at a time."""
    left = _pragma(store, "freelist_count")
    while left > 0:
        store.pragma(f"PRAGMA incremental_vacuum({_PAGES_PER_STEP})")
        now = _pragma(store, "freelist_count")
        if now >= left:
            return  # the file was made without incremental vacuum
        left = now


def fold_log(store: Store) -> bool:
    """Fold the write-ahead log into the store and truncate it; False when a reader prevents it. Ticks wait meanwhile, so it gives up soon."""
    with store.exclusive():
        store.pragma(f"PRAGMA busy_timeout = {_FOLD_MS}")
        try:
            ((is_busy, _, _),) = store.pragma("PRAGMA wal_checkpoint(TRUNCATE)")
            return not is_busy
        finally:
            store.pragma(f"PRAGMA busy_timeout = {store.busy_ms}")


def find_obsolete(store: Store, versions: int) -> ObsoleteModels:
    """Artifacts and configurations without use: of no stored tick, and for artifacts also beyond the newest `versions` of their model.

    An artifact is of a tick where it served or was in shadow.
    """
    with store.read_separately() as connection:
        last = fetch_value(connection, "SELECT max(tick) FROM ticks")
        if last is None:
            return ObsoleteModels((), (), -1)
        sql = """
            SELECT id, digest, size FROM (SELECT id, digest, length(data) AS size, serves_from,
                row_number() OVER (PARTITION BY model ORDER BY id DESC) AS age FROM artifacts) WHERE age > ? AND serves_from <= ?"""
        return _without_use(connection, sql, (versions, last), int(last))


def find_unused(store: Store) -> ObsoleteModels:
    """Artifacts and configurations of no stored tick, the artifacts trained to serve before the first; see `find_obsolete`."""
    with store.read_separately() as connection:
        first, last, wall = connection.exec_driver_sql("SELECT tick, (SELECT max(tick) FROM ticks), wall FROM ticks ORDER BY tick LIMIT 1").one()
        sql = "SELECT id, digest, length(data) AS size FROM artifacts WHERE serves_from < ? AND trained_at < ?"
        return _without_use(connection, sql, (first, wall), int(last))


def drop_obsolete(store: Store, obsolete: ObsoleteModels) -> UnusedArtifacts:
    """Delete obsolete data, except what a tick has used since; return a summary of the deleted data."""
    configs: list[int] = []
    artifacts: list[int] = []
    with store.write() as connection:
        served = _served(connection, obsolete.tick)
        for digest, size in obsolete.configs:
            used = fetch_value(connection, "SELECT 1 FROM ticks WHERE tick > ? AND config_digest = ? LIMIT 1", (obsolete.tick, digest))
            if used is None and connection.exec_driver_sql("DELETE FROM trading_configs WHERE digest = ?", (digest,)).rowcount:
                configs.append(size)
        for number, size in obsolete.artifacts:
            digest = fetch_value(connection, "SELECT digest FROM artifacts WHERE id = ?", (number,))
            if digest not in served and connection.exec_driver_sql("DELETE FROM artifacts WHERE id = ?", (number,)).rowcount:
                artifacts.append(size)
    return UnusedArtifacts(len(artifacts), len(configs), sum(configs) + sum(artifacts))


def _without_use(connection: Connection, artifacts: str, values: tuple[int, ...], last: int) -> ObsoleteModels:
    served = _served(connection, -1)
    used = set(connection.exec_driver_sql("SELECT DISTINCT config_digest FROM ticks").scalars())
    candidates = connection.exec_driver_sql(artifacts, values).mappings()
    configs = connection.exec_driver_sql("SELECT digest, length(data) AS size FROM trading_configs").mappings()
    return ObsoleteModels(
        tuple((int(row["id"]), int(row["size"])) for row in candidates if row["digest"] not in served),
        tuple((str(row["digest"]), int(row["size"])) for row in configs if row["digest"] not in used),
        last,
    )


def _served(connection: Connection, after: int) -> set[str]:
    """Digests of the models that served a tick after that one or were in shadow then: a replay of that tick needs them."""
    rows = connection.exec_driver_sql("SELECT DISTINCT serving, shadows FROM ticks WHERE tick > ?", (after,)).all()
    return {digest for row in rows for text in row for digest in orjson.loads(text) if digest}


def _pragma(store: Store, name: str) -> int:
    ((value,),) = store.pragma(f"PRAGMA {name}")
    return int(value)


def _log_size(store: Store) -> int:
    log = wal_path(store.path)
    return log.stat().st_size if log.exists() else 0
