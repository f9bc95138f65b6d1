"""Opens the store, and makes it or brings it up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from engine.store import views
from engine.store.errors import StoreFailed, telling

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0004"  # the newest migration
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_SECONDS = 60.0
_PRAGMAS = ("foreign_keys = ON", "synchronous = NORMAL", "cache_size = -32768", "temp_store = MEMORY", "journal_size_limit = 33554432")


def path_of(url: str) -> Path:
    """The file of a store; raises StoreFailed for an address that is not one."""
    try:
        told = make_url(url)
    except ArgumentError:
        raise StoreFailed(f"{url!r} is not the address of a store: give one such as sqlite:////var/lib/podium/podium.db") from None
    if told.get_backend_name() != "sqlite":
        raise StoreFailed(f"a store on {told.get_backend_name()} is not there yet: give an address that begins with sqlite:///")
    if not told.database or told.database == ":memory:":
        raise StoreFailed(f"{url!r} names no file: give an address such as sqlite:////var/lib/podium/podium.db")
    return Path(told.database)


def connect(url: str, *, read_only: bool = False, busy_ms: int = 5000) -> Engine:
    """An Engine whose transactions are one snapshot when read-only, and hold the write lock from their start otherwise."""
    path = path_of(url)
    address = f"file:{quote(str(path.absolute()))}?mode={'ro' if read_only else 'rw'}"

    def opened() -> sqlite3.Connection:
        connection = sqlite3.connect(address, uri=True, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False)
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:  # as of a file that is no database
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=opened, poolclass=NullPool)
    start = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.execute(connection.get_execution_options().get("start", start))  # at every tick: SQLAlchemy would take longer than SQLite

    return engine


def prepare(url: str) -> None:
    """Makes the folder, the file and its tables, or brings an older store up to date; several processes may ask at once."""
    path = path_of(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreFailed(f"the folder {path.parent} cannot be made: {error.strerror or error}") from error
    with telling(str(path)):
        if _is_ready(path):
            return
        with _alone(path):
            if not _is_ready(path):
                _set_up(url, path)


def _is_ready(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with closing(sqlite3.connect(path, timeout=_LOCK_SECONDS)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return False
        if "alembic_version" not in tables:
            raise StoreFailed(f"{path} is an SQLite file but not a Podium store: give another address")
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        if revision is not None and revision[0] > HEAD:
            raise StoreFailed(f"the store {path} was written by a newer Podium (schema {revision[0]}, this one knows {HEAD}): update Podium")
        if revision is None or revision[0] != HEAD:
            return False
        told = connection.execute("SELECT value FROM meta WHERE key = 'views'").fetchone()
        return told is not None and told[0] == views.version("sqlite")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time, by an SQLite lock on a file beside the store: it ends with the process, whatever happens to it."""
    with closing(sqlite3.connect(f"{path}.setup", timeout=_LOCK_SECONDS, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield


def _set_up(url: str, path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes only before the first table
        connection.execute("PRAGMA journal_mode = WAL")
    engine = connect(url, busy_ms=int(_LOCK_SECONDS * 1000))
    with engine.begin() as connection:
        migrate(connection)
        views.make_anew(connection)
        connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES ('views', ?)", (views.version("sqlite"),))
        connection.exec_driver_sql("INSERT OR IGNORE INTO meta VALUES ('version', '0')")
    engine.dispose()


def migrate(connection: Connection) -> None:
    """Brings the tables to HEAD inside the caller's transaction."""
    from alembic import command  # noqa: PLC0415 - takes 0.3 s to load and is needed on the first start only

    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def configuration() -> Config:
    """Alembic's settings; there is no alembic.ini."""
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
