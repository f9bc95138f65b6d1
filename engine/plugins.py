"""Discovery of plug-ins: each module of a package offers one constant."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from engine.libraries import LibraryError, explain_import_error


def discover_plugins(package: ModuleType | str, constant: str) -> tuple[Any, ...]:
    """Return the constant of every module of the package, in order of the modules' names; a module without it raises AttributeError.

    Raises LibraryError where a module needs a library that is missing or cannot be loaded.
    """
    parent = importlib.import_module(package) if isinstance(package, str) else package
    names = sorted(module.name for module in pkgutil.iter_modules(parent.__path__) if not module.name.startswith("_"))
    return tuple(getattr(_load(f"{parent.__name__}.{name}"), constant) for name in names)


def _load(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        line = explain_import_error(error)
        if line is None:
            raise
        raise LibraryError(line) from error
