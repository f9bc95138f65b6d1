"""What a rule would have done on stored history."""

from __future__ import annotations

import numpy as np

from engine.domain.record import Floats, Ints
from engine.domain.rules import FIRED, Rule, RulePreview
from engine.optimizer.rule_state import INITIAL_STATE, advance_rule


def preview_rule(rule: Rule, at: Ints, values: Floats) -> RulePreview:
    """When the rule would have fired; at (N,) ns UTC ascending, values (N,) of its metric, NaN where it was not told.

    The same steps as the engine's own, from a calm start. A schedule needs the times only.
    """
    watch, fired = INITIAL_STATE, []
    for moment, value in zip(at.tolist(), values.tolist(), strict=True):
        watch, said = advance_rule(rule, watch, moment, value)
        if said == FIRED:
            fired.append(moment)
    span = (int(at[-1]) - int(at[0])) / 1e9 if len(at) else 0.0
    return RulePreview(len(fired), np.array(fired, dtype=np.int64), span, int(np.isfinite(values).sum()))
