"""The files of feature families and models: which there are, by content, and which of them an engine uses."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import orjson

from engine.domain.model import FeatureFamily
from engine.plugins import discover_plugins
from engine.service import training
from engine.settings import Settings

FEATURES, MODELS = "engine.features", "engine.models"
CONSTANTS = {FEATURES: "FAMILY", MODELS: "MODEL"}


@dataclass(frozen=True, slots=True)
class PluginFile:
    """A file with a feature family or a model."""

    part: str  # as certificates name it, such as engine/features/book.py
    digest: str  # of its content
    package: str  # FEATURES or MODELS
    name: str  # of the family or the model


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The names of what an engine must not use, because its file looks ahead."""

    families: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """The package and the name of each, sorted."""
        families, models = (sorted(f"{package}.{name}" for name in names) for package, names in ((FEATURES, self.families), (MODELS, self.models)))
        return (*families, *models)


NO_QUARANTINE = Quarantine()
_FIRST_READ: WeakKeyDictionary[ModuleType, str] = WeakKeyDictionary()  # digests by imported module


def quarantine_files(files: Sequence[PluginFile]) -> Quarantine:
    """The quarantine of these files."""
    families, models = (frozenset(file.name for file in files if file.package == package) for package in (FEATURES, MODELS))
    return Quarantine(families, models)


def list_plugin_files(*, reread: bool = False) -> tuple[PluginFile, ...]:
    """Every file of a feature family or a model, as this process first read it, or with `reread` as it is on the disk now.

    An engine that starts again in the same process runs the code that was imported then. Raises what discovery raises.
    """
    return tuple(_describe_file(package, plugin, reread) for package, constant in CONSTANTS.items() for plugin in discover_plugins(package, constant))


def _describe_file(package: str, plugin: Any, reread: bool) -> PluginFile:
    name = (plugin.build if package == FEATURES else plugin.fit).__module__
    module = sys.modules.get(name) or importlib.import_module(name)
    digest = _digest_module(module) if reread else _FIRST_READ.setdefault(module, _digest_module(module))
    return PluginFile(f"{name.replace('.', '/')}.py", digest, package, plugin.name)


def _digest_module(module: ModuleType) -> str:
    path = getattr(module, "__file__", None)
    try:
        content = Path(path).read_bytes() if path else b""
    except OSError:  # removed since it was read
        content = b""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def digest_files(files: Sequence[PluginFile]) -> str:
    """The digest of the contents of all files."""
    return hashlib.blake2b("".join(f"{file.part}{file.digest}" for file in files).encode(), digest_size=16).hexdigest()


def select_families(excluded: Collection[str] = ()) -> tuple[FeatureFamily, ...]:
    """The feature families but for those with an excluded name."""
    return tuple(family for family in discover_plugins(FEATURES, CONSTANTS[FEATURES]) if family.name not in excluded)


def select_session_families(identity: str) -> tuple[FeatureFamily, ...]:
    """The feature families whose columns a stored session has, by its identity."""
    columns = set(orjson.loads(identity).get("columns", ()))
    return tuple(family for family in select_families() if all(f"{family.name}.{column}" in columns for column in family.columns))


def exclude_models(settings: Settings, excluded: Collection[str]) -> Settings:
    """The settings without these models. Raises ValueError where none is left."""
    if not excluded:
        return settings
    names = tuple(model.name for model in training.select_models(settings.models) if model.name not in excluded)
    if not names:
        raise ValueError(f"every model of the settings looks ahead ({', '.join(sorted(excluded))}): correct its file, or name another one in models")
    return replace(settings, models=names)
