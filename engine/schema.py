"""Reads values from people into typed records: one schema gives the bounds, the help and the refusal in one line."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

from engine.domain.texts import shorten

MAX_INTEGER = 2**31 - 1
Reader = Callable[[str, object], object]  # takes the name that the user knows a value by, and the value; raises ValueError in one line
T = TypeVar("T")


class SchemaError(ValueError):
    """A value that does not fit its schema: one line with the value and the remedy."""


class Bounds(NamedTuple):
    """The kind of a scalar and its limits, both included; None where there is no limit."""

    kind: str  # number, whole number, choice, truth or text
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value of a schema, as a form, a command line and a page of documentation need it."""

    name: str  # as people write it
    field: str  # of the record
    annotation: Any  # the type that msgspec converts to
    bounds: Bounds
    help: str
    unit: str
    form: str  # names a reader of its own, "" for what `bounds` says
    remedy: str  # what to give instead, in words; "" for what `bounds` says
    example: str
    is_required: bool
    default: object

    @property
    def wanted(self) -> str:
        """What to give, as a remedy says it."""
        return self.remedy or describe_bounds(self.bounds)


def limits(low: float | None = None, high: float | None = None, unit: str = "", help: str = "", *, form: str = "", remedy: str = "",  # noqa: A002 - the field's word
           example: str = "", pattern: str | None = None, letters: int | None = None) -> msgspec.Meta:  # fmt: skip
    """The metadata of a field: bounds, unit, help, and the name of a form where the value is not written as its type."""
    given: dict[str, Any] = {"ge": low, "le": high, "description": help or None, "pattern": pattern, "max_length": letters}
    given = {name: value for name, value in given.items() if value is not None}
    return msgspec.Meta(**given, extra={"unit": unit, "form": form, "remedy": remedy, "example": example})


@cache
def parameters_of(record: type) -> Mapping[str, Parameter]:
    """The parameters of a record by the names that people write; for a msgspec.Struct or a dataclass."""
    described = inspect.type_info(record)
    if not isinstance(described, inspect.StructType | inspect.DataclassType):
        raise TypeError(f"{record.__name__} is no record")
    annotations = msgspec.structs.fields(record) if isinstance(described, inspect.StructType) else ()
    types = {field.name: field.type for field in annotations} or _annotations(record)
    return {field.encode_name: _parameter(field, types[field.name]) for field in described.fields}


def read_record(record: type[T], values: Mapping[str, object], *, subject: str, readers: Mapping[str, Reader] | None = None,
                name_of: Callable[[str], str] = str) -> T:  # fmt: skip
    """The record that `values` describe; raises SchemaError in one line.

    `subject` names the whole in refusals, `name_of` gives the name that the user knows a value by, `readers` read the forms by name.
    """
    kind: type = record
    parameters = parameters_of(kind)
    for name in values:
        if name not in parameters:
            raise SchemaError(f"{subject} has no argument {shorten(name)}: {suggest(name, parameters, 'it takes')}")
    required = [parameter for parameter in parameters.values() if parameter.is_required]
    if not all(parameter.name in values for parameter in required):
        raise SchemaError(f"{subject} needs {join_names(f'{row.name}={row.example or row.name.upper()}' for row in required)}")
    return record(**{parameters[name].field: read_value(parameters[name], name_of(name), value, readers) for name, value in values.items()})


def read_value(parameter: Parameter, name: str, value: object, readers: Mapping[str, Reader] | None = None) -> Any:
    """One value, converted and within its bounds; raises SchemaError or what its reader raises, in one line with the name and the remedy."""
    if parameter.form:
        return (readers or {})[parameter.form](name, value)
    try:
        converted = msgspec.convert(_plain(parameter.bounds.kind, value), parameter.annotation)
    except (msgspec.ValidationError, ValueError, OverflowError):
        converted = math.nan
    if isinstance(converted, float) and not math.isfinite(converted):
        raise SchemaError(f"{name} is {shorten(value)}: give {parameter.wanted}")
    return converted


def describe_bounds(bounds: Bounds) -> str:
    """What may be given, such as 'a number from 0 to 0.5'."""
    if bounds.kind == "truth":
        return "true or false"
    if bounds.choices:
        return ", ".join(bounds.choices[:-1]) + f" or {bounds.choices[-1]}" if len(bounds.choices) > 1 else bounds.choices[0]
    if bounds.kind == "text":
        return f"a text of at most {bounds.high:g} letters" if bounds.high is not None else "a text"
    what = f"a {bounds.kind}"
    if bounds.low is None:
        return what
    form = "d" if bounds.kind == "whole number" else "g"
    low = format(int(bounds.low) if form == "d" else bounds.low, form)
    if bounds.high is None:
        return f"{what} of at least {low}"
    return f"{what} from {low} to {format(int(bounds.high) if form == 'd' else bounds.high, form)}"


def suggest(word: str, known: Collection[str], otherwise: str, *, cutoff: float = 0.5) -> str:
    """The remedy for an unknown word: the near miss, or all that there are."""
    near = find_near(word, known, cutoff=cutoff)
    return f"did you mean {near}?" if near else f"{otherwise} {', '.join(known) or 'none'}"


def find_near(word: str, known: Collection[str], *, cutoff: float = 0.5) -> str | None:
    """The known word that is most like another, if any is."""
    return next(iter(get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


def _plain(kind: str, value: object) -> object:
    """A text as the number or truth it stands for; other values as they are."""
    if not isinstance(value, str):
        return value
    if kind in {"number", "whole number"}:
        if not value.isascii():
            raise ValueError(value)
        return float(value) if kind == "number" else int(value)
    if kind == "truth":
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    return value.strip()


def _parameter(field: inspect.Field, annotation: Any) -> Parameter:
    inner, extra, about = _unwrap(field.type)
    default = field.default if field.default is not msgspec.NODEFAULT else None
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    return Parameter(
        field.encode_name, field.name, annotation, _bounds(inner, annotation), about, str(extra.get("unit", "")), str(extra.get("form", "")),
        str(extra.get("remedy", "")), str(extra.get("example", "")), field.required, default,
    )  # fmt: skip


def _unwrap(described: inspect.Type) -> tuple[inspect.Type, Mapping[str, object], str]:
    """The type below its metadata and beside None or unset, the extras, and the help."""
    extra: dict[str, object] = {}
    about = ""
    while isinstance(described, inspect.Metadata | inspect.UnionType):
        if isinstance(described, inspect.Metadata):
            extra |= described.extra or {}
            about = str((described.extra_json_schema or {}).get("description", about))
            described = described.type
        else:
            described = next(part for part in described.types if not isinstance(part, inspect.NoneType))
    return described, extra, about


def _bounds(described: inspect.Type, annotation: Any) -> Bounds:
    match described:
        case inspect.FloatType(ge=low, le=high):
            return Bounds("number", low, high)
        case inspect.IntType(ge=low, le=high):
            return Bounds("whole number", low, high)
        case inspect.BoolType():
            return Bounds("truth")
        case inspect.LiteralType():
            return Bounds("choice", choices=_choices(annotation))
        case inspect.StrType(max_length=letters):
            return Bounds("text", high=letters)
        case _:
            return Bounds("other")


def _choices(annotation: Any) -> tuple[str, ...]:
    """The values of a Literal anywhere in an annotation, in order."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return next((values for part in get_args(annotation) if (values := _choices(part))), ())


def _annotations(record: type) -> dict[str, Any]:
    return get_type_hints(record, include_extras=True)


def join_names(names: Iterable[str]) -> str:
    """Names as a sentence lists them: 'a, b and c'."""
    items = list(names)
    return " and ".join((", ".join(items[:-1]), items[-1])) if len(items) > 1 else "".join(items)
