"""The tool that makes mutants: what it changes, which tests it takes, and that it tells a test that sees from one that does not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants.mutate import COMPARISONS, OPERATORS, Mutant, mutants_of
from tests.mutants.trial import BUDGET, Map


def made(tmp_path: Path, source: str) -> list[str]:
    """Every mutant of a line, as the line that comes of it."""
    (tmp_path / "one.py").write_text(source, encoding="utf-8")
    return [one.apply(source.encode()).decode().strip() for one in mutants_of(tmp_path, "one.py")]


@pytest.mark.parametrize(
    ("source", "mutants"),
    [
        ("x = a < b", ["x = (a <= b)", "x = (a >= b)"]),
        ("x = a == b", ["x = (a != b)"]),
        ("x = a + b", ["x = (a)", "x = (a - b)"]),
        ("x = a ^ b", ["x = (a | b)"]),
        ("x = a << b", ["x = (a >> b)"]),
        ("x = a and b", ["x = (a or b)"]),
        ("x = not a", ["x = (a)"]),
        ("x = -a", ["x = (a)"]),
        ("x = a if b else c", ["x = (c if b else a)", "x = (c)"]),
        ("x = 2.0", ["x = (4.0)"]),
        ("x = 3", ["x = (4)"]),
        ("x = True", ["x = (False)"]),
        ("x = a[:-1]", ["x = a[:(1)]", "x = a[:-(2)]"]),
        ("x = np.where(a, b, c)", ["x = (np.where(a, c, b))"]),
        ("x = min(a, 0)", ["x = (max(a, 0))", "x = min(a, (1))"]),
        ("x = abs(a)", ["x = (a)"]),
        ("x = f(1, a, b)", ["x = (f(1, b, a))", "x = f((2), a, b)"]),
        ("x = f(x)", ["pass"]),
        ("x += a", ["pass", "x -= a"]),
        ('"""Docs."""', []),
        ("x: Annotated[int, 3] = a", []),
        ('raise ValueError(f"{a + 1}")', []),
    ],
)
def test_a_line_has_these_mutants(tmp_path: Path, source: str, mutants: list[str]) -> None:
    assert sorted(made(tmp_path, source)) == sorted(mutants)


def test_every_operator_of_the_language_has_a_mutation() -> None:
    assert set(ast.operator.__subclasses__()) == set(OPERATORS)
    assert set(ast.cmpop.__subclasses__()) == set(COMPARISONS)


def test_letters_of_more_than_a_byte_move_nothing(tmp_path: Path) -> None:
    assert made(tmp_path, 'x = ("\N{MINUS SIGN}", a < b)')[0] == 'x = ("\N{MINUS SIGN}", (a <= b))'


SOURCE = """LIMIT = 3


def outer(x):
    return inner(x) + 1


def inner(x):
    return x < LIMIT
"""


def covered(root: Path) -> Map:
    """Three tests: one runs a function itself, one something that tests share, one nothing of it; the first is dear."""
    (root / "one.py").write_text(SOURCE, encoding="utf-8")
    told = Map()
    told.lines["one.py"][5] = {"shared"}
    told.lines["one.py"][9] = {"t::dear", "shared"}
    told.lines["one.py"][1] = {"import"}
    told.cost.update({"t::dear": BUDGET - 10.0, "t::shares": 1.0, "t::other": 0.1, "shared": 20.0})
    told.tests |= {"t::dear", "t::shares", "t::other"}
    told.uses["t::shares"].add("shared")
    return told


@pytest.mark.parametrize(
    ("line", "tests"),
    [
        ("inner(x) + 1", ["t::shares"]),  # through what it shares
        ("x < LIMIT", ["t::shares"]),  # the cheapest first, and no more than there is time for
        ("3", ["t::shares"]),  # a constant: those of the functions in which it stands
    ],
)
def test_the_tests_of_a_mutant_are_those_that_run_its_line(tmp_path: Path, line: str, tests: list[str]) -> None:
    told = covered(tmp_path)
    mutant = next(one for one in mutants_of(tmp_path, "one.py") if one.before == line)
    assert told.chosen(mutant, tmp_path) == tests
    told.cost["shared"] = 2.0
    assert told.chosen(mutant, tmp_path)[1:] == (["t::dear"] if line != "inner(x) + 1" else [])


def test_a_mutant_that_no_test_runs_has_no_tests(tmp_path: Path) -> None:
    told = covered(tmp_path)
    assert told.chosen(Mutant("one.py", 4, 4, "", 0, 0, "", ""), tmp_path) == []
