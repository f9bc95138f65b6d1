"""Reasons that are added to a command later: beside its record, never in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.domain.trading_config import Command
from engine.store.inbox import Inbox
from engine.store.read.command_notes import read_notes, read_outcome
from engine.store.read.reader import Reader
from tests.commands.routing import carry_out
from tests.store import made


def annotate(number: str, reason: str, *, own: int = 7) -> Command:
    return Command(own, "annotate", (("id", number),), "ann", reason)


def test_a_reason_is_added_to_an_earlier_command() -> None:
    assert carry_out(annotate("6", "the venue halts at noon")) == {"message": "reason added to command 6"}


@pytest.mark.parametrize(
    ("number", "reason", "error"),
    [("7", "late", "give the number of a command before"), ("9", "late", "before this one, 7"), ("6", "  ", "needs its text")],
)
def test_a_note_without_text_or_on_no_earlier_command_is_refused(number: str, reason: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        carry_out(annotate(number, reason))


def test_notes_stand_beside_the_record_in_their_order_and_refused_ones_do_not(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    inbox = Inbox(url)
    paused = inbox.submit("pause", {}, "dashboard", "", 1)
    before = inbox.get(paused)
    for reason, ok in (("the venue halts at noon", True), ("refused", False), ("and <b>again</b>", True)):
        inbox.submit("annotate", {"id": str(paused)}, "ann", reason, 2)
        while (command := inbox.claim(3)) is not None:
            inbox.finish(command.id, ok or command.id == paused, {"message": "done"}, 4)
    assert read_notes(Reader(url)) == {paused: "the venue halts at noon (ann); and <b>again</b> (ann)"}
    after, outcome = inbox.get(paused), read_outcome(Reader(url), paused)
    assert before is not None
    assert after is not None
    assert (after.command, after.at) == (before.command, before.at)
    assert outcome is not None
    assert (outcome.name, outcome.reason, outcome.status) == ("pause", "", "done")
    assert read_outcome(Reader(url), 99) is None
    inbox.close()
