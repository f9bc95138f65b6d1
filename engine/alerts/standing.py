"""How long a rule has been wrong or well: an alert is raised and resolved only by what lasts."""

from __future__ import annotations

from dataclasses import replace

from engine.domain.alerting import AlertRule, Sight, Standing

GAP = 30.0  # s without a look that could tell, after which what went before counts for nothing
RAISE, RENEW, RESOLVE = "raise", "renew", "resolve"


def advance(rule: AlertRule, before: Standing, sight: Sight, now: float) -> tuple[Standing, str | None]:
    """The rule after a look at `now` (s, monotonic), and what is to be done about its alert.

    A look that cannot tell changes nothing; after a long time without one, durations begin anew, so that silence neither raises nor resolves.
    """
    if sight.wrong is None:
        return before, None
    if before.seen is None or not 0.0 <= now - before.seen <= GAP:
        before = replace(before, since=None, well=None)
    if sight.wrong:
        since = now if before.since is None else before.since
        raised = before.open or now - since >= rule.after
        done = (RENEW if before.open else RAISE) if raised else None
        return Standing(raised, since, None, now), done
    if not before.open:
        return Standing(False, None, None, now), None
    well = now if before.well is None else before.well
    over = now - well >= rule.well
    return Standing(not over, None, None if over else well, now), RESOLVE if over else None
