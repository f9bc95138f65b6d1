"""Preview a rule on stored history."""

from __future__ import annotations

import numpy as np

from engine.domain.record import Floats, Ints
from engine.domain.rules import FIRED, Rule, RulePreview
from engine.optimizer.rule_state import INITIAL_STATE, advance_rule


def preview_rule(rule: Rule, at: Ints, values: Floats) -> RulePreview:
    """When the rule would have fired; at (N,) ns UTC ascending, values (N,) of its metric, NaN where there is no sample.

    It advances the rule exactly as the engine does, from its initial state. A schedule needs the times only.
    """
    state, fired = INITIAL_STATE, []
    for moment, value in zip(at.tolist(), values.tolist(), strict=True):
        state, event = advance_rule(rule, state, moment, value)
        if event == FIRED:
            fired.append(moment)
    span = (int(at[-1]) - int(at[0])) / 1e9 if len(at) else 0.0
    return RulePreview(len(fired), np.array(fired, dtype=np.int64), span, int(np.isfinite(values).sum()))
