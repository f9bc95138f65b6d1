"""The architecture holds, and the check of it can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture import ONLY_IN, faults, read_tree

ROOT = Path(__file__).parent.parent


def test_the_architecture_holds() -> None:
    modules = read_tree(ROOT)
    assert len(modules) > 20
    assert faults(modules) == []


LONG = '"""Long."""\n' + "# line\n" * 400
BIG = '"""Big."""\ndef big() -> None:\n' + "    print(1)\n" * 31


@pytest.mark.parametrize(
    ("file", "source", "fault"),
    [
        ("engine/domain/a.py", '"""A."""\nfrom engine.store import b', "engine.domain.a imports engine.store.b, which is not below it"),
        (
            "engine/domain/a.py",
            '"""A."""\ndef f():\n    import engine.service.clock',
            "engine.domain.a imports engine.service.clock, which is not below it",
        ),
        ("engine/features/a.py", '"""A."""\nfrom engine.models import x', "engine.features.a imports engine.models, which is not below it"),
        ("engine/phases/a.py", '"""A."""\nimport time', "engine.phases.a is pure and imports time"),
        ("engine/phases/a.py", '"""A."""\nfrom os.path import join', "engine.phases.a is pure and imports os.path"),
        (
            "engine/feeds/a.py",
            '"""A."""\nimport pandas as pd',
            f"engine.feeds.a imports pandas, which belongs to {', '.join(ONLY_IN['pandas'])}",
        ),
        ("engine/service/a.py", '"""A."""\nimport streamlit', "engine.service.a imports streamlit, which belongs to pages, app"),
        ("pages/01_a.py", '"""A."""\nfrom engine.service import engine', "pages.01_a imports engine.service, which pages may not use"),
        ("engine/feeds/a.py", '"""A."""\ntry:\n    pass\nexcept Exception:\n    pass', "engine.feeds.a line 4 catches every exception"),
        ("engine/feeds/a.py", '"""A."""\ntry:\n    pass\nexcept (ValueError, Exception):\n    pass', "engine.feeds.a line 4 catches every exception"),
        ("engine/feeds/a.py", "x = 1", "engine.feeds.a does not open with a docstring"),
        ("engine/feeds/__init__.py", '"""Feeds."""\nx = 1', "engine.feeds/__init__.py holds more than a docstring"),
        ("engine/feeds/a.py", LONG, "engine.feeds.a has 401 lines, over 400"),
        ("pages/01_a.py", LONG, "pages.01_a has 401 lines, over 400"),
        ("engine/feeds/a.py", BIG, "engine.feeds.a.big has 31 statements, over 30"),
        ("engine/feeds/a.py", '"""A."""\nimport fcntl', "engine.feeds.a imports fcntl, which not every system has"),
        ("engine/feeds/a.py", '"""A."""\nimport os\nx = os.O_NOFOLLOW', "engine.feeds.a line 3 uses os.O_NOFOLLOW, which not every system has"),
        (
            "engine/optimizer/a.py",
            '"""A."""\nfrom engine.optimizer.runtime import x',
            "engine.optimizer.a imports engine.optimizer.runtime, which is not below it",
        ),
        ("engine/alerting/rules.py", '"""A."""\nimport logging', "engine.alerting.rules is pure and imports logging"),
        (
            "engine/store/write/a.py",
            '"""A."""\nimport pandas',
            f"engine.store.write.a imports pandas, which belongs to {', '.join(ONLY_IN['pandas'])}",
        ),
        ("engine/other.py", '"""A."""', "engine.other is in no layer"),
        ("engine/store/b.py", '"""B."""\nfrom engine.store import c', "import cycle: engine.store.b -> engine.store.c -> engine.store.b"),
    ],
)
def test_a_breach_is_named(tmp_path: Path, file: str, source: str, fault: str) -> None:
    for name, text in {"engine/store/b.py": '"""B."""', "engine/store/c.py": '"""C."""\nfrom engine.store import b', file: source}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert fault in faults(read_tree(tmp_path))


def test_imports_for_types_only_make_no_cycle(tmp_path: Path) -> None:
    folder = tmp_path / "engine" / "store"
    folder.mkdir(parents=True)
    folder.joinpath("b.py").write_text(
        '"""B."""\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from engine.store import c\n', encoding="utf-8"
    )
    folder.joinpath("c.py").write_text('"""C."""\nfrom engine.store import b\n', encoding="utf-8")
    assert faults(read_tree(tmp_path)) == []
