"""Patches between two JSON values: what a rolling chart or table has gained and lost since it was last sent.

A patch is a list. ["=", value] replaces. ["{", {key: patch}, [removed keys]] changes an object. ["[", parts] puts an array
together from parts: [start, count] is a run of the old one, [index, 0, patch] a changed element of it, [[values ...]] is new.
"""

from __future__ import annotations

from itertools import groupby
from operator import eq
from typing import Any

import orjson

Json = Any  # what orjson.loads returns
Patch = list[Any]

MAX_SHIFT = 16  # elements by which an array may have moved
MIN_COMMON = 0.5  # share of an array that must be left for it to be put together from its old elements


def diff_json(old: Json, new: Json) -> Patch | None:
    """Return the patch that turns `old` into `new`; None where they are equal."""
    if type(old) is type(new) and old == new:
        return None
    if isinstance(old, dict) and isinstance(new, dict):
        return _diff_objects(old, new)
    if isinstance(old, list) and isinstance(new, list) and old and new:
        return _diff_arrays(old, new)
    return ["=", new]


def apply_patch(old: Json, patch: Patch | None) -> Json:
    """Return the value that the patch makes of `old`, which stays as it is; live_wire.js does the same in the browser."""
    if patch is None:
        return old
    if patch[0] == "=":
        return patch[1]
    if patch[0] == "{":
        changed = {key: apply_patch(old.get(key), inner) for key, inner in patch[1].items()}
        return {key: value for key, value in (old | changed).items() if key not in patch[2]}
    return [element for part in patch[1] for element in _apply_part(old, part)]


def _apply_part(old: list[Json], part: list[Any]) -> list[Json]:
    if len(part) == 1:
        elements: list[Json] = part[0]
        return elements
    return [apply_patch(old[part[0]], part[2])] if len(part) == 3 else old[part[0] : part[0] + part[1]]


def _diff_objects(old: dict[str, Json], new: dict[str, Json]) -> Patch:
    changed: dict[str, Patch] = {}
    for key, value in new.items():
        inner = diff_json(old[key], value) if key in old else ["=", value]
        if inner is not None:
            changed[key] = inner
    return ["{", changed, [key for key in old if key not in new]]


def _diff_arrays(old: list[Json], new: list[Json]) -> Patch:
    shift, common = _find_shift(old, new)
    nested = isinstance(new[0], dict | list)
    if not nested and common < MIN_COMMON * len(new):
        return ["=", new]
    patch = ["[", _assemble_parts(old, new, shift)]
    if shift and nested:  # new rows may still be like the old ones in their places
        patch = min(patch, ["[", _assemble_parts(old, new, 0)], key=lambda choice: len(orjson.dumps(choice)))
    return patch


def _find_shift(old: list[Json], new: list[Json]) -> tuple[int, int]:
    """Return by how many places the elements have moved to the front, negative to the end, and how many of them are the same."""
    best = (0, 0)
    shifts = sorted(range(-MAX_SHIFT, MAX_SHIFT + 1), key=abs)
    pairs = [max(0, min(len(old) - max(0, shift), len(new) - max(0, -shift))) for shift in shifts]  # of elements that meet
    for place, shift in enumerate(shifts):
        if best[1] >= max(pairs[place:]):  # no further shift leaves more
            break
        common = sum(map(eq, old[max(0, shift) :], new[max(0, -shift) :]))
        best = max(best, (shift, common), key=lambda pair: pair[1])
    return best


def _assemble_parts(old: list[Json], new: list[Json], shift: int) -> list[list[Any]]:
    """Return the parts of the new array where the old one has moved: runs of it, changed elements of it, and new elements."""

    def kind(place: int) -> str:
        if not 0 <= place + shift < len(old):
            return "new"
        left, right = old[place + shift], new[place]
        if left == right:
            return "old"
        return "changed" if type(left) is type(right) and isinstance(left, dict | list) else "new"

    parts: list[list[Any]] = []
    for what, run in groupby(range(len(new)), kind):
        places = list(run)
        if what == "old":
            parts.append([places[0] + shift, len(places)])
        elif what == "new":
            parts.append([[new[place] for place in places]])
        else:
            parts += [[place + shift, 0, diff_json(old[place + shift], new[place])] for place in places]
    return parts
