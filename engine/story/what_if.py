"""Change one thing and see: a stored tick decided again with a change of its settings, its book or its models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.domain.decision import ACTIONS, SPREAD_SOURCES, Outcome, Phase
from engine.domain.market import Books, Inputs
from engine.domain.story import WhatIf
from engine.replay import DecisionBasis
from engine.run import PhaseRunner
from engine.schema import Parameter, read_value, suggest
from engine.store.read.history import TickHistory
from engine.story.basis import DecidedTick, decide_stored_tick, summarise_decision
from engine.trading_parameters import list_changeable_parameters

SPREAD, FEE, WITHOUT = "spread_factor", "fee_factor", "without"
MAX_FACTOR = 100.0


@dataclass(frozen=True, slots=True)
class Change:
    """One change, in words and as a function of what the tick was decided from."""

    words: str
    apply: Callable[[DecisionBasis], DecisionBasis]
    name: str = ""


def parse_change(text: str) -> Change:
    """Parse spread_factor=0.5, fee_factor=0, without=lightgbm or a trading parameter such as cooldown_bars=0. Raises ValueError in one line."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise ValueError(f"{text!r} is no change: write it as cooldown_bars=0, spread_factor=0.5 or without=MODEL")
    if name == WITHOUT:
        return Change(f"without {value}", lambda basis: leave_model_out(basis, value), name)
    if name in {SPREAD, FEE}:
        factor = _read_factor(name, value)
        scale = _scale_spread if name == SPREAD else _scale_fee
        return Change(f"{name.removesuffix('_factor')} times {factor:g}", lambda basis: scale(basis, factor), name)
    parameter = list_changeable_parameters().get(name)
    if parameter is None:
        raise ValueError(f"{name!r} cannot be changed: {suggest(name, (SPREAD, FEE, WITHOUT, *list_changeable_parameters()), 'there are')}")
    return change_parameter(parameter, value)


def change_parameter(parameter: Parameter, value: str) -> Change:
    """The change of one trading parameter; raises SchemaError in one line for a value out of its bounds."""
    name, setting = parameter.field, read_value(parameter, parameter.name, value)
    return Change(f"{parameter.name} = {value}", lambda basis: _configure(basis, name, setting), parameter.name)


def decide_with_changes(history: TickHistory, tick: int, symbol: str, changes: Sequence[Change]) -> WhatIf:
    """Decide a stored tick again with the changes, by the same decide() from the same state; nothing is stored.

    Raises NotStored where the tick can no longer be decided again, ValueError for a model that did not serve.
    """
    decided = decide_stored_tick(history, tick)
    place, basis = decided.place_of(symbol), decided.basis
    for change in changes:
        basis = change.apply(basis)
    outcome, run = basis.decide_again()
    before, after = (summarise_decision(result, decided.session.horizons, place) for result in (decided.outcome, outcome))
    flipped = tuple(then.name for then, now in zip(before.gates, after.gates, strict=True) if then.passed != now.passed)
    changed = tuple(phase.value for phase in Phase if run.results[phase].digest() != decided.run.results[phase].digest())
    same = not changed and outcome.decisions.digest() == decided.outcome.decisions.digest()
    return WhatIf(
        tick, symbol, tuple(change.words for change in changes), before, after, flipped, _other_actions(decided, outcome, place), changed, same,
        decided.is_reproduced, _notes(decided, run, place, changes),
    )  # fmt: skip


def _other_actions(decided: DecidedTick, outcome: Outcome, place: int) -> tuple[str, ...]:
    then, now = decided.outcome.decisions.action, outcome.decisions.action
    return tuple(
        f"{symbol}: {ACTIONS[int(then[index])]} became {ACTIONS[int(now[index])]}"
        for index, symbol in enumerate(decided.session.symbols)
        if index != place and then[index] != now[index]
    )


def _notes(decided: DecidedTick, run: PhaseRunner, place: int, changes: Sequence[Change]) -> tuple[str, ...]:
    notes = []
    source = SPREAD_SOURCES[int(decided.outcome.liquidity.spread_source[place])]
    if any(change.name == SPREAD for change in changes) and source != "book":
        notes.append(f"there was no book: the spread came from {source}, and only the assumed spread was changed")
    failed = [phase.value for phase in run.degraded if phase not in decided.run.degraded]
    if failed:
        notes.append(f"with the change {', '.join(failed)} fell back")
    return tuple(notes)


def _read_factor(name: str, value: str) -> float:
    try:
        factor = float(value)
    except ValueError:
        factor = -1.0
    if not 0.0 <= factor <= MAX_FACTOR:
        raise ValueError(f"{name} is {value!r}: give a number from 0 to {MAX_FACTOR:g}")
    return factor


def _configure(basis: DecisionBasis, name: str, value: Any) -> DecisionBasis:
    return replace(basis, inputs=replace(basis.inputs, config=replace(basis.inputs.config, **{name: value})))


def _scale_fee(basis: DecisionBasis, factor: float) -> DecisionBasis:
    config = basis.inputs.config
    makers = tuple(fee * factor for fee in config.maker_fees_bps)
    maker = None if config.maker_fee_bps is None else config.maker_fee_bps * factor
    scaled = replace(
        config, fee_bps=config.fee_bps * factor, fees_bps=tuple(fee * factor for fee in config.fees_bps), maker_fee_bps=maker, maker_fees_bps=makers
    )
    return replace(basis, inputs=replace(basis.inputs, config=scaled))


def _scale_spread(basis: DecisionBasis, factor: float) -> DecisionBasis:
    """Move both sides of every book towards or away from its mid, and scale the spread that is assumed without a book."""
    inputs = basis.inputs
    config = replace(inputs.config, spread_bps=inputs.config.spread_bps * factor)
    if not inputs.books.bid_price.shape[1]:
        return replace(basis, inputs=replace(inputs, config=config))
    books = _scale_books(inputs.books, max(factor, 1e-6))  # a book with a spread of 0 would be crossed
    changed: Inputs = replace(inputs, config=config, books=books, view=replace(inputs.view, books=books))
    return replace(basis, inputs=changed)


def _scale_books(books: Books, factor: float) -> Books:
    shift = (books.ask_price[:, :1] - books.bid_price[:, :1]) * (1.0 - factor) / 2.0
    return replace(books, bid_price=books.bid_price + shift, ask_price=books.ask_price - shift)


def leave_model_out(basis: DecisionBasis, model: str) -> DecisionBasis:
    """The basis without a model that serves there; raises ValueError for another."""
    catalog = basis.catalog
    serving = [name for name, served in zip(catalog.names, catalog.serving, strict=True) if served is not None]
    if model not in serving:
        raise ValueError(f"no model {model!r} served at this tick: there {'was' if len(serving) == 1 else 'were'} {', '.join(serving) or 'none'}")
    rest = tuple(None if name == model else served for name, served in zip(catalog.names, catalog.serving, strict=True))
    return replace(basis, catalog=replace(catalog, serving=rest))
