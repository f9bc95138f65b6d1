"""Reads the names that a tree defines: duplicates, and words that name nothing in particular."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from tests.architecture import Module

BANNED = frozenset({"told", "came", "said", "asked", "found", "one", "ones", "heard", "kept", "gone"})
PLUGIN_CLASSES = {"Fitted": ("engine.models",)}  # every plug-in of these packages defines a name of its own protocol
PLUGIN_FUNCTIONS = {"fit": ("engine.models",), "load": ("engine.models",), "predict": ("engine.models",), "build": ("engine.features",)}
MOST_MODULES = 2  # that may define a public function of one name


def find_duplicates(modules: Iterable[Module]) -> list[str]:
    """Class names that are defined twice, and names of public functions that are defined in more than two modules, one line each."""
    classes, functions = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not _is_under(module, PLUGIN_CLASSES.get(node.name, ())):
                classes[node.name].append(module.name)
            elif isinstance(node, ast.FunctionDef) and not (node.name.startswith("_") or _is_under(module, PLUGIN_FUNCTIONS.get(node.name, ()))):
                functions[node.name].append(module.name)
    return [
        *(f"class {name} is defined in {', '.join(places)}" for name, places in sorted(classes.items()) if len(places) > 1),
        *(f"function {name} is defined in {', '.join(places)}" for name, places in sorted(functions.items()) if len(places) > MOST_MODULES),
    ]


def find_banned(modules: Iterable[Module], packages: tuple[str, ...]) -> list[str]:
    """Definitions of banned identifiers in these packages, one line each."""
    return [
        f"{module.name} line {line} defines {name}: name it after what it holds"
        for module in modules
        if _is_under(module, packages)
        for name, line in _definitions(module.tree)
        if name.strip("_") in BANNED
    ]


def _definitions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node.lineno


def _is_under(module: Module, packages: tuple[str, ...]) -> bool:
    return any(module.name == package or module.name.startswith(f"{package}.") for package in packages)
