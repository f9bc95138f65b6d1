"""What the store costs: saving a tick, reading a page's worth, dropping what is old. Figures to read, nothing is asserted.

Run: python -m tests.benchmarks.bench_store
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter, thread_time

import numpy as np

from engine.store import database
from engine.store.read.history import TickHistory
from engine.store.retention import RetentionPolicy
from engine.store.write.writer import Writer
from tests.store import made

QUERIES = {
    "newest 200 decisions": "SELECT * FROM v_decisions ORDER BY tick DESC LIMIT 200",
    "newest 200 decisions of a symbol": "SELECT * FROM v_decisions WHERE symbol = :symbol ORDER BY tick DESC LIMIT 200",
    "ladder of a decision": "SELECT * FROM v_gates WHERE tick = :tick AND symbol = :symbol",
    "votes of a decision": "SELECT * FROM v_votes WHERE tick = :tick AND symbol = :symbol",
    "spans of a tick": "SELECT * FROM v_spans WHERE tick = :tick",
    "ladders of a tick": "SELECT * FROM v_gates WHERE tick = :tick",
    "binding gates of 1,000 ticks": "SELECT binding_gate, count(*) FROM decisions WHERE tick > :tick - 1000 GROUP BY binding_gate",
}


def saving(symbols: int, ticks: int, folder: Path) -> str:
    """Prints what save costs; gives the store's address."""
    url = made.empty(folder)
    writer = Writer(url)
    market = made.Market(made.names(symbols))
    made.begin(writer, market)
    spent, worked = [], []
    for _ in range(ticks):
        tick = market.tick()
        start, begun = perf_counter(), thread_time()
        writer.save(tick)
        spent.append((perf_counter() - start) * 1e3)
        worked.append((thread_time() - begun) * 1e3)
    told = np.array(spent[5:])
    start = perf_counter()
    writer.tune()
    tuned = (perf_counter() - start) * 1e3
    size = database.path_from_url(url).stat().st_size
    p50, p99 = np.percentile(told, [50, 99])
    print(f"save a tick of {symbols:>3} symbols: p50 {p50:7.2f} ms, p99 {p99:7.2f} ms over {len(told)} ticks; CPU p50 {np.median(worked):.2f} ms")
    print(f"  {size / ticks / symbols:,.0f} bytes a decision; tune {tuned:.0f} ms")
    writer.close()
    return url


def reading(url: str, symbols: int, ticks: int) -> None:
    engine = database.connect(url, read_only=True)
    with engine.connect() as connection:
        for about, query in QUERIES.items():
            values = {"tick": ticks - 10, "symbol": made.names(symbols)[-1]}
            wanted = {name: value for name, value in values.items() if f":{name}" in query}
            spent = []
            for _ in range(5):
                start = perf_counter()
                connection.exec_driver_sql(query, wanted).fetchall()
                spent.append((perf_counter() - start) * 1e3)
            print(f"  {about:<34} {min(spent):8.2f} ms")
    start = perf_counter()
    history = TickHistory(url)
    session = history.latest_session()
    assert session is not None
    history.snapshots(session.id, max(0, ticks - 400), ticks)
    history.ticks_after(ticks - 100, session.id, ticks)
    print(f"  {'what a replay reads':<34} {(perf_counter() - start) * 1e3:8.2f} ms")


def dropping(url: str) -> None:
    writer = Writer(url)
    start = perf_counter()
    done = writer.prune(made.WALL + 10**18, RetentionPolicy(days=1.0))
    spent = perf_counter() - start
    print(f"  drop {done.decisions:,} decisions: {spent * 1e3:,.0f} ms, {done.bytes_before / 1e6:.1f} -> {done.bytes_after / 1e6:.1f} MB")
    writer.close()


def main() -> None:
    for symbols, ticks in ((10, 3000), (500, 300)):
        with tempfile.TemporaryDirectory() as folder:
            url = saving(symbols, ticks, Path(folder))
            reading(url, symbols, ticks)
            dropping(url)


if __name__ == "__main__":
    main()
