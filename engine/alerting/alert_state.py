"""The state of an alert: it is raised when its rule has been violated for a while, and resolved when the rule has held again for a while."""

from __future__ import annotations

from dataclasses import replace

from engine.domain.alerting import AlertRule, AlertRuleState, RuleObservation

MAX_GAP_SECONDS = 30.0  # s without a conclusive check, after which earlier checks no longer count
RAISE, RENEW, RESOLVE = "raise", "renew", "resolve"


def advance_alert(rule: AlertRule, before: AlertRuleState, sight: RuleObservation, now: float) -> tuple[AlertRuleState, str | None]:
    """The state after a check at `now` (s, monotonic), and the change to its alert: RAISE, RENEW, RESOLVE or None.

    An inconclusive check changes nothing; after a long time without a conclusive one, durations begin anew, so that silence neither raises
    nor resolves.
    """
    if sight.firing is None:
        return before, None
    if before.last_known is None or not 0.0 <= now - before.last_known <= MAX_GAP_SECONDS:
        before = replace(before, wrong_since=None, well_since=None)
    if sight.firing:
        since = now if before.wrong_since is None else before.wrong_since
        raised = before.open or now - since >= rule.fire_after
        change = (RENEW if before.open else RAISE) if raised else None
        return AlertRuleState(raised, since, None, now), change
    if not before.open:
        return AlertRuleState(False, None, None, now), None
    well = now if before.well_since is None else before.well_since
    over = now - well >= rule.resolve_after
    return AlertRuleState(not over, None, None if over else well, now), RESOLVE if over else None
