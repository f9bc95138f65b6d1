"""Schedules of five fields, compared with the scheduler's own parser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.optimizer.cron import GRACE_MINUTES, MINUTE, is_due, last_due, parse_schedule

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def minutes(text: str, begin: datetime, count: int) -> list[datetime]:
    first = int((begin - EPOCH).total_seconds()) // 60
    return [EPOCH + timedelta(minutes=minute) for minute in range(first, first + count) if is_due(text, minute)]


EARLY = ((2, "05:00"), (2, "05:30"), (2, "17:00"), (2, "17:30"), (3, "05:00"), (3, "05:30"))


@pytest.mark.parametrize(
    ("text", "begin", "due"),
    [
        ("30 3 * * *", datetime(2026, 2, 28, tzinfo=UTC), ["02-28 03:30", "03-01 03:30"]),
        ("0 12 29 2 *", datetime(2028, 2, 28, tzinfo=UTC), ["02-29 12:00"]),
        ("0 0 * * sun", datetime(2026, 11, 21, tzinfo=UTC), ["11-22 00:00"]),
        ("0 0 * * 7", datetime(2026, 11, 21, tzinfo=UTC), ["11-22 00:00"]),
        ("0 6 1 * mon", datetime(2026, 6, 29, tzinfo=UTC), ["06-29 06:00"]),  # a Monday: either day is enough
        ("0 6 1 * mon", datetime(2026, 7, 1, tzinfo=UTC), ["07-01 06:00"]),  # a first
        ("5,10-12 0 * jan-mar *", datetime(2026, 3, 31, tzinfo=UTC), ["03-31 00:05", "03-31 00:10", "03-31 00:11", "03-31 00:12"]),
        ("0,30 5/12 * * *", datetime(2026, 1, 1, 17, tzinfo=UTC), ["01-01 17:00", "01-01 17:30", *(f"01-0{day} {time}" for day, time in EARLY)]),
    ],
)  # fmt: skip
def test_the_times_a_schedule_names(text: str, begin: datetime, due: list[str]) -> None:
    assert [f"{minute:%m-%d %H:%M}" for minute in minutes(text, begin, 2 * 24 * 60)] == due


fields = st.tuples(
    st.sampled_from(["*", "0", "*/7", "3,41", "10-20/3"]),
    st.sampled_from(["*", "3", "*/5", "22-23"]),
    st.sampled_from(["*", "1", "28-31", "*/9"]),
    st.sampled_from(["*", "2", "jan,dec", "4-9"]),
)


@given(fields, st.integers(0, 40_000))
@settings(max_examples=40, deadline=None)
def test_it_reads_a_schedule_as_the_scheduler_does(fields: tuple[str, str, str, str], day: int) -> None:
    text = f"{' '.join(fields)} *"
    begin = EPOCH + timedelta(days=day)
    trigger = CronTrigger.from_crontab(text, timezone=UTC)
    ours = minutes(text, begin, 24 * 60)
    theirs: list[datetime] = []
    after = begin - timedelta(seconds=1)
    while (due := trigger.get_next_fire_time(None, after + timedelta(microseconds=1))) is not None and due < begin + timedelta(days=1):
        theirs.append(due)
        after = due
        if len(theirs) > 24 * 60:
            break
    assert ours == theirs


@pytest.mark.parametrize(
    "text",
    [
        "", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *", "*/0 * * * *", "5-1 * * * *", "1/ * * * *",
        "\u0661 * * * *",
    ],
)  # fmt: skip
def test_an_invalid_schedule_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="is not a schedule") as error:
        parse_schedule(text)
    assert "\n" not in str(error.value)


def test_a_missed_time_counts_within_its_grace_only() -> None:
    three = 3 * 60 * MINUTE
    assert last_due("0 3 * * *", three + (GRACE_MINUTES - 1) * MINUTE) == three
    assert last_due("0 3 * * *", three + GRACE_MINUTES * MINUTE) is None


@pytest.mark.parametrize("year", [1970, 1972, 1999, 2000, 2001, 2026, 2100, 2400])
def test_every_day_of_a_year_has_its_date_and_weekday(year: int) -> None:
    for number in range((datetime(year + 1, 1, 1, tzinfo=UTC) - datetime(year, 1, 1, tzinfo=UTC)).days):
        day = datetime(year, 1, 1, 23, 59, tzinfo=UTC) + timedelta(days=number)
        minute = int((day - EPOCH).total_seconds()) // 60
        assert is_due(f"59 23 {day.day} {day.month} *", minute)
        assert not is_due(f"59 23 {day.day % 28 + 1} {day.month} *", minute)
        assert is_due(f"* * * * {day.isoweekday() % 7}", minute)
        assert not is_due(f"* * * * {(day.isoweekday() + 1) % 7}", minute)


@pytest.mark.parametrize(
    ("text", "days"), [("*/2", (0, 2, 4, 6)), ("5/1", (5, 6)), ("mon-wed", (1, 2, 3)), ("5-7", (0, 5, 6)), ("7", (0,)), ("sat,sun", (0, 6))]
)
def test_weekdays_are_counted_from_sunday(text: str, days: tuple[int, ...]) -> None:
    assert parse_schedule(f"* * * * {text}")[4] == frozenset(days)


@pytest.mark.parametrize(
    ("text", "place", "meant"),
    [("*/20", 0, (0, 20, 40)), ("50/4", 0, (50, 54, 58)), ("10-20/5", 0, (10, 15, 20)), ("0", 0, (0,)), ("59", 0, (59,)), ("23", 1, (23,)),
     ("31", 2, (31,)), ("*/10", 2, (1, 11, 21, 31)), ("jan", 3, (1,)), ("nov-dec", 3, (11, 12))],
)  # fmt: skip
def test_a_field_names_these(text: str, place: int, meant: tuple[int, ...]) -> None:
    assert parse_schedule(" ".join(text if field == place else "*" for field in range(5)))[place] == frozenset(meant)


@pytest.mark.parametrize(
    ("days", "weekdays", "either"), [("1", "1", True), ("*", "1", False), ("1", "*", False), ("*/2", "1", False), ("1", "*/2", False)]
)
def test_either_kind_of_day_is_enough_only_where_both_are_restricted(days: str, weekdays: str, either: bool) -> None:
    assert parse_schedule(f"0 0 {days} * {weekdays}")[5] is either


def test_the_newest_time_within_its_grace_is_the_one_that_is_due() -> None:
    assert last_due("*/5 * * * *", 17 * MINUTE + 1) == 15 * MINUTE
    assert last_due("*/5 * * * *", 15 * MINUTE) == 15 * MINUTE
    assert last_due("*/5 * * * *", 15 * MINUTE - 1) == 10 * MINUTE
