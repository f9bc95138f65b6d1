"""What a person asks of the optimizer on this page, and what stands in the way."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from engine.store.inbox import QUEUED, RUNNING
from engine.store.read.past import NOT_STORED
from pages.ui import banners, cache, commands, now_cache
from pages.ui.command_table import readable_name

COMMANDS = 200  # newest commands searched for runs that wait
SILENCE_MINUTES = 60


@dataclass(frozen=True, slots=True)
class RunState:
    """What decides whether an action may be run from this page now."""

    is_alive: bool  # an engine runs on this store
    busy: frozenset[str]  # actions that run or wait
    recommended: frozenset[str]


def fetch_actions() -> pd.DataFrame:
    """Return the actions; while travelling, the verdict of one that was judged again since is NOT_STORED where the page is as known then."""
    actions, past = cache.fetch_actions(), cache.past_tick()
    if past is None or past.knows_now or actions.empty:
        return actions
    is_replaced = actions["verdict"].isna() & (actions["treated"] + actions["placebos"] > 0)
    return actions.assign(verdict=actions["verdict"].mask(is_replaced, NOT_STORED))


def fetch_requests() -> RunState:
    """Read whether an engine runs, which actions are busy, and which are recommended; while travelling, none can be run."""
    is_past = cache.past_tick() is not None
    is_alive = not is_past and banners.judge_status(cache.fetch_status(), cache.current_time()).alive
    waiting = [str(action) for action in _named(fetch_runs()) if action]
    measured = cache.fetch_running_trials()["action"].tolist() if is_alive or is_past else []
    advice = now_cache.fetch_activity().recommendation
    recommended = None if advice is None else find_action(advice[1], cache.fetch_actions()["action"].tolist())
    return RunState(is_alive, frozenset((*waiting, *measured)), frozenset(() if recommended is None else (recommended,)))


def explain_absence() -> str:
    """Say why nothing can be requested of the engine."""
    return "no engine runs on this store" if cache.past_tick() is None else "go back to now first"


def find_action(answer: str, names: Collection[str]) -> str | None:
    """Return the action that the planner's answer names first, as it is stored or in words; None without one."""
    named = [(answer.find(form), name) for name in names for form in {name, readable_name(name)} if form in answer]
    return min(named)[1] if named else None


def fetch_runs() -> pd.DataFrame:
    """Return the newest commands that request a run."""
    return select_runs(cache.fetch_commands(limit=COMMANDS))


def select_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the commands that request a run: manual runs and approvals."""
    declined = frame["args"].str.contains('"answer":"no"', regex=False)
    return frame[(frame["name"] == "optimize") | ((frame["name"] == "approve") & ~declined)]


def send_run(action: str, reason: str, *, dry: bool) -> None:
    """Request a run, or a report of what it would do."""
    arguments = {"action": action} | ({"dry_run": "true"} if dry else {})
    commands.submit_command("optimize", arguments, reason.strip() or ("dry run" if dry else "manual run"))


def send_silence(rule: str, reason: str) -> None:
    """Request that nothing is recommended for a rule for an hour."""
    why = reason.strip() or f"rule {readable_name(rule)} silenced on Optimizer"
    commands.submit_command("silence", {"rule": rule, "minutes": str(SILENCE_MINUTES)}, why[: commands.MAX_REASON])


def end_silence(rule: str) -> None:
    commands.submit_command("unsilence", {"rule": rule}, "on Optimizer")


def _named(runs: pd.DataFrame) -> list[object]:
    waiting = runs[runs["status"].isin([QUEUED, RUNNING])]
    return [json.loads(str(arguments)).get("action") for arguments in waiting["args"].tolist()]
