"""A stored tick decided again, with what it was decided from: the start of every answer about it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.decision import ACTIONS, Outcome
from engine.domain.intents import classify_intent, explain_intent
from engine.domain.record import Floats
from engine.domain.story import DecidedSummary, GateReading
from engine.replay import DecisionBasis, RollForward, find_difference, roll_to_tick
from engine.run import PhaseRunner
from engine.store.errors import NotStored
from engine.store.read.history import StoredSession, StoredTick, TickHistory


@dataclass(frozen=True, slots=True)
class DecidedTick:
    """A tick as decided again, with its inputs, state and models."""

    stored: StoredTick
    session: StoredSession
    basis: DecisionBasis
    outcome: Outcome
    run: PhaseRunner

    @property
    def is_reproduced(self) -> bool:
        """Whether every phase and the decisions have the bits that were stored."""
        return find_difference(self.stored, self.run) is None and self.outcome.decisions.digest() == self.stored.decisions_digest

    def place_of(self, symbol: str) -> int:
        """The place of a symbol on the symbol axis; raises NotStored."""
        if symbol not in self.session.symbols:
            raise NotStored(f"tick {self.stored.tick} has no symbol {symbol!r}: it has {', '.join(self.session.symbols)}")
        return self.session.symbols.index(symbol)


def decide_stored_tick(history: TickHistory, tick: int) -> DecidedTick:
    """Decide a stored tick again from the nearest checkpoint.

    Raises NotStored where its inputs are no longer stored, or where an earlier version of Podium decided it.
    """
    return describe_rolled(history, roll_to_tick(history, tick), tick)


def describe_rolled(history: TickHistory, rolled: RollForward, tick: int) -> DecidedTick:
    """The last tick that was rolled forward to, with its session."""
    if rolled.stored is None or rolled.basis is None or rolled.outcome is None or rolled.run is None:
        raise NotStored(f"tick {tick} could not be rolled forward to")
    session = history.session(rolled.stored.session)
    return DecidedTick(rolled.stored, session, rolled.basis, rolled.outcome, rolled.run)


def summarise_tick(decided: DecidedTick) -> dict[str, DecidedSummary]:
    """The decision of every symbol, by its name."""
    horizons = decided.session.horizons
    return {symbol: summarise_decision(decided.outcome, horizons, place) for place, symbol in enumerate(decided.session.symbols)}


def summarise_decision(outcome: Outcome, horizons: tuple[int, ...], place: int) -> DecidedSummary:
    """The decision of the symbol at that place, in numbers and in words."""
    decided, sizes = outcome.decisions, outcome.sizes
    gates = tuple(
        GateReading(name, unit, _known(decided.gates.value[index, place]), _known(decided.gates.limit[index, place]),
                    bool(decided.gates.passed[index, place]))
        for index, (name, unit) in enumerate(zip(decided.gates.names, decided.gates.units, strict=True))
    )  # fmt: skip
    limits = tuple(zip(("wanted", *sizes.limits), (_known(step) for step in sizes.steps[:, place]), strict=True))
    action, binding = ACTIONS[int(decided.action[place])], int(decided.binding_gate[place])
    binding_gate = decided.gates.names[binding] if binding >= 0 else None
    position, target = float(sizes.current[place]), float(decided.target[place])
    failed = tuple(gate.name for gate in gates if not gate.passed)
    reason = explain_intent(position, position if action == "hold" else target, (binding_gate,) if action == "hold" and binding_gate else failed,
                            dict(limits))  # fmt: skip
    return DecidedSummary(
        action, classify_intent(position, target), reason, target, position, _known(decided.delta[place]), _known(sizes.edge_bps[place]),
        _known(sizes.cost_bps[place]), _known(decided.confidence[place]), horizons[sizes.horizon], binding_gate, gates, limits,
    )  # fmt: skip


def _known(value: Floats | float) -> float | None:
    number = float(value)
    return number if abs(number) < float("inf") else None  # NaN compares as False
