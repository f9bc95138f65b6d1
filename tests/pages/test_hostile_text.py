"""Stored text stays text on every page: nothing in it is drawn as HTML, as Markdown or by Plotly, so nothing is loaded, linked or styled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from pages.ui import charts, tables, widgets
from pages.ui.tables import Cell, Column, TableRow
from tests.pages.hostile import hostile, hostile_store
from tests.pages.sent import joined, sent_value
from tests.pages.stores import NOW, SECOND, beat
from tests.pages.test_pages import PAGES, run

OURS = frozenset({
    "div", "span", "b", "i", "h1", "br", "small", "table", "thead", "tbody", "tr", "th", "td", "a", "svg", "path", "style",
    "button", "details", "summary",
})  # fmt: skip
NAMES = frozenset({
    "class", "style", "role", "scope", "aria-label", "aria-level", "aria-hidden", "data-label", "data-id", "data-link", "href", "target", "title",
    "data-step", "data-reveal", "data-part", "data-past", "data-digest", "aria-sort", "data-act", "type", "aria-disabled",
    "viewbox", "preserveaspectratio", "d", "fill", "stroke", "stroke-width", "vector-effect", "tabindex", "colspan", "data-since", "data-until",
})  # fmt: skip
IN_CHARTS = re.compile(r'</?b>|<br>|<extra></extra>|<span style="color:(#\w{6}|rgba?\([\d., ]+\))">|</span>')
PLAIN_FIELDS = {"id", "form_id", "options", "raw_values", "formatted_options", "default", "raw_value", "placeholder", "value"}  # of widgets
VIEWS: list[tuple[str, dict[str, str]]] = [
    *((page, {}) for page in PAGES),
    ("10_optimizer.py", {"view": "History", "trial": "1"}), ("10_optimizer.py", {"view": "Savings"}), ("10_optimizer.py", {"view": "Rules"}),
    ("07_backtests.py", {"runs": "20260101-000002-2,20260101-000001-1"}),
]  # fmt: skip
WITHOUT_NAMES = {"09_resources.py"}
MARKERS = ("<sup>", "<img", "![a]", "**bold**", ":red[", ":material/home:", "$x^2$", "# HEADING", "[go](")


class Tags(HTMLParser):
    """Every tag with its attributes, and the text between."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_only_ours(markup: str) -> None:
    """No tag, attribute, style or link but those a page makes itself."""
    for tag, attributes in Tags(markup).tags:
        assert tag in OURS, tag
        assert set(attributes) <= NAMES, attributes
        assert attributes.get("href", "/").startswith(("/", "?")), attributes
        assert not attributes.get("href", "/").startswith("//"), attributes
        assert "url(" not in attributes.get("style", ""), attributes


def messages(app: AppTest) -> Iterator[Any]:
    """What each element of the page sends to the browser."""
    waiting: list[Any] = list(app._tree.children.values())
    while waiting:
        node = waiting.pop()
        waiting += getattr(node, "children", {}).values()
        if getattr(node, "proto", None) is not None:
            yield node.proto


def texts(message: Any) -> Iterator[tuple[str, str]]:
    """Every text in it, with the name of its field."""
    for field, value in message.ListFields():
        for part in value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]:
            if isinstance(part, str):
                yield field.name, part
            elif hasattr(part, "ListFields"):
                yield from texts(part)


def strings(content: object) -> Iterator[str]:
    """Every text of a figure, wherever it stands, but what a click leads to."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            yield from strings(part)
    elif isinstance(content, dict):
        for key, part in content.items():
            if key != "customdata":
                yield from strings(part)


@pytest.fixture(scope="module")
def hostile_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("hostile")
    url = hostile_store(folder)
    beat(folder, NOW + 3_600 * SECOND)
    return url


@pytest.mark.parametrize(("page", "query"), VIEWS)
def test_no_text_of_the_store_is_more_than_text_on_a_page(page: str, query: dict[str, str], hostile_url: str) -> None:
    app = run(page, hostile_url, **query)
    assert not app.exception
    shown, sent = list(messages(app)), ""
    for message in shown:
        name = message.DESCRIPTOR.name
        if name == "Markdown":
            assert_one_block(message.body)
        elif name == "Html":  # no Markdown is made of it
            assert_only_ours(message.body)
        elif name == "BidiComponent":
            sent += assert_component(message)
        else:
            labels = [text for field, text in texts(message) if field not in PLAIN_FIELDS]
            assert not [text for text in labels if any(marker in text for marker in MARKERS)], name
    assert "bold" in sent + "".join(text for message in shown for _, text in texts(message)) or page in WITHOUT_NAMES


def assert_one_block(body: str) -> None:
    """One block of HTML to Markdown's rules: it opens with a block's tag and has no end of line in it."""
    assert re.match(r"<(div|table)[ >]", body), body[:80]
    assert not re.search(r"[\r\n]", body)
    assert_only_ours(body)


def assert_component(message: Any) -> str:
    """Check what a component is sent, and return its text."""
    sent = next((text for field, text in texts(message) if field == "json"), "")
    if not sent:  # the switch for notifications is given nothing
        return ""
    content = orjson.loads(sent)
    if "frame" in content:  # what a page's script runs again for: switches, heights and counts
        assert re.fullmatch(r"[\w .|-]*", content["frame"]), content
        return ""
    if "every" in content:  # seconds after which a part runs again
        assert set(content) == {"every"}
        assert isinstance(content["every"], int | float)
        return ""
    if "digest" not in content:
        assert content == {"toured": False, "known": {"since": None, "toured": None}}  # the memory of the browser, which is given no text
        return ""
    value = sent_value(sent)
    if isinstance(value, list):
        assert_only_ours(joined(value))
        return joined(value)
    for text in strings(value):
        left = IN_CHARTS.sub("", text)
        assert "<" not in left, left
        assert ">" not in left, left
        assert "\n" not in left, left
    return " ".join(strings(value))


@given(st.text() | st.text(st.sampled_from("<>&\"'\n\r =/abi![](){}*_`$:#")))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    markup = tables.render_table([Column(text)], [TableRow(text, (Cell(text, small=text),), link="/decision")], label=text)
    assert_only_ours(markup)
    assert Tags(markup.translate(widgets.LINE_ENDS)).text == text + text + (f" {text}" if text else "")
    assert_only_ours(widgets.render_notice(text, word=text, colour="red"))
    assert not re.search(r"[<>]", charts.escape_text(text))
    assert re.fullmatch(r"[\w ]*", widgets.button_label(text))


def test_the_hostile_text_is_hostile() -> None:
    tags = {tag for tag, _ in Tags(hostile()).tags}
    assert {"img", "script", "iframe", "a", "svg", "sup"} <= tags
    assert all(marker in hostile() for marker in MARKERS)
