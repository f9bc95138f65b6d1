"""The state of an alert: it is raised when its rule has been violated for a while, and resolved when the rule has held again for a while."""

from __future__ import annotations

from dataclasses import replace

from engine.domain.alerting import AlertRule, Sight, Standing

GAP = 30.0  # s without a conclusive check, after which earlier checks no longer count
RAISE, RENEW, RESOLVE = "raise", "renew", "resolve"


def advance(rule: AlertRule, before: Standing, sight: Sight, now: float) -> tuple[Standing, str | None]:
    """The state after a check at `now` (s, monotonic), and the change to its alert: RAISE, RENEW, RESOLVE or None.

    An inconclusive check changes nothing; after a long time without a conclusive one, durations begin anew, so that silence neither raises
    nor resolves.
    """
    if sight.wrong is None:
        return before, None
    if before.seen is None or not 0.0 <= now - before.seen <= GAP:
        before = replace(before, since=None, well=None)
    if sight.wrong:
        since = now if before.since is None else before.since
        raised = before.open or now - since >= rule.after
        change = (RENEW if before.open else RAISE) if raised else None
        return Standing(raised, since, None, now), change
    if not before.open:
        return Standing(False, None, None, now), None
    well = now if before.well is None else before.well
    over = now - well >= rule.well
    return Standing(not over, None, None if over else well, now), RESOLVE if over else None
