"""The codec gives every record back bit for bit, and refuses bytes that are not what was packed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from engine.domain.market import Account, MarketSnapshot
from engine.domain.optimization import Reading
from engine.domain.record import Bools, Floats, Ints, Record
from engine.domain.state import State
from engine.domain.tick import SkillRow
from engine.domain.trading_config import Command, Event, TradingConfig
from engine.phases.learning import blank_state
from engine.store import codec
from engine.store.codec import digest_layout, pack, unpack
from tests.store import made


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Inner(Record):
    floats: Floats
    name: str
    share: float | None


@dataclass(frozen=True, slots=True)
class Everything(Record):
    floats: Floats
    wholes: Ints
    flags: Bools
    count: int
    share: float
    loose: float  # may hold an int: that too comes back as it was
    flag: bool
    text: str
    maybe: str | int | None
    data: bytes
    colour: Colour
    inner: Inner
    other: Inner | None
    inners: tuple[Inner, ...]
    pair: tuple[str, float]
    pairs: tuple[tuple[str, str], ...]


_NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
_INT64 = st.integers(-(2**63), 2**63 - 1)
_SHAPES = stn.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6)
_FLOATS = stn.arrays(np.float64, _SHAPES, elements=_NUMBERS) | _SHAPES.map(lambda shape: np.full(shape, np.nan))
_INNER = st.builds(Inner, _FLOATS, st.text(), st.none() | _NUMBERS)
_EVERYTHING = st.builds(
    Everything,
    _FLOATS, stn.arrays(np.int64, _SHAPES), stn.arrays(np.bool_, _SHAPES), _INT64, _NUMBERS, _INT64 | _NUMBERS, st.booleans(), st.text(),
    st.none() | st.text() | _INT64, st.binary(max_size=40), st.sampled_from(Colour), _INNER, st.none() | _INNER,
    st.lists(_INNER, max_size=3).map(tuple), st.tuples(st.text(), _NUMBERS), st.lists(st.tuples(st.text(), st.text()), max_size=3).map(tuple),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(_EVERYTHING)
def test_whatever_a_record_holds_comes_back_bit_for_bit(record: Everything) -> None:
    assert unpack(Everything, pack(record)).digest() == record.digest()


@settings(max_examples=300, deadline=None)
@given(_EVERYTHING, st.data())
def test_a_flipped_bit_or_a_missing_end_is_refused_in_one_line(record: Everything, data: st.DataObject) -> None:
    packed = bytearray(pack(record))
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, 8 * len(packed) - 1))
        packed[at // 8] ^= 1 << at % 8
    else:
        del packed[data.draw(st.integers(0, len(packed) - 1)) :]
    with pytest.raises(ValueError, match="are no Everything") as caught:
        unpack(Everything, bytes(packed))
    assert "\n" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_from_anywhere_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="are no MarketSnapshot"):
        unpack(MarketSnapshot, data)


@pytest.mark.parametrize("symbols", [1, 4, 300])
def test_what_the_store_keeps_comes_back_bit_for_bit(symbols: int) -> None:
    tick = next(made.Market(made.names(symbols)).ticks(1))
    records: tuple[Record, ...] = (tick.snapshot, tick.inputs.account, tick.inputs.config, tick.outcome.state)
    for record in records:
        assert unpack(type(record), pack(record)).digest() == record.digest()


def test_small_records_come_back_too() -> None:
    records: tuple[Record, ...] = (
        Event("command", "pause", ""), Command(1, "set", (("signal", "0.1"),), "ada", "to see"), Reading(1, "gpu", "load", float("nan"), "%"),
        SkillRow("model", "ridge", 1, "all", None, None, None, 0, None),
    )  # fmt: skip
    for record in records:
        assert unpack(type(record), pack(record)).digest() == record.digest()


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b'["=<f8",9]', b'["=<f8",99999999999]', r"names an array of \[99999999999\]"),
        (b'["=<f8",9]', b'["=<f8",-9]', r"names an array of \[-9\]"),
    ],
)
def test_bytes_that_claim_more_than_a_memory_holds_are_refused(old: bytes, new: bytes, why: str) -> None:
    """Their checksum agrees, as in a store from elsewhere: it vouches for damage only."""
    data = pack(Inner(np.ones(9), "name", None))
    size = int.from_bytes(data[12:16], "little") + len(new) - len(old)
    rest = data[11:12] + size.to_bytes(4, "little") + data[16:20] + data[20:].replace(old, new)
    altered = data[:3] + codec._checksum(rest) + rest
    with pytest.raises(ValueError, match=why):
        unpack(Inner, altered)


def test_what_comes_back_is_read_only() -> None:
    account = unpack(Account, pack(next(made.Market().ticks(1)).inputs.account))
    with pytest.raises(ValueError, match="read-only"):
        account.positions[0] = 1.0


def test_empty_windows_take_little_room() -> None:
    state = blank_state(500, made.MODELS, made.HORIZONS)
    assert state.pending.mean.nbytes > 500_000
    assert len(pack(state)) < 5_000


def test_large_bodies_that_shrink_well_are_squeezed() -> None:
    state = blank_state(500, made.MODELS, made.HORIZONS)
    mean = state.pending.mean.copy()
    mean[0, 0, 0, 0] = 1.0  # no longer one value repeated
    pending = dataclasses.replace(state.pending, mean=mean)
    state = dataclasses.replace(state, pending=pending)
    packed = pack(state)
    assert len(packed) < mean.nbytes / 10
    assert unpack(State, packed).digest() == state.digest()


def test_the_layout_changes_with_any_record_and_any_part_of_one() -> None:
    assert digest_layout(Everything, Inner) == digest_layout(Everything, Inner) != digest_layout(Inner, Everything)
    assert len({digest_layout(kind) for kind in (Everything, Inner, around(int), around(float), around(Inner))}) == 5


def around(part: type) -> type[Record]:
    """A record of one field."""
    return dataclasses.make_dataclass("Around", [("part", part)], bases=(Record,), frozen=True, slots=True)


def test_a_record_of_another_kind_or_version_is_refused() -> None:
    with pytest.raises(ValueError, match="they have another layout"):
        unpack(Account, pack(TradingConfig()))


@pytest.mark.parametrize("value", [np.float64(1.0), [1.0], {"a": 1}, 1j], ids=lambda value: type(value).__name__)
def test_what_a_record_may_not_hold_is_refused_when_packed(value: object) -> None:
    with pytest.raises(TypeError):
        pack(Inner(np.zeros(1), value, 0.0))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        pack(Inner(np.array(["text"]), "", 0.0))
