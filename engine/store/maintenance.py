"""How the store is kept fast and small while it runs: the batches it works in, the memory it holds, and models that nothing needs any more."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import orjson
from sqlalchemy import Connection

from engine.domain.optimization import ReclaimableSpace, UnusedArtifacts
from engine.store.connection import Store, fetch_value

MIN_TRANSACTIONS = 5  # transactions from which on a median is told
_LARGEST_LOG, _LARGEST_CACHE = 100_000, 2**30


@dataclass(frozen=True, slots=True)
class ObsoleteModels:
    """Models and knobs that no kept tick was decided with."""

    artifacts: tuple[tuple[int, int], ...]  # id, bytes
    knobs: tuple[tuple[str, int], ...]  # digest, bytes
    tick: int  # the newest when it was looked

    @property
    def summary(self) -> UnusedArtifacts:
        return UnusedArtifacts(len(self.artifacts), len(self.knobs), sum(size for _, size in (*self.artifacts, *self.knobs)))


def measure_commit_ms(store: Store) -> float:
    """What a transaction takes just now, the median of the newest; NaN with fewer than ENOUGH."""
    took = list(store.transaction_seconds)
    return median(took) * 1e3 if len(took) >= MIN_TRANSACTIONS else float("nan")


def read_batch_sizes(store: Store) -> tuple[int, int]:
    """Pages of the log after which it is folded in, and bytes of pages that the connection keeps."""
    pages = int(store.pragma("PRAGMA wal_autocheckpoint")[0][0])
    cache = int(store.pragma("PRAGMA cache_size")[0][0])
    each = int(store.pragma("PRAGMA page_size")[0][0])
    return pages, -cache * 1024 if cache < 0 else cache * each


def set_batch_sizes(store: Store, log_pages: int, cache_bytes: int) -> None:
    """Raises ValueError for what the store is not to be given."""
    if not (1 <= log_pages <= _LARGEST_LOG and 2**20 <= cache_bytes <= _LARGEST_CACHE):
        raise ValueError(f"a log of {log_pages:,} pages and {cache_bytes:,} bytes of cache are outside what the store may be given")
    store.pragma(f"PRAGMA wal_autocheckpoint = {log_pages}")
    store.pragma(f"PRAGMA cache_size = {-(cache_bytes // 1024)}")


def measure_page_cache(store: Store) -> tuple[int, int]:
    """Pages that the connection may keep in memory, as far as the store has so many, and their bytes: at most these are kept."""
    pages, each = (int(store.pragma(f"PRAGMA {name}")[0][0]) for name in ("page_count", "page_size"))
    most = min(pages, read_batch_sizes(store)[1] // each)
    return most, most * each


def release_page_cache(store: Store) -> None:
    """Frees the pages that the connection keeps in memory and does not use just now."""
    store.pragma("PRAGMA shrink_memory")


def measure_slack(store: Store) -> ReclaimableSpace:
    """The log as it lies beside the store, and the pages that are free."""
    log = store.path.with_name(store.path.name + "-wal")
    free, each = (int(store.pragma(f"PRAGMA {name}")[0][0]) for name in ("freelist_count", "page_size"))
    return ReclaimableSpace(log.stat().st_size if log.exists() else 0, free * each)


def find_obsolete(store: Store, versions: int) -> ObsoleteModels:
    """Versions of models that served no kept tick, older than the newest so many of their model; and knobs of no kept tick."""
    with store.read_separately() as connection:
        last = fetch_value(connection, "SELECT max(tick) FROM ticks")
        if last is None:
            return ObsoleteModels((), (), -1)
        served = _served(connection, -1)
        used = {str(row[0]) for row in connection.exec_driver_sql("SELECT DISTINCT knobs_digest FROM ticks")}
        knobs = [(str(digest), int(size)) for digest, size in connection.exec_driver_sql("SELECT digest, length(data) FROM knobs")]
        beyond = _beyond(connection, versions, int(last))
    return ObsoleteModels(
        tuple((number, size) for number, digest, size in beyond if digest not in served),
        tuple((digest, size) for digest, size in knobs if digest not in used),
        int(last),
    )


def drop_obsolete(store: Store, found: ObsoleteModels) -> UnusedArtifacts:
    """Drops it but for what has been taken up meanwhile; what went."""
    knobs: list[int] = []
    artifacts: list[int] = []
    with store.write() as connection:
        served = _served(connection, found.tick)
        for digest, size in found.knobs:
            kept = fetch_value(connection, "SELECT 1 FROM ticks WHERE tick > ? AND knobs_digest = ? LIMIT 1", (found.tick, digest))
            if kept is None and connection.exec_driver_sql("DELETE FROM knobs WHERE digest = ?", (digest,)).rowcount:
                knobs.append(size)
        for number, size in found.artifacts:
            digest = fetch_value(connection, "SELECT digest FROM artifacts WHERE id = ?", (number,))
            if digest not in served and connection.exec_driver_sql("DELETE FROM artifacts WHERE id = ?", (number,)).rowcount:
                artifacts.append(size)
    return UnusedArtifacts(len(artifacts), len(knobs), sum(knobs) + sum(artifacts))


def _served(connection: Connection, after: int) -> set[str]:
    """Digests of the models that served a tick after that one."""
    rows = connection.exec_driver_sql("SELECT DISTINCT serving FROM ticks WHERE tick > ?", (after,))
    return {name for row in rows for name in orjson.loads(row[0]) if name}


def _beyond(connection: Connection, versions: int, last: int) -> list[tuple[int, str, int]]:
    """Id, digest and bytes of the artifacts older than the newest so many of their model, and meant to serve by the newest tick."""
    found = connection.exec_driver_sql(
        "SELECT id, digest, size FROM (SELECT id, digest, length(data) AS size, serves_from, "
        "row_number() OVER (PARTITION BY model ORDER BY id DESC) AS age FROM artifacts) WHERE age > ? AND serves_from <= ?",
        (versions, last),
    )
    return [(int(number), str(digest), int(size)) for number, digest, size in found]
