"""Tables as HTML: what comes from outside is text, and every value keeps its column's label."""

from __future__ import annotations

from pages.ui import glossary, tables
from pages.ui.tables import Cell, Column, TableRow


def test_what_comes_from_outside_is_text_and_no_markup() -> None:
    line = TableRow("<x>", ("<script>alert(1)</script>", Cell("<b>", small="<i>")), link='/decision?symbol="><img>')
    html = tables.render_table((Column("<a>"), Column("B", right=True)), [line], label='"><b>')
    assert "<script>" not in html
    assert "<img>" not in html
    assert "<i>" not in html.replace("<i style", "")


def test_a_table_names_its_columns_also_where_it_becomes_cards() -> None:
    html = tables.render_table((Column("Gate"), Column("Share, %", right=True)), [TableRow("1", ("spread", "12"))], label="Gates")
    assert 'data-label="Share, %"' in html
    assert '<th scope="col"' in html


def test_the_first_cell_of_a_row_is_explained_where_the_table_has_no_heads() -> None:
    html = tables.render_table(tables.PAIR_COLUMNS, [TableRow("a", ("Book imbalance, within ±1", "0.2"))], label="Pairs")
    assert f'title="{glossary.define("book imbalance")}">Book imbalance' in html
    assert html.count("title=") == 1
