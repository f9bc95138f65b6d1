"""Figures into words: a unit on each, a true minus, and words where there is no figure."""

from __future__ import annotations

import math

import pytest

from pages.parts import tables, units
from pages.parts.tables import Cell, Column, Line


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (units.bps(12.34), "12.3 bps"),
        (units.bps(-0.04, signed=True), "0.0 bps"),
        (units.bps(-3.2, signed=True), "\N{MINUS SIGN}3.2 bps"),
        (units.bps(math.nan), "\N{EN DASH}"),
        (units.bps(None, missing=units.NOT_ENOUGH), "not enough data"),
        (units.percent(0.9998, 2), "99.98 %"),
        (units.money(1234567.8), "1,234,568"),
        (units.price(56090.4), "56,090"),
        (units.price(9.21304), "9.2130"),
        (units.price(1.2e-8), "0.000000012000"),
        (units.price(9.99996), "10.000"),
        (units.price_step(0.01), "0.01"),
        (units.price_step(1e-12), "0.000000000001"),
        (units.price_step(10.0), "10"),
        (units.size(1.50), "1.5"),
        (units.size(0.03668), "0.0367"),
        (units.size(1204.0), "1,204"),
        (units.data(25_300_000_000), "25.3 GB"),
        (units.data(512), "512 B"),
        (units.age(6.2), "6 s"),
        (units.age(250), "4 min"),
        (units.age(90_000), "25 h"),
        (units.age(200_000), "2 d"),
        (units.ms(0.314), "0.31 ms"),
        (units.interval(-1.0, 2.5, 1, "bps"), "\N{MINUS SIGN}1.0..2.5 bps"),
        (units.interval(None, 2.5), "not enough data"),
        (units.bars(60_000_000_000), "1 min"),
        (units.bars(300_000_000_000), "5 min"),
        (units.count(1, "bar"), "1 bar"),
        (units.count(12, "bar"), "12 bars"),
        (units.moment(1_704_067_200_000_000_000), "2024-01-01 00:00:00"),
    ],
)
def test_a_figure_in_words(told: str, words: str) -> None:
    assert told == words


def test_what_comes_from_outside_is_text_and_no_markup() -> None:
    line = Line("<x>", ("<script>alert(1)</script>", Cell("<b>", small="<i>")), link='/decision?symbol="><img>')
    html = tables.html((Column("<a>"), Column("B", right=True)), [line], label='"><b>')
    assert "<script>" not in html
    assert "<img>" not in html
    assert "<i>" not in html.replace("<i style", "")


def test_a_table_tells_its_columns_also_where_it_becomes_cards() -> None:
    html = tables.html((Column("Gate"), Column("Share, %", right=True)), [Line("1", ("spread", "12"))], label="Gates")
    assert 'data-label="Share, %"' in html
    assert '<th scope="col"' in html
