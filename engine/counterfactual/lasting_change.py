"""Changes that last: a trading parameter, a gate switched off, or a model left out, from one stored tick on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.domain.texts import shorten
from engine.replay import DecisionBasis
from engine.schema import SchemaError, suggest
from engine.story.what_if import Change, change_parameter, leave_model_out
from engine.trading_parameters import list_live_parameters

GATE, WITHOUT = "gate", "without"
OFF = "off"
GATE_SETTINGS: dict[str, dict[str, float]] = {  # what switches a gate off; the others are no settings, or guard against bad data
    "history": {"min_history": 0},
    "spread": {"max_spread_bps": 10_000.0},
    "active models": {"min_models": 0},
    "in distribution": {"max_out_of_distribution": 1.0},
    "agreement": {"min_agreement": 0.0},
    "edge above cost": {"edge_margin": 0.0},
    "cooldown": {"cooldown_bars": 0},
    "daily loss": {"max_daily_loss": 1.0},
    "drawdown": {"max_drawdown": 1.0},
    "minimum trade": {"min_trade": 0.0, "rebalance_threshold": 0.0},
}
NO_CHANGE = Change("no change", lambda basis: basis)


def parse_lasting_change(text: str, models: tuple[str, ...]) -> Change:
    """Parse edge_margin=1.5, "gate=cooldown" (which is switched off) or without=MODEL. Raises SchemaError in one line."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise SchemaError(f"{shorten(text)} is no change: write it as edge_margin=1.5, gate=cooldown or without=MODEL")
    if name == WITHOUT:
        if value not in models:
            raise SchemaError(f"there is no model {shorten(value)}: {suggest(value, models, 'there are')}")
        return Change(f"without {value}", lambda basis: _leave_out_where_it_serves(basis, value), name)
    if name == GATE:
        if value not in GATE_SETTINGS:
            raise SchemaError(f"the gate {shorten(value)} cannot be switched off: {suggest(value, GATE_SETTINGS, 'these can')}")
        return Change(f"gate {value} off", lambda basis: _configure(basis, GATE_SETTINGS[value]), name)
    known = list_live_parameters()
    if name not in known:
        raise SchemaError(f"{shorten(name)} cannot be changed: {suggest(name, (GATE, WITHOUT, *known), 'there are')}")
    return change_parameter(known[name], value)


def lift_override() -> Change:
    """The change that decides without a pause and without a flattening."""
    return Change("neither paused nor flattened", lambda basis: _configure(basis, {"paused": False, "flatten": False}))


def combine_changes(changes: tuple[Change, ...]) -> Change:
    """Several changes as one."""

    def apply(basis: DecisionBasis) -> DecisionBasis:
        for change in changes:
            basis = change.apply(basis)
        return basis

    return Change(" and ".join(change.words for change in changes), apply)


def _configure(basis: DecisionBasis, values: Mapping[str, Any]) -> DecisionBasis:
    return replace(basis, inputs=replace(basis.inputs, config=replace(basis.inputs.config, **values)))


def _leave_out_where_it_serves(basis: DecisionBasis, model: str) -> DecisionBasis:
    serves = dict(zip(basis.catalog.names, basis.catalog.serving, strict=True)).get(model) is not None
    return leave_model_out(basis, model) if serves else basis
