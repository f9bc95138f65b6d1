"""Digests of records: over the values of every field in order, whatever the classes are called."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.record import DigestMemo, Floats, Record


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Part(Record):
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class RenamedPart(Record):
    one_name: int
    other_name: int


@dataclass(frozen=True, slots=True)
class Whole(Record):
    values: Floats
    part: Record
    message: tuple[str, ...] = ("a", "b")
    mixed: tuple[object, ...] = (1, None, 0.5)
    colour: Colour = Colour.RED
    data: bytes = b"\x00"


WHOLE = Whole(np.array([1.0, np.nan]), Part(1, 23))


def test_a_digest_is_held_to_its_value() -> None:
    assert WHOLE.digest() == "e6588a9603cb8406dd650912b5a35eaa"


def test_names_of_classes_and_fields_do_not_count() -> None:
    assert Part(1, 2).digest() == RenamedPart(1, 2).digest()
    assert WHOLE.digest() == replace(WHOLE, part=RenamedPart(1, 23)).digest()


def test_numbers_keep_their_borders() -> None:
    assert Part(1, 23).digest() != Part(12, 3).digest()
    assert replace(WHOLE, mixed=(1, 23)).digest() != replace(WHOLE, mixed=(12, 3)).digest()


@pytest.mark.parametrize(
    "other",
    [
        replace(WHOLE, values=np.array([1.0, 2.0])),
        replace(WHOLE, values=np.array([[1.0, np.nan]])),
        replace(WHOLE, values=np.array([1.0, np.nan], dtype=np.float32)),
        replace(WHOLE, part=Part(2, 23)),
        replace(WHOLE, message=("ab",)),
        replace(WHOLE, mixed=(1, None, 0.5, 2)),
        replace(WHOLE, mixed=(True, None, 0.5)),
        replace(WHOLE, data=b"\x01"),
    ],
)
def test_every_field_dtype_and_shape_counts(other: Whole) -> None:
    assert other.digest() != WHOLE.digest()


def test_values_without_a_stable_digest_are_refused() -> None:
    with pytest.raises(TypeError, match="numpy scalar"):
        replace(WHOLE, mixed=(np.float64(1.0),)).digest()
    with pytest.raises(TypeError, match="list has no digest"):
        replace(WHOLE, mixed=([],)).digest()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=4), max_size=6))
def test_a_memo_changes_no_digest_however_parts_are_shared_and_replaced(ticks: list[list[tuple[int, bool]]]) -> None:
    parts: list[Record] = [Part(number, number) for number in range(3)]
    parts.append(Whole(np.zeros(10_000), parts[0]))  # too large to remember
    memo = DigestMemo()
    for tick in ticks:
        memo.begin_tick()
        for place, renewed in tick:
            if renewed:
                old = parts[place]
                parts[place] = replace(old, first=old.first + 1) if isinstance(old, Part) else Whole(np.ones(10_000), parts[0])
            whole = Whole(np.array([float(place)]), Whole(np.array([np.nan]), parts[place]))
            assert whole.digest(memo) == whole.digest()


def test_a_memo_reads_a_part_once_and_forgets_it_two_ticks_later() -> None:
    memo, part = DigestMemo(), Part(1, 2)
    memo.begin_tick()
    first = memo.read(part)
    assert memo.read(part) is first
    memo.begin_tick()
    assert memo.read(part) is first
    memo.begin_tick()
    memo.begin_tick()
    assert memo.read(part) is not first
    assert memo.read(part) == first
