"""What a page of history costs in a store of 1,000 and of 1,000,000 decisions of 50 symbols, and the ratio. Figures to read, nothing is asserted.

Run: python -m tests.benchmarks history. PODIUM_BENCH_STORE is the folder of a store that tests.store.million made, which takes minutes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

from engine.store.read import keyset
from engine.store.read.history_tables import DECISIONS, FILLS, TRIALS
from engine.store.read.keyset import HistoryQuery
from engine.store.read.reader import Reader
from pages.ui import history_export
from tests.store.million import fill_store

SYMBOL = "S007"
QUERIES = {
    "first page": HistoryQuery(),
    "a page in the middle": HistoryQuery(place=(10, "")),
    "oldest page": HistoryQuery(is_ascending=True),
    "of a symbol": HistoryQuery((("symbol", SYMBOL),)),
    "of a gate": HistoryQuery((("gate", "edge above cost"),)),
    "buys": HistoryQuery((("action", "buy"),)),
    "of a symbol and a gate": HistoryQuery((("symbol", SYMBOL), ("gate", "edge above cost"))),
    "search, 50,000 rows without a match": HistoryQuery(search="nosuch"),
    "sorted by edge, newest 50,000": HistoryQuery(sort="edge_bps"),
}
Row = dict[str, float]


def measure(task: Callable[[], object], times: int = 5) -> float:
    """The least CPU time of some runs, in ms."""
    spent = []
    for _ in range(times):
        start = process_time()
        task()
        spent.append((process_time() - start) * 1e3)
    return min(spent)


def measure_store(url: str) -> Row:
    reader = Reader(url)
    newest = int(reader.frame("SELECT max(tick) AS tick FROM ticks")["tick"].iloc[0])
    row: Row = {}
    for name, query in QUERIES.items():
        wanted = query if query.place is None else HistoryQuery(place=(newest // 2, ""))
        row[name] = measure(partial(keyset.read_history_page, reader, DECISIONS, wanted, limit=100))
    row["newest fills"] = measure(lambda: keyset.read_history_page(reader, FILLS, HistoryQuery(), limit=100))
    row["newest trials"] = measure(lambda: keyset.read_history_page(reader, TRIALS, HistoryQuery(), limit=100))
    place = HistoryQuery(place=(newest // 2, ""))
    row["count newer rows"] = measure(lambda: keyset.count_newer_rows(reader, DECISIONS, place))
    return row


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        small = measure_store(fill_store(Path(folder) / "small", decisions=1_000, symbols=50))
        ready = os.environ.get("PODIUM_BENCH_STORE")
        url = f"sqlite:///{Path(ready) / 'podium.db'}" if ready else fill_store(Path(folder) / "large", decisions=1_000_000, symbols=50)
        large = measure_store(url)
        print(f"{'ms of CPU':<40} {'1,000':>10} {'1,000,000':>10} {'ratio':>7}")
        for name, least in small.items():
            print(f"{name:<40} {least:>10.1f} {large[name]:>10.1f} {large[name] / least:>7.1f}")
        for kind in ("csv", "parquet"):
            start = perf_counter()
            data = history_export.write_file("decisions", "", kind, url)
            print(f"export of {history_export.MOST:,} rows as {kind}: {perf_counter() - start:.1f} s, {len(data) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
