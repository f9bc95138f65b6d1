"""How sure the gain of a contest is, from the newest checkpoint, for the pages."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from engine.domain.evolution import EvolutionState
from engine.domain.record import Record
from engine.domain.state import State
from engine.evidence import contest
from engine.evolution.arms import WATCH
from engine.store import codec
from engine.store.read.reader import Reader, fetch_first

SHOWN_ALPHA = 0.05  # two-sided error of the interval


@dataclass(frozen=True, slots=True)
class ContestFigures(Record):
    """The gain of an arm at one horizon as of a checkpoint, with what it rests on."""

    tick: int  # of the checkpoint
    number: int  # of the evolution
    is_watch: bool  # the arm is the versions before a change
    horizon: int  # bars
    r2_gain: float  # that the arm adds
    low: float  # of the confidence sequence
    high: float
    blocks: int
    clipped: int  # blocks whose gain lay beyond the clip
    survives_clipping: bool  # the gain has the same sign without what lay beyond the clip


def read_contest_figures(reader: Reader, tick: int) -> tuple[ContestFigures, ...]:
    """The figures of every arm and horizon with enough blocks in the checkpoint at that tick; none where it cannot be read."""
    with reader.reading() as connection:
        row = fetch_first(
            connection,
            "SELECT c.data, s.horizons FROM checkpoints c JOIN ticks t ON t.tick = c.tick JOIN sessions s ON s.id = t.session WHERE c.tick = :tick",
            tick=tick,
        )
    if row is None:
        return ()
    try:
        evolution = codec.unpack(State, bytes(row["data"])).evolution
    except ValueError:  # damaged: the section on calibration says so
        return ()
    return list_contest_figures(evolution, tuple(json.loads(row["horizons"])), tick)


def list_contest_figures(evolution: EvolutionState, horizons: tuple[int, ...], tick: int) -> tuple[ContestFigures, ...]:
    """The figures of every arm and horizon with enough blocks in the state of a tick."""
    contests = evolution.contests
    gain, low, high = contest.gain_interval(contests, SHOWN_ALPHA)
    survives = contest.survives_clipping(contests)
    return tuple(
        ContestFigures(
            tick, arm.number, arm.kind == WATCH, horizon, float(gain[place, column]), float(low[place, column]), float(high[place, column]),
            int(contests.blocks[place, column]), int(contests.clipped[place, column]), bool(survives[place, column]),
        )
        for place, arm in enumerate(evolution.arms)
        for column, horizon in enumerate(horizons)
        if math.isfinite(low[place, column])
    )  # fmt: skip
