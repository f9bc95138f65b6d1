"""A store of a million decisions in a minute: some ticks by the real Writer, then copies of their rows with other ticks and times.

Run: python -m tests.store.million FOLDER [--decisions 1000000] [--symbols 50]
"""

from __future__ import annotations

import argparse
import sqlite3
from contextlib import closing
from pathlib import Path

from engine.store import database
from tests.store import made

BLOCK = 40  # ticks that are made by hand and then copied
BAR, PACE = made.MINUTE, 2 * made.SECOND  # ns between two ticks, on the market's clock and on this machine's
OTHERS = 50_000  # trials, commands and alerts at most, as retention leaves them
SHIFTED = {"tick": "{0}", "at": "{0} * {1}", "wall": "{0} * {2}", "edge_bps": "{0} * 0.001"}  # added per column: ticks, bar, pace


def fill_store(folder: Path, *, decisions: int, symbols: int) -> str:
    """Fill a store in an empty folder with so many decisions, and as many of the rest as belongs to them; gives its address."""
    url = made.filled(folder, min(BLOCK, max(2, decisions // symbols)), made.names(symbols), evolves=False)
    ticks = -(-decisions // symbols)
    with closing(sqlite3.connect(database.path_from_url(url), isolation_level=None)) as store:
        store.execute("PRAGMA journal_mode = OFF")
        store.execute("PRAGMA synchronous = OFF")
        store.execute("PRAGMA cache_size = -262144")
        store.execute("BEGIN")
        for table in ("ticks", "decisions", "fills"):
            copy_ticks(store, table, ticks)
        share = min(OTHERS, decisions // 20)
        for table in ("trials", "commands", "alerts", "artifacts"):
            copy_rows(store, table, share if table != "artifacts" else min(2_000, share))
        store.execute("COMMIT")
        store.execute("PRAGMA journal_mode = WAL")
    return url


def copy_ticks(store: sqlite3.Connection, table: str, ticks: int) -> None:
    """Repeat the rows of the first ticks until there are so many ticks, each block later than the one before."""
    columns = _columns(store, table)
    (block,) = store.execute("SELECT max(tick) + 1 FROM ticks WHERE tick < ?", (BLOCK,)).fetchone()
    for start in range(block, ticks, block):
        values = [
            f'"{name}" + {SHIFTED[name].format(start, BAR, PACE)}' if name in SHIFTED else "NULL" if name == "id" else f'"{name}"' for name in columns
        ]
        last = min(block, ticks - start)
        store.execute(f"INSERT INTO {table} ({_listed(columns)}) SELECT {', '.join(values)} FROM {table} WHERE tick < {last} ORDER BY tick")


def copy_rows(store: sqlite3.Connection, table: str, wanted: int) -> None:
    """Repeat the rows of a table that counts its rows until there are so many; what must differ gets the number of its copy."""
    columns = _columns(store, table)
    (count,) = store.execute(f"SELECT count(*) FROM {table}").fetchone()
    for copy in range(1, -(-wanted // count) if count else 0):
        values = [
            "NULL" if name == "id" else f"at + {copy * PACE}" if name == "at" else "'resolved'" if (table, name) == ("alerts", "state")
            else f"version || '.{copy}'" if name == "version" else f'"{name}"' for name in columns
        ]  # fmt: skip
        store.execute(f"INSERT INTO {table} ({_listed(columns)}) SELECT {', '.join(values)} FROM {table} WHERE id <= {count} ORDER BY id")


def _columns(store: sqlite3.Connection, table: str) -> list[str]:
    return [name for _, name, *_ in store.execute(f"PRAGMA table_info({table})")]


def _listed(columns: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.store.million", description="Fill a store with a million decisions.")
    parser.add_argument("folder", type=Path, help="an empty folder, for the store podium.db")
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--symbols", type=int, default=50)
    options = parser.parse_args()
    print(fill_store(options.folder, decisions=options.decisions, symbols=options.symbols))


if __name__ == "__main__":
    main()
