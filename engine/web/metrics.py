"""The answer of /metrics, read from the store at most once per second, whichever process holds the engine."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from engine.domain.ports import Clock
from engine.health import judge_health
from engine.report.savings import MetricSaving
from engine.service.health_inputs import read_health_inputs
from engine.store.errors import StoreError
from engine.store.read.metrics import MetricsSnapshot, read_metrics
from engine.store.read.reader import Reader
from engine.store.read.savings import read_savings
from engine.web import families

CACHE_SECONDS = 1.0
BUSY_MS = 1000  # as /healthz: wait for a locked store
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class StoreCollector(Collector):
    """Reads the store on a scrape, at most once per second.

    A store that cannot be read is an answer, not an error: podium_store_readable and podium_up are 0 and nothing else is reported, so that a server
    that is down (no answer: Prometheus' own `up`), an engine that is down and a store that is gone are three different alerts.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._url, self._clock = url, clock
        self._reader = Reader(url, busy_ms=BUSY_MS)
        self._registry = CollectorRegistry(auto_describe=False)  # separate from what else is measured in this process
        self._registry.register(self)
        self._lock = Lock()
        self._cached: tuple[float, bytes] | None = None
        self._saved: tuple[float, tuple[MetricSaving, ...]] | None = None  # trials that had ended, and what they saved

    def text(self) -> bytes:
        """The metrics in Prometheus' text format 0.0.4."""
        with self._lock:
            now = self._clock.tick()
            if self._cached is None or not 0.0 <= now - self._cached[0] < CACHE_SECONDS:
                self._cached = (now, generate_latest(self._registry))
            return self._cached[1]

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance: the families depend on the store."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Every family; only the first two where the store cannot be read."""
        now = self._clock.now()
        try:
            vitals = read_health_inputs(self._url, now)
            current = read_metrics(self._reader, now)
            saved = self._savings(current)
        except StoreError:
            yield families.collect_store_readable(False)
            yield families.build_gauge("podium_up", families.UP_HELP, 0.0)
            return
        yield families.collect_store_readable(True)
        every = (*families.collect_engine_health(vitals, judge_health(vitals)), *families.collect_figures(current), *families.collect_savings(saved))
        yield from (family for family in every if family.samples)

    def _savings(self, snapshot: MetricsSnapshot) -> tuple[MetricSaving, ...]:
        """Recompute only after the end of a trial: the query reads the newest 5,000."""
        ended = sum(value for kind, _, _, value in snapshot.counters if kind == "trials")
        if self._saved is None or self._saved[0] != ended:
            self._saved = (ended, read_savings(self._reader).savings)
        return self._saved[1]
