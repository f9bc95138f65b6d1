"""What the optimizer and evolution do at the moment, and what the optimizer recommends: few rows, found by index."""

from __future__ import annotations

from dataclasses import dataclass

from engine.store.read.alerts import BY_SEVERITY
from engine.store.read.evolution import OPEN_STATES
from engine.store.read.optimizer import QUESTIONS, RUNNING_TRIALS, question_params
from engine.store.read.reader import Reader, fetch_all
from engine.store.write.optimizer import TRIAL_RUNNING

RECENT = 900_000_000_000  # ns for which a trial that has begun counts as running
MAX_TRIGGERS, MAX_EVOLUTIONS = 200, 40  # newest rows searched
_FIRING = f"""
    SELECT rule, answer FROM triggers WHERE state = 'fired' AND answer IS NOT NULL AND id IN
        (SELECT max(id) FROM (SELECT id, rule FROM triggers ORDER BY id DESC LIMIT {MAX_TRIGGERS}) GROUP BY rule) ORDER BY id DESC"""
_ALERTS = f"SELECT rule, message FROM alerts WHERE state = 'open' ORDER BY {BY_SEVERITY} LIMIT 3"
_URGENT = f"""
    SELECT rule, severity FROM alerts a WHERE state = 'open' AND acked_by IS NULL AND NOT EXISTS
        (SELECT 1 FROM silences s WHERE (s.rule = a.rule OR s.rule = 'all') AND s.until > :now) ORDER BY {BY_SEVERITY} LIMIT 1"""
_EVOLVING = f"""
    SELECT model, state FROM (SELECT * FROM evolutions ORDER BY id DESC LIMIT {MAX_EVOLUTIONS})
    WHERE session = (SELECT max(id) FROM sessions) AND state IN {OPEN_STATES} ORDER BY id DESC"""
_SILENCES = "SELECT rule, max(until) AS until FROM silences WHERE until > :now GROUP BY rule"


@dataclass(frozen=True, slots=True)
class Activity:
    """What is under way now; () and None for nothing."""

    trial: tuple[str, bool] | None  # action that is measured, and whether it is withheld as a control
    approvals: tuple[str, ...]  # rules whose action waits for a person
    racing: tuple[str, ...]  # models with a challenger in a contest
    training: tuple[str, ...]  # models in training for one
    recommendation: tuple[str, str] | None  # rule that fires and is not silenced, and what the planner recommends
    alerts: tuple[tuple[str, str], ...] = ()  # rule and message of the open alerts, the most severe first, then the newest; at most 3
    urgent: tuple[str, str] | None = None  # rule and severity of the first of them that is neither acknowledged nor silenced


def read_activity(reader: Reader, now: int) -> Activity:
    """Read what is under way at `now`, ns UTC."""
    with reader.reading() as connection:
        recent = [row for row in fetch_all(connection, RUNNING_TRIALS, detail=TRIAL_RUNNING) if row["at"] > now - RECENT]
        questions = fetch_all(connection, QUESTIONS, **question_params(now))
        silenced = {str(row["rule"]) for row in fetch_all(connection, _SILENCES, now=now)}
        firing = [(str(row["rule"]), str(row["answer"])) for row in fetch_all(connection, _FIRING)]
        alerts = tuple((str(row["rule"]), str(row["message"])) for row in fetch_all(connection, _ALERTS))
        urgent = next(iter(fetch_all(connection, _URGENT, now=now)), None)
        evolving = [(str(row["model"]), str(row["state"])) for row in fetch_all(connection, _EVOLVING)]
    return Activity(
        (str(recent[-1]["action"]), bool(recent[-1]["placebo"])) if recent else None,
        tuple(str(row["rule"]) for row in questions),
        tuple(model for model, state in evolving if state == "racing"),
        tuple(model for model, state in evolving if state == "training"),
        next((pair for pair in firing if pair[1].startswith("recommend") and pair[0] not in silenced), None),
        alerts,
        None if urgent is None else (str(urgent["rule"]), str(urgent["severity"])),
    )


def read_silences(reader: Reader, now: int) -> dict[str, int]:
    """Read the silenced rules and until when, ns UTC; rules of alerts and of the optimizer alike."""
    with reader.reading() as connection:
        return {str(row["rule"]): int(row["until"]) for row in fetch_all(connection, _SILENCES, now=now)}
