"""What a report is made of, whatever it is written as; every text in it may hold anything and is escaped where it is written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under their heads; the first `left` columns are text, the others figures."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


@dataclass(frozen=True, slots=True)
class LineChart:
    """Values over time, each line with its name; a form without pictures leaves them away."""

    names: tuple[str, ...]
    at: tuple[int, ...]  # ns UTC
    values: tuple[tuple[float, ...], ...]  # a line each
    label: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Paragraph | Table | LineChart, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    about: str  # one line under the title: what it covers
    lead: str  # the day in one paragraph
    sections: tuple[Section, ...]
