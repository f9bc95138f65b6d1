"""One name, one meaning, one place: what the names of engine and pages may not do, and that the check of it can fail."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
BANNED = frozenset({"told", "came", "said", "asked", "found", "one", "ones", "heard", "kept", "gone"})
# each module of these defines what its protocol asks for
PLUG_INS = {"engine.features", "engine.models", "engine.actions", "engine.store.migrations.versions"}
BY_PROTOCOL = frozenset({"build", "fit", "load", "predict", "contribute", "run", "preview", "undo", "upgrade", "downgrade"})
CLASSES_BY_PROTOCOL = frozenset({"Fitted"})  # of every model


def read_modules(root: Path) -> dict[str, ast.Module]:
    """The syntax tree of every module of engine, pages and app.py, by dotted name."""
    files = [*root.glob("engine/**/*.py"), *root.glob("pages/**/*.py"), *root.glob("app.py")]
    return {".".join(file.relative_to(root).with_suffix("").parts): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def identifiers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that a module gives to something: variables, parameters, functions, classes, fields, imported names; with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname


def find_faults(modules: dict[str, ast.Module]) -> list[str]:
    """One line for each name that is banned, or defined in too many places."""
    classes: dict[str, list[str]] = defaultdict(list)
    functions: dict[str, list[str]] = defaultdict(list)
    faults = []
    for name, tree in modules.items():
        faults += [f"{name} line {line}: {word} says nothing of what it holds" for line, word in identifiers(tree) if word.strip("_") in BANNED]
        plug_in = name.rpartition(".")[0] in PLUG_INS
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not (plug_in and node.name in CLASSES_BY_PROTOCOL):
                classes[node.name].append(name)
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
                continue
            if not (plug_in and node.name in BY_PROTOCOL):
                functions[node.name].append(name)
    faults += [f"the class {name} is defined in {', '.join(places)}" for name, places in classes.items() if len(places) > 1]
    faults += [f"the function {name} is defined in {', '.join(places)}" for name, places in functions.items() if len(places) > 2]
    return sorted(faults)


def test_every_name_has_one_meaning() -> None:
    modules = read_modules(ROOT)
    assert len(modules) > 100
    assert find_faults(modules) == []


def test_a_name_that_breaks_the_rules_is_reported() -> None:
    sources = {
        "engine.a": "class Skill: ...\ndef score(told): ...",
        "engine.b": "class Skill: ...\ndef score(): ...\n_kept = 1",
        "engine.c": "def score(): ...\nfor one in (): ...\nself.asked = 1",
        "engine.models.d": "class Fitted: ...\ndef fit(): ...",
        "engine.models.e": "class Fitted: ...\ndef fit(): ...",
        "engine.models.f": "import json as found\ndef fit(): ...",
    }
    faults = find_faults({name: ast.parse(source) for name, source in sources.items()})
    assert faults == [
        "engine.a line 2: told says nothing of what it holds",
        "engine.b line 3: _kept says nothing of what it holds",
        "engine.c line 2: one says nothing of what it holds",
        "engine.c line 3: asked says nothing of what it holds",
        "engine.models.f line 1: found says nothing of what it holds",
        "the class Skill is defined in engine.a, engine.b",
        "the function score is defined in engine.a, engine.b, engine.c",
    ]
