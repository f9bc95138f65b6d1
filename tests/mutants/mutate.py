"""Mutants: every small change of a source file that its tests should notice, found in its syntax tree and applied to its text."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.MatMult: ast.Mult,
}  # fmt: skip
DROPPED = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.BitAnd, ast.BitOr)  # `a + b` also becomes `a`, and the others
CALLS = {
    "min": "max", "minimum": "maximum", "any": "all", "argmin": "argmax", "nanmin": "nanmax", "floor": "ceil", "isfinite": "isnan",
    "cumsum": "cumprod", "mean": "sum",
}  # fmt: skip
CALLS |= {after: before for before, after in CALLS.items() if after not in {"sum", "cumprod", "isnan"}}
ONLY_ARGUMENT = ("abs", "sqrt", "sign", "log", "exp")  # `abs(x)` becomes `x`


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: `before` in the text of `file`, from `start` to `end` (bytes), becomes `after`."""

    file: str  # relative to the root
    line: int
    last_line: int  # of the statement
    name: str  # that a constant outside of functions is given; "" inside of them
    start: int
    end: int
    before: str
    after: str

    def apply(self, source: bytes) -> bytes:
        """Return the mutated text."""
        return source[: self.start] + self.after.encode() + source[self.end :]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.before} -> {self.after}"


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """Every mutant of a file, in the order of its text."""
    source = (root / file).read_bytes()
    lines = source.splitlines(keepends=True)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    found = []
    for statement, name, node in _expressions(ast.parse(source)):
        start, end = offsets[node.lineno - 1] + node.col_offset, offsets[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        for changed in _changes(node):
            before, after = ast.unparse(node), ast.unparse(ast.fix_missing_locations(changed))
            if before != after:
                last = max(statement.lineno, node.end_lineno or 0)
                found.append(Mutant(file, node.lineno, last, name, start, end, before, f"({after})" if isinstance(node, ast.expr) else after))
    return sorted(set(found), key=lambda one: (one.start, one.end, one.after))


def _expressions(tree: ast.Module) -> Iterator[tuple[ast.stmt, str, ast.expr | ast.stmt]]:
    """Every expression and statement that is run or kept, with the statement it stands in and the name that it is given outside of functions."""
    todo: list[tuple[ast.AST, ast.stmt | None, str, bool]] = [(tree, None, "", False)]
    while todo:
        node, statement, name, inside = todo.pop()
        if isinstance(node, ast.JoinedStr | ast.Raise | ast.Import | ast.ImportFrom) or _is_alias(node):
            continue
        if isinstance(node, ast.stmt):
            statement = node
            name = "" if inside else _target(node)
        if isinstance(node, ast.expr | ast.stmt) and statement is not None and not _is_text(node):
            yield statement, name, node
        inside = inside or isinstance(node, ast.FunctionDef | ast.Lambda)
        for field, value in ast.iter_fields(node):
            if field not in {"annotation", "returns", "decorator_list", "bases", "keywords" if isinstance(node, ast.ClassDef) else ""}:
                children = value if isinstance(value, list) else [value]
                todo.extend((child, statement, name, inside) for child in children if isinstance(child, ast.AST))


def _is_alias(node: ast.AST) -> bool:
    """A type by another name, or a type variable: not run by anything."""
    return isinstance(node, ast.Assign) and ast.unparse(node.value).startswith(("Callable[", "NDArray[", "TypeVar(", "ParamSpec(", "tuple[", "dict["))


def _target(statement: ast.stmt) -> str:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target] if isinstance(statement, ast.AnnAssign) else []
    return next((node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)), "")


def _changes(node: ast.expr | ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left, ops, comparators):
            for place, operator in enumerate(ops):
                for other in COMPARISONS[type(operator)]:
                    yield ast.Compare(left, [*ops[:place], other(), *ops[place + 1 :]], comparators)
        case ast.BinOp(left, op, right) if not _is_text(left):
            yield ast.BinOp(left, OPERATORS[type(op)](), right)
            if isinstance(op, DROPPED):
                yield left
        case ast.AugAssign(target, op, value):
            yield from (ast.AugAssign(target, OPERATORS[type(op)](), value), ast.Pass())
        case ast.Assign([ast.Name(name)], value) if name in {one.id for one in ast.walk(value) if isinstance(one, ast.Name)}:
            yield ast.Pass()
        case ast.Expr(ast.Call()):
            yield ast.Pass()
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.And() if isinstance(op, ast.Or) else ast.Or(), values)
        case ast.UnaryOp(_, operand):
            yield operand
        case ast.IfExp(test, body, orelse):
            yield from (ast.IfExp(test, orelse, body), orelse)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value * 2 if abs(value) >= 100 or (isinstance(value, float) and value) else value + 1)
        case ast.Call():
            yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    called = node.func
    name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
    if name in CALLS:
        changed = copy.deepcopy(node)
        changed.func = ast.Name(CALLS[name]) if isinstance(called, ast.Name) else ast.Attribute(called.value, CALLS[name])  # type: ignore[attr-defined]
        yield changed
    if name in ONLY_ARGUMENT and node.args:
        yield node.args[0]
    if name == "where" and len(node.args) == 3:
        yield ast.Call(called, [node.args[0], node.args[2], node.args[1]], node.keywords)
    for place, pair in reversed(list(enumerate(pairwise(node.args)))):
        if all(isinstance(one, ast.Name | ast.Attribute) for one in pair):
            yield ast.Call(called, [*node.args[:place], pair[1], pair[0], *node.args[place + 2 :]], node.keywords)
            return


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
