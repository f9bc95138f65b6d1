"""Required libraries, and one line with the remedy where one is missing or cannot be loaded."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from _thread import get_ident
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import NoReturn

from engine.domain.texts import on_one_line

CORE_LIBRARIES = (  # every engine loads them
    "lightgbm", "numpy", "sqlalchemy", "orjson", "msgspec", "psutil", "apscheduler", "threadpoolctl", "zstandard", "pynvml",
)  # fmt: skip
DASHBOARD_LIBRARIES = ("streamlit", "pandas", "pyarrow", "uvicorn", "prometheus_client")  # the dashboard also loads them
RARELY_USED_LIBRARIES = (
    "alembic",
    "apprise",
    "argon2",
    "authlib",
    "itsdangerous",
    "jinja2",
    "optuna",
    "requests",
    "plotly",
    "sklearn",
    "standardwebhooks",
)  # must be installed, but are loaded only when used
REQUIRED_LIBRARIES = (*CORE_LIBRARIES, *DASHBOARD_LIBRARIES, *RARELY_USED_LIBRARIES)
OWN_PACKAGES = frozenset({"engine", "pages", "app"})
INSTALL_OPENMP = "install it: apt-get install libgomp1 (Debian, Ubuntu), dnf install libgomp (Fedora), brew install libomp (macOS)"
INSTALL = "pip install -r requirements.txt (make run does it)"
EXIT_USAGE = 64  # exit code, as in sysexits.h
_SHARED = re.compile(r"\b(lib[\w+-]+)\.(?:so|dylib)")


OPTIONAL_FOR_LIGHTGBM = ("sklearn", "pandas")  # LightGBM loads them where they are installed, for a second and a half, and for nothing we use


class _Hidden(MetaPathFinder):
    """Lets one thread's imports of some libraries fail as if they were not installed, unless they are loaded already."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names, self._thread = names, get_ident()

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raise ModuleNotFoundError for the hidden libraries; leave all others to the next finder."""
        del path, target
        if get_ident() == self._thread and fullname.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"{fullname} is not loaded here", name=fullname)


@contextmanager
def hide_libraries(names: tuple[str, ...]) -> Iterator[None]:
    """Hide libraries from what this thread imports inside; other threads import as ever."""
    hidden = _Hidden(names)
    sys.meta_path.insert(0, hidden)
    try:
        yield
    finally:
        sys.meta_path.remove(hidden)


class LibraryError(ValueError):
    """A required library is missing or cannot be loaded: one line with the remedy."""


def explain_import_error(error: ImportError | OSError) -> str | None:
    """Return what cannot be loaded and the remedy; None where the error concerns Podium's own modules or no library."""
    text = on_one_line(str(error))[:200]
    shared = _SHARED.search(text)
    if isinstance(error, OSError) and (error.errno is not None or shared is None):
        return None
    name = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if name in OWN_PACKAGES and shared is None:
        return None
    if shared is not None and shared[1] in {"libgomp", "libomp"}:
        return f"the system's library {shared[1]} is missing ({text}): {INSTALL_OPENMP}"
    return f"the library {name or (shared[1] if shared else 'that is required')} cannot be loaded ({text}): {INSTALL}"


def find_broken_libraries(names: Iterable[str] = REQUIRED_LIBRARIES) -> list[str]:
    """Return a line for every library that is missing or cannot be loaded; loads all others."""
    lines = []
    for name in names:
        try:
            with hide_libraries(OPTIONAL_FOR_LIGHTGBM if name == "lightgbm" else ()):
                importlib.import_module(name)
        except (ImportError, OSError) as error:
            lines.append(explain_import_error(error) or f"the library {name} cannot be loaded ({on_one_line(str(error))[:200]}): {INSTALL}")
    return lines


def require_libraries(*, dashboard: bool) -> None:
    """Raise LibraryError where a library that this process needs is missing or, for the dashboard, cannot be loaded.

    An engine without a dashboard finds a broken library when it loads its own parts, so none is loaded for this check alone.
    """
    missing = [name for name in (*CORE_LIBRARIES, *RARELY_USED_LIBRARIES) if importlib.util.find_spec(name) is None]
    if missing:
        raise LibraryError(f"the library {missing[0]} is missing: {INSTALL}")
    failures = find_broken_libraries((*CORE_LIBRARIES, *DASHBOARD_LIBRARIES)) if dashboard else []
    if failures:
        raise LibraryError(failures[0])


def exit_with_remedy(error: ImportError | OSError) -> NoReturn:
    """End the process with one line; re-raise an error that concerns no library."""
    line = explain_import_error(error)
    if line is None:
        raise error
    print(f"podium: {line}", file=sys.stderr)  # noqa: T201 the last word of a process
    raise SystemExit(EXIT_USAGE) from None
