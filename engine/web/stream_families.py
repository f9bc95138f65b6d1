"""The metric families of a live market's streams, by symbol and stream: no more than the rows that the store's reader gives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from engine.store.read.metrics import StreamSample

LABELS = ("symbol", "stream")
_COUNTERS = (
    ("messages", "Messages of a stream."),
    ("reconnects", "Times that a stream was connected again."),
    ("gaps", "Lost sequence numbers, checksums that differ and trades that a count of ids leaves out."),
    ("late_trades", "Trades received after their bar was decided on."),
    ("revised_candles", "Candles that differ from the bar that was decided on."),
    ("filled_bars", "Missing bars that the exchange gave later."),
)


def collect_streams(streams: Sequence[StreamSample]) -> Iterator[Metric]:
    """The state, the rate, the latency and the counts of every stream since the engine started."""
    keys = [((each.symbol, each.stream), each) for each in streams]
    yield _gauge(
        "podium_stream_up", "Whether a stream of a live market is connected and not silent.", [(*key, each.state == "ok") for key, each in keys]
    )
    yield _gauge(
        "podium_stream_last_message_timestamp_seconds", "When the last message of a stream was received, in seconds since 1970.",
        [(*key, None if each.last_at is None else each.last_at / 1e9) for key, each in keys],
    )  # fmt: skip
    yield _gauge(
        "podium_stream_messages_per_second", "Messages a second over the last minute.", [(*key, each.messages_per_second) for key, each in keys]
    )
    latencies = [
        (*key, name, None if ms is None else ms / 1e3)
        for key, each in keys
        for name, ms in (("50", each.latency_p50_ms), ("99", each.latency_p99_ms))
    ]
    about = "Time from the exchange to this machine over the last messages, less the clock offset, by percentile."
    yield _gauge("podium_stream_latency_seconds", about, latencies, (*LABELS, "percentile"))
    for name, meaning in _COUNTERS:
        family = CounterMetricFamily(f"podium_stream_{name}", f"{meaning[:-1]}, since the engine started.", labels=LABELS)
        for key, each in keys:
            family.add_metric(key, float(getattr(each, name)))
        yield family


def _gauge(name: str, about: str, samples: Sequence[tuple[object, ...]], labels: tuple[str, ...] = LABELS) -> Metric:
    family = GaugeMetricFamily(name, about, labels=labels)
    for *values, value in samples:
        if isinstance(value, int | float) and math.isfinite(value):
            family.add_metric([str(label) for label in values], float(value))
    return family
