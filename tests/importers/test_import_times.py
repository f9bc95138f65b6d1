"""Times are read as the standard library reads them; hours that a zone has twice or skips are counted, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.importers._format import ImportFault
from engine.importers._times import ABSENT, AMBIGUOUS, UNREAD, convert_times, find_style

LAYOUTS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y.%m.%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y%m%d %H%M%S", "%Y%m%d%H%M%S", "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%d %H:%M:%S UTC",
    "%d.%m.%Y %H:%M:%S.000 GMT+0000", "%Y-%m-%d %H:%M:%S+00:00",
)  # fmt: skip
MOMENTS = st.integers(631_152_000, 2_114_380_800).map(lambda at: datetime.fromtimestamp(at, UTC).replace(tzinfo=None))


def read_times(texts: list[str], zone: str | None = "UTC", *, is_day_first: bool | None = None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    style = find_style("x.csv", texts, zone, is_day_first=is_day_first)
    return convert_times(pa.array(texts), style)


@settings(max_examples=80, deadline=None)
@given(st.lists(MOMENTS, min_size=1, max_size=5), st.sampled_from(LAYOUTS))
def test_times_in_the_common_layouts_are_read(moments: list[datetime], layout: str) -> None:
    day_first = True if layout.startswith("%d") else False if layout.startswith("%m") else None
    times, masks = read_times([at.strftime(layout) for at in moments], is_day_first=day_first)
    assert times.tolist() == [int(at.replace(tzinfo=UTC).timestamp()) * 10**9 for at in moments]
    assert not any(mask.any() for mask in masks.values())


@settings(max_examples=80, deadline=None)
@given(MOMENTS, st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo", "America/Sao_Paulo"]))
def test_wall_clock_times_are_read_as_zoneinfo_does(moment: datetime, zone: str) -> None:
    check_wall_clock(moment, zone)


@pytest.mark.parametrize("minutes", range(0, 240, 15))
@pytest.mark.parametrize("day", [datetime.fromisoformat("2024-03-31"), datetime.fromisoformat("2024-10-27")])
def test_hours_that_a_zone_has_twice_or_skips_are_marked(day: datetime, minutes: int) -> None:
    check_wall_clock(day + timedelta(minutes=minutes), "Europe/Berlin")


def check_wall_clock(moment: datetime, zone: str) -> None:
    early, late = (moment.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    times, masks = read_times([f"{moment:%Y-%m-%d %H:%M:%S}"], zone)
    exists = early.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == moment
    assert bool(masks[AMBIGUOUS][0]) == (early != late and exists)
    assert bool(masks[ABSENT][0]) == (not exists)
    if early == late:
        assert times[0] == int(early.timestamp()) * 10**9


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1704067200", 1_704_067_200_000_000_000), ("1704067200123", 1_704_067_200_123_000_000), ("1704067200123456", 1_704_067_200_123_456_000),
        ("1704067200123456789", 1_704_067_200_123_456_789), ("1704067200.1234", 1_704_067_200_123_400_000), ("45292", 1_704_067_200_000_000_000),
        ("45292.25", 1_704_088_800_000_000_000), ("20240101", 1_704_067_200_000_000_000), ("2024-01-01 0:05", 1_704_067_500_000_000_000),
        ("2024-01-01 12-PM", 1_704_110_400_000_000_000), ("2024-01-01T00:00:00.123456789Z", 1_704_067_200_123_456_789),
        ("2024-01-01 02:00:00+02:00", 1_704_067_200_000_000_000),
    ],
)  # fmt: skip
def test_known_times(text: str, ns: int) -> None:
    times, masks = read_times([text])
    assert times.tolist() == [ns]
    assert not any(mask.any() for mask in masks.values())


def test_a_row_joined_in_another_unit_has_its_own() -> None:
    times, _ = read_times(["1735689540000", "1735689600000000"])
    assert np.diff(times).tolist() == [60 * 10**9]


def test_what_is_no_time_is_marked() -> None:
    times, masks = read_times(["2024-01-31", "2024-02-30", "", "hello", "2024-02-01"])
    assert masks[UNREAD].tolist() == [False, True, True, True, False]
    assert times[[0, 4]].tolist() == [1_706_659_200_000_000_000, 1_706_745_600_000_000_000]


def test_infinite_counts_are_no_times() -> None:
    times, masks = read_times(["1704067200.5"] * 10 + ["1e400"])
    assert masks[UNREAD].tolist() == [False] * 10 + [True]
    assert times[0] == 1_704_067_200_500_000_000


def test_the_order_of_day_and_month_is_taken_from_the_values_or_refused() -> None:
    assert read_times(["01/02/2024", "13/02/2024"])[0][0] == int(datetime(2024, 2, 1, tzinfo=UTC).timestamp()) * 10**9
    assert read_times(["01/02/2024", "01/13/2024"])[0][0] == int(datetime(2024, 1, 2, tzinfo=UTC).timestamp()) * 10**9
    with pytest.raises(ImportFault, match="order of day and month"):
        read_times(["01/02/2024", "02/02/2024"])


def test_a_clock_without_a_zone_is_refused() -> None:
    with pytest.raises(ImportFault, match="--timezone"):
        read_times(["2024-01-01 00:00"], None)


def test_numbers_that_are_no_times_are_refused_with_what_they_look_like() -> None:
    with pytest.raises(ImportFault, match="minutes since 1970"):
        read_times(["28401120", "28401121"])
