"""The order of the files with several workers: the longest first, to leave none over at the end, and files that share a costly part together."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# Files that share a server, Chromium or a trained engine; each group goes to one worker, which makes that part once.
GROUPS = {
    "in a browser, one engine watched": ("tests/e2e/test_watching.py", "tests/e2e/test_watching_pages.py"),
    "with the lesson of tests/makers.py": (
        "tests/contracts/test_models.py", "tests/contracts/test_families.py", "tests/evidence/test_regimes.py", "tests/phases/test_decision.py",
        "tests/phases/test_faults.py", "tests/phases/test_gates.py", "tests/phases/test_new_versions.py", "tests/phases/test_risk.py",
        "tests/resilience/test_frozen_feed.py", "tests/service/test_engine.py", "tests/service/test_engine_training.py",
        "tests/service/test_windows.py", "tests/test_broker.py", "tests/test_orchestrator.py", "tests/test_trading_rules.py",
    ),
    "in a browser": ("tests/e2e/",),  # they wait much of the time: one group of them runs beside what computes
}  # fmt: skip
# Files and folders that take or wait for more than ten seconds, the longest first; what is not named comes after them.
LONGEST = (
    "tests/test_skill_controls.py", "tests/live/", "tests/access/", "tests/pages/test_pages.py", "tests/recorded/", "tests/test_replay.py",
    "tests/test_replay_evolution.py",
    "tests/test_certify_session.py", "tests/reference/", "tests/evidence/test_conformal.py", "tests/service/test_version_record.py",
    "tests/service/test_working_orders.py", "tests/pages/test_data.py",
    "tests/web/test_stream.py", "tests/web/test_programs.py", "tests/web/test_openapi.py", "tests/web/test_api_pages.py",
    "tests/alerting/test_webhooks.py",
    "tests/feeds/test_simulated.py", "tests/cli/test_cli.py", "tests/store/test_keyset.py", "tests/service/test_drift_check.py",
    "tests/pages/test_optimizer.py", "tests/store/test_audit.py",
    "tests/pages/test_history_table.py", "tests/evidence/test_incidents.py", "tests/service/test_lease.py",
    "tests/service/test_version_controls.py", "tests/service/test_backtests.py", "tests/service/test_live_feed.py", "tests/server/test_app.py",
    "tests/web/test_market_api.py", "tests/feeds/test_push.py", "tests/web/test_clients.py", "tests/web/test_intents_api.py",
    "tests/store/test_bots.py",
)  # fmt: skip


def group_of(file: str) -> str:
    """The group of a file, or the file."""
    return next((group for group, paths in GROUPS.items() if file.startswith(paths)), file)


def rank_of(file: str) -> int:
    """The place of a file in the order; files of the same rank stay as they were collected."""
    group = group_of(file)
    if group in GROUPS:
        return list(GROUPS).index(group)
    return len(GROUPS) + next((place for place, path in enumerate(LONGEST) if file.startswith(path)), len(LONGEST))


class GroupScheduling(LoadFileScheduling):
    """As `--dist loadfile`, but for groups."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.split("::", 1)[0])


def make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling | None:
    """The scheduler of `--dist loadfile`; every other mode keeps its own."""
    if config.getvalue("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # else files with many tests come first, which are not those that take long
    return GroupScheduling(config, log)
