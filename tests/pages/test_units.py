"""Figures into words: a unit on each, a true minus, and words where there is no figure."""

from __future__ import annotations

import math

import pytest

from engine import units
from pages.ui import tables
from pages.ui.tables import Cell, Column, TableRow


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (units.format_bps(12.34), "12.3 bps"),
        (units.format_bps(-0.04, signed=True), "0.0 bps"),
        (units.format_bps(-3.2, signed=True), "\N{MINUS SIGN}3.2 bps"),
        (units.format_bps(math.nan), "\N{EN DASH}"),
        (units.format_bps(None, missing=units.NOT_ENOUGH), "not enough data"),
        (units.format_percent(0.9998, 2), "99.98 %"),
        (units.format_money(1234567.8), "1,234,568"),
        (units.format_price(56090.4), "56,090"),
        (units.format_price(9.21304), "9.2130"),
        (units.format_price(1.2e-8), "0.000000012000"),
        (units.format_price(9.99996), "10.000"),
        (units.format_price_step(0.01), "0.01"),
        (units.format_price_step(1e-12), "0.000000000001"),
        (units.format_price_step(10.0), "10"),
        (units.format_quantity(1.50), "1.5"),
        (units.format_quantity(0.03668), "0.0367"),
        (units.format_quantity(1204.0), "1,204"),
        (units.format_bytes(25_300_000_000), "25.3 GB"),
        (units.format_bytes(512), "512 B"),
        (units.format_age(6.2), "6 s"),
        (units.format_age(250), "4 min"),
        (units.format_age(90_000), "25 h"),
        (units.format_age(200_000), "2 d"),
        (units.format_ms(0.314), "0.31 ms"),
        (units.format_interval(-1.0, 2.5, 1, "bps"), "\N{MINUS SIGN}1.0..2.5 bps"),
        (units.format_interval(None, 2.5), "not enough data"),
        (units.format_bar_length(60_000_000_000), "1 min"),
        (units.format_bar_length(300_000_000_000), "5 min"),
        (units.format_count(1, "bar"), "1 bar"),
        (units.format_count(12, "bar"), "12 bars"),
        (units.format_time(1_704_067_200_000_000_000), "2024-01-01 00:00:00"),
    ],
)
def test_a_figure_in_words(told: str, words: str) -> None:
    assert told == words


def test_what_comes_from_outside_is_text_and_no_markup() -> None:
    line = TableRow("<x>", ("<script>alert(1)</script>", Cell("<b>", small="<i>")), link='/decision?symbol="><img>')
    html = tables.render_table((Column("<a>"), Column("B", right=True)), [line], label='"><b>')
    assert "<script>" not in html
    assert "<img>" not in html
    assert "<i>" not in html.replace("<i style", "")


def test_a_table_tells_its_columns_also_where_it_becomes_cards() -> None:
    html = tables.render_table((Column("Gate"), Column("Share, %", right=True)), [TableRow("1", ("spread", "12"))], label="Gates")
    assert 'data-label="Share, %"' in html
    assert '<th scope="col"' in html
