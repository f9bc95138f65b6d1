"""The column ts: the forms of time it may hold, how they are read, and the refusal of anything else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.feeds import _timestamps as timestamps
from engine.feeds._recording_files import BadRecording, read_bars, read_trades
from engine.feeds.recorded import RecordedFeed
from engine.report.data_counts import describe_data
from tests.feeds.recordings import BAR, MINUTE, SECOND, START, write

DOCS = Path(__file__).parents[2] / "docs" / "recordings.md"
HOUR, DAY = 60 * MINUTE, 1_440 * MINUTE
REST = (10, 11, 9, 10, 1)


def read_csv(folder: Path, stamps: Sequence[object]) -> list[int]:
    """When the bars open, of a CSV with these texts in the column ts."""
    return [int(at) for at in read_bars(write(folder, "A", "bars", BAR, [(stamp, *REST) for stamp in stamps])).opened]


def read_parquet(folder: Path, stamps: pa.Array) -> list[int]:
    """When the bars open, of a Parquet file with this column ts."""
    columns = {name: pa.array([float(value)] * len(stamps)) for name, value in zip(BAR.split(",")[1:], REST, strict=True)}
    (folder / "A").mkdir(exist_ok=True)
    pyarrow.parquet.write_table(pa.table({"ts": stamps, **columns}), folder / "A" / "bars.parquet")
    return [int(at) for at in read_bars(folder / "A" / "bars.parquet").opened]


def refusal(folder: Path, stamps: Sequence[object] | pa.Array) -> str:
    """The line in which a file with these stamps is refused."""
    with pytest.raises(BadRecording) as refused:
        read_parquet(folder, stamps) if isinstance(stamps, pa.Array) else read_csv(folder, stamps)
    assert "\n" not in str(refused.value)
    return str(refused.value).removeprefix(f"{folder}/A/")


def iso(at: int) -> str:
    return f"{np.datetime_as_string(np.datetime64(at, 'ns'), unit='ms')}"


@pytest.mark.parametrize(("before", "after"), [(10**6, 10**3), (10**9, 10**6), (1, 10**9), (10**3, 1)])
def test_a_file_joined_of_two_units_is_read_row_by_row(tmp_path: Path, before: int, after: int) -> None:
    expected = [START + i * MINUTE for i in range(6)]
    assert read_csv(tmp_path, [at // (before if i < 3 else after) for i, at in enumerate(expected)]) == expected


WHEN = st.integers(315_532_800, 630_000_000) | st.integers(645_000_000, 3_155_759_999)  # without the half-year that .NET's ticks look like


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(WHEN, st.sampled_from([1, 10**3, 10**6, 10**9])), min_size=2, max_size=5))
def test_every_whole_second_from_1980_to_2070_is_read_in_every_unit(tmp_path: Path, rows: list[tuple[int, int]]) -> None:
    rows.sort()
    column = pa.array([second * SECOND // unit for second, unit in rows])
    others = {"price": [1.0] * len(rows), "size": [1.0] * len(rows), "side": ["buy"] * len(rows)}
    pyarrow.parquet.write_table(pa.table({"ts": column, **others}), tmp_path / "trades.parquet")
    assert read_trades(tmp_path / "trades.parquet").at.tolist() == [second * SECOND for second, _ in rows]


NOW = datetime(2024, 1, 31, 14, 5, tzinfo=UTC)
NO_TIMES = {
    "row numbers from 0": (range(5), "a row number"),
    "row numbers from 1": (range(1, 6), "a row number"),
    "seconds after midnight": ([34_200.5, 34_200.7, 40_000.1, 57_600], "seconds after midnight without their date"),
    "ms after midnight": ([34_200_000 + 60_000 * i for i in range(5)], "ms after midnight"),
    "us after midnight": ([34_200_000_000 + 60_000_000 * i for i in range(5)], "us after midnight"),
    "ns after midnight": ([34_200_000_000_000 + MINUTE * i for i in range(5)], "ns after midnight"),
    "minutes since 1970": ([START // MINUTE + i for i in range(5)], "minutes since 1970"),
    "hours since 1970": ([START // HOUR + i for i in range(5)], "hours since 1970"),
    "days since 1970": ([START // DAY + i for i in (0, 1, 4, 5)], "looks like days since 1970"),
    "days of a spreadsheet": ([45_292, 45_293, 45_296], "looks like days of a spreadsheet"),
    "times of a spreadsheet": ([45_292 + i / 1_440 for i in range(5)], "days of a spreadsheet"),
    "Julian days": ([2_460_310.5 + i for i in range(5)], "Julian days"),
    "a date as a number": ([int(f"{NOW + timedelta(days=i):%Y%m%d}") for i in range(5)], "YYYYMMDD"),
    "a date and an hour": ([int(f"{NOW + timedelta(hours=i):%Y%m%d%H%M}") for i in range(5)], "YYYYMMDDHHMM"),
    "a date and seconds": ([int(f"{NOW + timedelta(seconds=i):%Y%m%d%H%M%S}") for i in range(5)], "YYYYMMDDHHMMSS"),
    "a date and ms": ([int(f"{NOW + timedelta(seconds=i):%Y%m%d%H%M%S}000") for i in range(5)], "YYYYMMDDHHMMSSmmm"),
    "a short date": ([int(f"{NOW + timedelta(days=i):%y%m%d}") for i in range(5)], "YYMMDD"),
    "a short date and an hour": ([int(f"{NOW + timedelta(hours=i):%y%m%d%H%M}") for i in range(40)], "YYMMDDHHMM"),
    "100 ns since 1601": ([(START + i * MINUTE) // 100 + 116_444_736_000_000_000 for i in range(5)], "since 1601"),
    "100 ns since the year 1": ([(START + i * MINUTE) // 100 + 621_355_968_000_000_000 for i in range(5)], "since the year 1, as in .NET"),
    "seconds since 1900": ([START // SECOND + 2_208_988_800 + i for i in range(5)], "seconds since 1900"),
    "a missing time of pandas": ([START, -(2**63)], "row 2 has the ts -9223372036854775808, which stands for a missing time"),
    "a zero among times": ([START, 0], "row 2 has the ts 0, which stands for a missing time"),
    "beyond all units": ([9 * 10**18], "is no time from 1980 to 2070"),
    "beyond int64": ([1.7e25], "is no time from 1980 to 2070"),
    "ms in 32 bits": ([(1_735_600_200_000 + 300_000 * i) % 2**32 for i in range(40)], "ms or us cut to 32 bits"),
    "us in 32 bits": ([(1_735_601_200_000_000 + 60_000_000 * i) % 2**32 for i in range(6)], "ms or us cut to 32 bits"),
    "rounded by a spreadsheet": (["1.70407E+12"] * 2 + ["1.70408E+12"], "is rounded"),
}  # fmt: skip


@pytest.mark.parametrize(("stamps", "looks"), NO_TIMES.values(), ids=NO_TIMES.keys())
def test_a_number_that_is_no_time_is_refused_with_a_guess(tmp_path: Path, stamps: Sequence[object], looks: str) -> None:
    line = refusal(tmp_path, stamps)
    assert looks in line
    assert line.endswith(": write it as 2024-01-31T00:00:00Z or as whole ms or ns since 1970")


@pytest.mark.parametrize("step", [1_000, 7_200, 86_400, 7 * 86_400, 364 * 86_400])
def test_bars_of_every_usual_length_in_seconds_are_not_taken_for_cut_numbers(tmp_path: Path, step: int) -> None:
    stamps = [1_104_537_600 + step * i for i in range(20)]
    assert read_csv(tmp_path, stamps) == [second * SECOND for second in stamps]


def test_seconds_that_may_pass_for_a_short_date_are_still_read(tmp_path: Path) -> None:
    first = 1_704_010_000  # 2017-04-01 00:00 as YYMMDDHHMM
    assert read_csv(tmp_path, [first + 60 * i for i in range(300)])[-1] == (first + 60 * 299) * SECOND


@pytest.mark.parametrize("unit", [SECOND, 10**6])
def test_a_history_that_begins_before_1980_is_read_where_it_goes_on(tmp_path: Path, unit: int) -> None:
    days = [datetime(1979, 12, 1, tzinfo=UTC) + timedelta(days=i) for i in range(60)]
    expected = [int(day.timestamp()) * SECOND for day in days]
    assert read_csv(tmp_path, [at // unit for at in expected]) == expected
    assert "row 1 has the ts 0," in refusal(tmp_path, [0, *(at // unit for at in expected[40:])])


READ = {
    "int32 seconds": pa.array([START // SECOND, START // SECOND + 60], pa.int32()),
    "uint32 seconds": pa.array([START // SECOND, START // SECOND + 60], pa.uint32()),
    "uint64 ns": pa.array([START, START + MINUTE], pa.uint64()),
    "decimals": pa.array([Decimal(START), Decimal(START + MINUTE)]),
    "double ms": pa.array([START / 1e6, (START + MINUTE) / 1e6]),
    "text of ms": pa.array([str(START // 10**6), f" {(START + MINUTE) // 10**6} "]),
    "text of seconds": pa.array([f"{START // SECOND}.0", f"+{START // SECOND + 60}.000"]),
    "text in a dictionary": pa.array([iso(START), iso(START + MINUTE)]).dictionary_encode(),
    "numbers in a dictionary": pa.array([START, START + MINUTE]).dictionary_encode(),
    "text with UTC after it": pa.array(["2024-01-01 00:00:00 UTC", "2024-01-01 00:01:00 UTC"]),
    "text with spaces": pa.array([" 2024-01-01T00:00:00Z", "2024-01-01T00:01:00Z "]),
    "a zone": pa.array([START // SECOND, START // SECOND + 60], pa.timestamp("s", "America/New_York")),
    "bytes": pa.array([b"2024-01-01T00:00:00Z", b"2024-01-01T00:01:00Z"]),
}


@pytest.mark.parametrize("stamps", READ.values(), ids=READ.keys())
def test_a_time_is_read_whatever_its_type(tmp_path: Path, stamps: pa.Array) -> None:
    assert read_parquet(tmp_path, stamps) == [START, START + MINUTE]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_dates_are_midnights_in_utc(tmp_path: Path, kind: pa.DataType) -> None:
    assert read_parquet(tmp_path, pa.array([date(2024, 1, 1), date(2024, 1, 2)], kind)) == [START, START + DAY]


def test_a_double_is_read_to_the_microsecond_it_can_hold(tmp_path: Path) -> None:
    tenths = [START + i * SECOND // 10 for i in range(1, 10)]
    assert read_parquet(tmp_path, pa.array([at / 1e9 for at in tenths])) == tenths


REFUSED = {
    "float32": (pa.array([START / 1e9] * 2, pa.float32()), "the column ts is float, which keeps about 7 digits"),
    "a time of day": (pa.array([time(9, 30)]), "a time of day without its date"),
    "a truth": (pa.array([True, False]), "the column ts is bool"),
    "a list": (pa.array([[1]]), "the column ts is list"),
    "the year 9999": (pa.array([START // 10**3, 253_370_764_800_000_000], pa.timestamp("us")), "row 2 has the ts 9999-01-01T00:00:00"),
    "the year 40000": (pa.array([2**60], pa.timestamp("us")), "outside of 1700 to 2070"),
    "text of the year 1": (pa.array(["0001-01-01T00:00:00Z"]), "row 1 has the ts 0001-01-01"),
    "the last of pandas' times": (pa.array([START, 2**63 - 1], pa.timestamp("ns")), "row 2 has the ts 2262-04-11"),
    "ms taken for ns": (pa.array([START // 10**6, START // 10**6 + 60], pa.timestamp("ns")), "all of its ts lie in January 1970"),
    "a zero time": (pa.array([0, START], pa.timestamp("ns")), "row 1 has the ts 0 (1970-01-01), as for a missing time"),
    "a zone in some": (pa.array(["2024-01-01T00:00:00Z"] * 3 + ["2024-01-01T00:01"]), "row 4 has the ts '2024-01-01T00:01' with no zone, row 1"),
    "no zone in some": (pa.array(["2024-01-01", "2024-01-02T00:01:00+01:00"]), "row 2 has the ts '2024-01-02T00:01:00+01:00' with a zone, row 1 has"),
    "no such day": (pa.array(["2024-01-01", "2024-02-30"]), "row 2 has the ts '2024-02-30': write it as 2024-01-31T00:00:00Z"),
    "day before month": (pa.array(["31.01.2024 00:00"]), "row 1 has the ts '31.01.2024 00:00': write it as"),
}  # fmt: skip


@pytest.mark.parametrize(("stamps", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_column_that_holds_no_time_is_refused_in_one_line(tmp_path: Path, stamps: pa.Array, message: str) -> None:
    assert message in refusal(tmp_path, stamps)


def wall_clock(zone: str, since: str, bars: int) -> list[str]:
    """What a clock on a wall shows every five minutes."""
    first = datetime.fromisoformat(since).replace(tzinfo=UTC)
    return [f"{(first + timedelta(minutes=5 * i)).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}" for i in range(bars)]


@pytest.mark.parametrize(
    ("zone", "since", "remedy"),
    [
        ("Europe/Berlin", "2024-10-26T22:00", "2024-10-27T02:00:00+01:00"),
        ("Europe/London", "2024-10-26T22:00", "2024-10-27T01:00:00+00:00"),
        ("America/New_York", "2024-11-03T03:00", "2024-11-03T01:00:00-05:00"),
    ],
)
def test_a_local_clock_set_back_is_named_and_no_row_is_to_be_moved_or_dropped(tmp_path: Path, zone: str, since: str, remedy: str) -> None:
    stamps = wall_clock(zone, since, 60)
    line = refusal(tmp_path, stamps)
    assert "goes back in time, to 2024-1" in line
    assert line.endswith(f", as a clock in {zone} does when summer time ends: write ts in UTC or with its offset, as {remedy}")
    rows = [(stamp, *REST[:4], volume) for volume, stamp in enumerate(sorted(stamps))]  # what is left of them once they are sorted
    with pytest.raises(BadRecording, match=f"a clock in {zone} has that hour twice, so write ts in UTC or with its offset, as {remedy[:11]}"):
        read_bars(write(tmp_path, "A", "bars", BAR, rows))


def test_the_reason_why_a_file_goes_back_is_named(tmp_path: Path) -> None:
    halves = [f"2024-01-01 {hour or 12:02d}:{minute:02d}" for hour in range(3) for minute in (0, 30)]
    assert refusal(tmp_path, halves).endswith("as a 12-hour clock without AM and PM does: write the hours as 0 to 23")
    assert refusal(tmp_path, [START + i * MINUTE for i in (3, 2, 1)]).endswith(", as do all rows: reverse their order")
    assert refusal(tmp_path, [START + i * MINUTE for i in (1, 3, 2)]).endswith(
        "row 3 goes back in time, to 2024-01-01T00:02:00.000Z from 2024-01-01T00:03:00.000Z: sort the file by ts"
    )


@pytest.mark.parametrize(
    ("zone", "hours", "utc"), [("America/New_York", 24, 5), ("Europe/London", 24, 0), ("Australia/Sydney", 24, 14), ("America/New_York", 4, 1)]
)
def test_days_of_a_zone_with_summer_time_are_on_one_clock_and_never_known_early(tmp_path: Path, zone: str, hours: int, utc: int) -> None:
    days = [datetime(2022, 1, 3) + timedelta(hours=hours * i) for i in range(500 * 24 // hours)]  # noqa: DTZ001 - of the zone
    stamps = [day.replace(tzinfo=ZoneInfo(zone)) for day in days if day.weekday() < 5]
    true = [int(stamp.timestamp()) * SECOND for stamp in stamps]
    read = read_csv(tmp_path, [stamp.isoformat() for stamp in stamps])
    assert {at % (hours * HOUR) for at in read} == {utc * HOUR}
    late = np.array(read) - np.array(true)
    assert set(late.tolist()) == {0, HOUR}
    feed = RecordedFeed(tmp_path)
    assert feed.counts[0].moved_bars == (late > 0).sum()
    assert f"{(late > 0).sum():,} bars of summer time moved to the opening time of winter" in describe_data(feed)[0]


def test_days_of_two_zones_have_no_common_clock(tmp_path: Path) -> None:
    for symbol, hour in (("A", "00"), ("B", "05")):
        write(tmp_path, symbol, "bars", BAR, [(f"2024-01-{day:02d}T{hour}:00:00Z", *REST) for day in range(1, 20)])
    with pytest.raises(BadRecording) as refused:
        RecordedFeed(tmp_path)
    assert str(refused.value).endswith(
        "off the clock of 86,400 s, the first at 2024-01-01T05:00:00Z and not at 00:00:00Z: days of another zone, so write each bar's date alone, "
        "as 2024-01-01"
    )


def test_bars_that_are_on_no_clock_are_refused_for_the_reason(tmp_path: Path) -> None:
    jitter = np.random.default_rng(1).integers(-4, 5, 50) * 10**6
    assert refusal(tmp_path, [START + (i + 1) * MINUTE + int(jitter[i]) for i in range(50)]) == (
        "bars.csv: its bars open up to 4 ms off a clock of 60 s: round ts to whole seconds"
    )
    assert refusal(tmp_path, [START + (i + 1) * MINUTE + 400 * int(jitter[i]) for i in range(50)]).endswith(
        "ms off a clock of 60 s: round ts to whole minutes"
    )
    months = [f"{year}-{month:02d}-01" for year in (2022, 2023) for month in range(1, 13)]
    assert refusal(tmp_path, months) == "bars.csv: its bars are 28 to 31 days apart, and months differ in length: give daily bars"


def test_the_docs_name_all_that_is_taken_for_no_time() -> None:
    text = " ".join(DOCS.read_text().split())
    for name in (*timestamps.COUNTED, *timestamps.WRITTEN, "row numbers", "100 ns since the year 1", "1980 to 2070", "1700 to 2070"):
        assert name.removesuffix(" without their date") in text, name
