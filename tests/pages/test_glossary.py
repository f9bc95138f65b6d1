"""The glossary: every tooltip on a page comes from it, and docs/glossary.md says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pages.ui import glossary, tables, widgets
from pages.ui.tables import Column, TableRow

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (?P<term>[^|]+) \| (?P<meaning>[^|]+) \| (?P<where>[^|]+) \|$", re.MULTILINE)
TERM = re.compile(r"""term="([^"]+)"|glossary\.define\(["']([^"']+)["']\)""")


def documented() -> dict[str, str]:
    """The terms of docs/glossary.md with their meanings."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    return {row["term"].strip(): row["meaning"].strip() for row in ROW.finditer(text)}


def test_every_term_on_screen_is_documented_with_the_same_sentence() -> None:
    rows = {term.lower(): meaning for term, meaning in documented().items()}
    assert {term: rows.get(term) for term in glossary.TERMS} == glossary.TERMS


def test_the_documented_terms_are_in_alphabetical_order_without_duplicates() -> None:
    terms = [term.lower() for term in documented() if term != "Term"]
    assert terms == sorted(set(terms))


@pytest.mark.parametrize("term", glossary.TERMS)
def test_a_definition_is_one_plain_sentence(term: str) -> None:
    sentence = glossary.define(term)
    assert term == term.lower()
    assert sentence.endswith(".")
    assert sentence[0].isupper()
    assert len(sentence) <= 160


def test_every_term_named_on_a_page_is_in_the_glossary() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "pages").rglob("*.py"))
    named = {name for match in TERM.finditer(source) for name in match.groups() if name}
    assert len(named) > 20
    assert not [name for name in named if not glossary.find_definition(name)]


@pytest.mark.parametrize(
    ("label", "term"),
    [
        ("Edge, bps", "edge"),
        ("Stale bars", "stale bar"),
        ("Skill (R², 1 bar)", "skill"),
        ("Intent and reason", "intent"),
        ("95 % interval", "95 % interval"),
    ],
)
def test_a_label_finds_its_term(label: str, term: str) -> None:
    assert glossary.find_definition(label) == glossary.define(term)


def test_a_word_that_is_no_term_has_no_tooltip_and_cannot_be_defined() -> None:
    assert glossary.find_definition("Symbol") == ""
    with pytest.raises(KeyError):
        glossary.define("symbol")


def test_tiles_column_heads_and_row_labels_have_tooltips() -> None:
    title = f'title="{glossary.define("stale bar")}"'
    assert title in widgets.render_tiles([widgets.Tile("Stale bars", "0.1 %")])
    assert title in widgets.render_tiles([widgets.Tile("Bars", "0.1 %", term="stale bar")])
    assert title in tables.render_table([Column("Stale bars")], [], label="")
    assert title in tables.render_table([Column(""), Column("")], [TableRow("1", ("Stale bars", "2"))], label="")
    assert "title=" not in tables.render_table([Column("Symbol")], [TableRow("1", ("Stale bars",))], label="")
