"""Opens a store; creates it or migrates it first."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from engine.domain.texts import find_control_character, shorten
from engine.files import private_files
from engine.store import views
from engine.store.errors import StoreError, is_full, translate_errors

if TYPE_CHECKING:
    from alembic.config import Config

SCHEMA_VERSION = "0014"  # the newest migration
_MIGRATIONS = Path(__file__).parent / "migrations"
EXAMPLE_URL = "sqlite:////var/lib/podium/podium.db"
_LOCK_SECONDS = 60.0
_PRAGMAS = ("foreign_keys = ON", "synchronous = NORMAL", "cache_size = -32768", "temp_store = MEMORY", "journal_size_limit = 33554432")


def path_from_url(url: str) -> Path:
    """The file of a store; raises StoreError for an invalid address."""
    scheme, separator, rest = url.partition("://")
    backend = scheme.partition("+")[0]
    if not separator or re.fullmatch(r"[a-z][a-z0-9_]*", backend) is None:
        raise StoreError(f"{shorten(url)} is not the address of a store: give one such as {EXAMPLE_URL}")
    if backend != "sqlite":
        raise StoreError(f"a store on {backend[:40]} is not there yet: give an address that begins with sqlite:///")
    if not rest.startswith("/") or rest in {"/", "/:memory:"}:
        raise StoreError(f"{shorten(url)} names no file: give an address such as {EXAMPLE_URL}")
    if "?" in rest:
        raise StoreError(f"{shorten(url)} has a question mark: write it as %3F if it is part of the file's name, and give no options")
    try:
        text = unquote(rest[1:], errors="strict")
    except UnicodeDecodeError:
        text = "\0"
    if find_control_character(text) is not None:
        raise StoreError(f"{shorten(url)} is not the address of a store: the name of its file is no plain text")
    return Path(text)


def url_from_path(path: Path) -> str:
    """The address of the store in a file, whatever the file's name; `path_from_url` inverts it."""
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def connect(url: str, *, read_only: bool = False, busy_ms: int = 5000) -> Engine:
    """An Engine whose transactions read one snapshot when read-only, and else hold the write lock from their start."""
    path = path_from_url(url)
    address = f"file:{quote(str(path.absolute()))}?mode={'ro' if read_only else 'rw'}"

    def opened() -> sqlite3.Connection:
        connection = sqlite3.connect(
            address + (choose_immutable_option(path) if read_only else ""),
            uri=True,
            timeout=busy_ms / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:  # such as a file that is not a database
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=opened, poolclass=NullPool)
    start = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.execute(connection.get_execution_options().get("start", start))  # runs at every tick: SQLAlchemy would take longer than SQLite

    return engine


def choose_immutable_option(path: Path) -> str:
    """An addition to the address for a store whose log is empty, on a disk without room for the index that readers need."""
    try:
        is_folded = path.with_name(f"{path.name}-wal").stat().st_size == 0
    except OSError:
        is_folded = True
    return "&immutable=1" if is_folded and is_full(path) else ""


def prepare(url: str) -> None:
    """Create the folder, the file and its tables, or migrate an older store. Several processes may call this at once."""
    path = path_from_url(url)
    try:
        private_files.make_private_folder(path.parent)
    except OSError as error:
        raise StoreError(f"the folder {path.parent} cannot be made: {error.strerror or error}") from error
    with translate_errors(str(path)):
        if _is_ready(path):
            return
        with _exclusive(path):
            if not _is_ready(path):
                _set_up(url, path)


def _is_ready(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with closing(sqlite3.connect(path, timeout=_LOCK_SECONDS)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return False
        if "alembic_version" not in tables:
            raise StoreError(f"{path} is an SQLite file but not a Podium store: give another address")
        (revision,) = connection.execute("SELECT (SELECT version_num FROM alembic_version)").fetchone()
        if revision is not None and revision > SCHEMA_VERSION:
            raise StoreError(f"the store {path} was written by a newer Podium (schema {revision}, this one knows {SCHEMA_VERSION}): update Podium")
        if revision != SCHEMA_VERSION:
            return False
        (digest,) = connection.execute("SELECT (SELECT value FROM meta WHERE key = 'views')").fetchone()
        return bool(digest == views.digest_views("sqlite"))


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Admit one process at a time, by an SQLite lock on a file beside the store, which ends with its process."""
    private_files.make_private_file(path.with_name(f"{path.name}.setup"))
    with closing(sqlite3.connect(f"{path}.setup", timeout=_LOCK_SECONDS, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield


def _set_up(url: str, path: Path) -> None:
    private_files.make_private_file(path)  # SQLite gives its log the same file mode
    with closing(sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # works only before the first table
        connection.execute("PRAGMA journal_mode = WAL")
    engine = connect(url, busy_ms=int(_LOCK_SECONDS * 1000))
    with engine.begin() as connection:
        migrate(connection)
        views.recreate_views(connection)
        connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES ('views', ?)", (views.digest_views("sqlite"),))
        connection.exec_driver_sql("INSERT OR IGNORE INTO meta VALUES ('version', '0')")
    engine.dispose()


def migrate(connection: Connection) -> None:
    """Migrate the tables to SCHEMA_VERSION, inside the caller's transaction."""
    from alembic import command  # noqa: PLC0415 - takes 0.3 s to load and is needed only on the first start

    config = build_configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def build_configuration() -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
