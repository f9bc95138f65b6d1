"""One name has one meaning, and the check of it can fail."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.architecture import Module, read_tree
from tests.naming import find_banned, find_duplicates

ROOT = Path(__file__).parent.parent


@cache
def tree() -> tuple[Module, ...]:
    return read_tree(ROOT)


def test_no_class_is_defined_twice_and_no_public_function_in_more_than_two_modules() -> None:
    assert find_duplicates(tree()) == []


def test_variables_are_named_after_what_they_hold() -> None:
    assert find_banned(tree(), ("engine", "pages", "app")) == []


def test_a_duplicate_and_a_banned_name_are_named(tmp_path: Path) -> None:
    sources = {
        "engine/store/a.py": '"""A."""\nclass Row: ...\ndef read(): ...\n',
        "engine/store/b.py": '"""B."""\nclass Row: ...\ndef read():\n    found = 1\n',
        "engine/store/c.py": '"""C."""\ndef read(told): ...\ndef fit(): ...\n',
        "engine/models/d.py": '"""D."""\nclass Fitted: ...\ndef fit(): ...\n',
        "engine/models/e.py": '"""E."""\nclass Fitted: ...\ndef fit():\n    one = 1\n',
    }
    for name, text in sources.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    modules = read_tree(tmp_path)
    assert find_duplicates(modules) == [
        "class Row is defined in engine.store.a, engine.store.b",
        "function read is defined in engine.store.a, engine.store.b, engine.store.c",
    ]
    assert find_banned(modules, ("engine.store",)) == [
        "engine.store.b line 4 defines found: name it after what it holds",
        "engine.store.c line 2 defines told: name it after what it holds",
    ]
