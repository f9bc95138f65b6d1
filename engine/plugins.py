"""Finds what a package's modules offer: one file, one constant."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from engine.libraries import LibraryError, explain_import_error


def discover_plugins(package: ModuleType | str, constant: str) -> tuple[Any, ...]:
    """The constant of every module of the package, in order of the modules' names; a module without it raises AttributeError.

    Raises LibraryFailed where a module needs a library that is missing or cannot be loaded.
    """
    home = importlib.import_module(package) if isinstance(package, str) else package
    names = sorted(found.name for found in pkgutil.iter_modules(home.__path__) if not found.name.startswith("_"))
    return tuple(getattr(_load(f"{home.__name__}.{name}"), constant) for name in names)


def _load(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        line = explain_import_error(error)
        if line is None:
            raise
        raise LibraryError(line) from error
