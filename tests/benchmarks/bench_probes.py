"""What it costs to read the machine: all sources together, each by itself, and as a share of a core at one read a second."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

from engine.probes.engine import EngineProbe
from engine.probes.gpu import load_nvml
from engine.probes.probes import Probe, Probes, default_probes
from engine.service.clock import WallClock

READS = 300
EVERY = 1.0  # s between two reads in the engine
BUDGET_MS = 1.0  # a read of all sources, without a graphics card


def median_ms(read: Callable[[], object]) -> float:
    spent: list[float] = []
    for _ in range(READS):
        begun = perf_counter()
        read()
        spent.append((perf_counter() - begun) * 1e3)
    return statistics.median(spent)


def busy_work(store: Path) -> EngineProbe:
    """Work that has seen as many ticks as it keeps."""
    work, clock = EngineProbe(store), WallClock()
    for tick in range(500):
        work.record_tick(4.0 + tick / 100, 10, 0, clock.now(), save_ms=1.0)
    return work


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home, clock = Path(folder), WallClock()
        store = home / "podium.db"
        store.write_bytes(b"x")
        every = default_probes(home, busy_work(store), nvml=load_nvml())
        probes = Probes(home, clock, busy_work(store))
        began = process_time()
        together = median_ms(probes.read)
        core = (process_time() - began) / READS / EVERY
        print(f"probes: {len(probes.read())} readings in {together:.2f} ms (p50 of {READS}; budget {BUDGET_MS} ms)")
        print(f"  {core:.3%} of a core at one read in {EVERY:.0f} s, not stored (bench monitor: with the store, beside Glances)")
        for source in every:
            print(f"  {source.source:<10} {median_ms(_reader(source, clock)):.3f} ms  {source.note()}")


def _reader(source: Probe, clock: WallClock) -> Callable[[], object]:
    return lambda: source.read(clock.now(), clock.tick())


if __name__ == "__main__":
    main()
