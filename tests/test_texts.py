"""Values in messages: short, on one line, and harmless to a terminal."""

from __future__ import annotations

import pytest

from engine.domain.texts import find_control_character, on_one_line, shorten

FAULTY = ("a\0b", "a\nb", "a\x1b[31mb", "a\x7fb", "a\x85b", "a\ud800b", "a\u2028b")


@pytest.mark.parametrize("text", FAULTY)
def test_characters_that_are_no_text_are_named_with_their_place(text: str) -> None:
    assert str(find_control_character(text)).endswith(f"(U+{ord(text[1]):04X}) at place 2")
    assert on_one_line(text).isprintable()
    assert shorten(text).isprintable()


@pytest.mark.parametrize("text", ["", "BTC/USDT", "Zürich 株式", "a b", "emoji \U0001f600", "%2F?#:"])
def test_plain_text_has_no_fault_and_stays_as_it_is(text: str) -> None:
    assert find_control_character(text) is None
    assert on_one_line(text) == text
    assert shorten(text) == repr(text)


@pytest.mark.parametrize("value", ["a" * 10_000, 10**5_000, 10**4_000, ["a"] * 5_000], ids=("text", "huge", "long", "list"))
def test_a_long_value_is_shortened(value: object) -> None:
    assert len(shorten(value)) < 80


def test_a_long_word_of_a_message_is_shortened_and_the_rest_stays() -> None:
    assert on_one_line(f"no {'a' * 10_000}:\n give  another") == f"no {'a' * 40}...(10,001 letters) give another"
