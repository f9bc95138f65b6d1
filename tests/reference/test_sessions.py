"""Every figure of short sessions against stored references: what no other test states. `python -m tests.reference` stores them anew."""

from __future__ import annotations

import itertools

import pytest

from tests.reference.sessions import SESSIONS, Session, figures_of_tick
from tests.reference.stored import differences, read_reference


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.name)
def test_every_figure_of_a_session_is_that_of_the_reference(session: Session) -> None:
    reference, ticks = read_reference(session.name), 0
    for tick in session.run():
        differing = list(itertools.islice(differences(figures_of_tick(tick), reference, ticks), 6))
        assert not differing, f"{session.name}, tick {ticks}: " + "; ".join(differing)
        ticks += 1
    assert ticks == len(reference.residues) == session.ticks
