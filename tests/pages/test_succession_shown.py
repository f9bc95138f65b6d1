"""What a new version inherits, shown: in the words of a decision, on Models, and in the JSON of a backtest."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.backtest import run_backtest
from engine.domain.decision import LIMITS
from engine.domain.evidence import Agreement
from engine.evidence import succession
from engine.explain import DecisionFacts, explain_decision
from engine.store.read import decision, timeline
from engine.store.read.reader import Reader
from pages.decision import text as decision_text
from tests.makers import KNOBS, StoppedClock, settings, simulated
from tests.pages.stores import store
from tests.pages.test_pages import run, text
from tests.store.made import HORIZONS, SYMBOLS

PLAIN = DecisionFacts("hold", 0.0, 0.0, 1, 5.0, 1.0, 9.0, 12.0, (), None)
SERVES, LAST = 100, 159  # tick from which the newest version of the full store serves, and its newest


def compared(folder: Path, agreement: float, left: float) -> None:
    """The version that serves from there on agrees so far with the one of record, and is left that share of the proven size."""
    each = np.full(len(HORIZONS), agreement)
    event = succession.agreement_to_event(Agreement(2_304, each, each, ((f"ridge-{SERVES}", each),)))
    sizes = np.full(len(LIMITS) + 1, 0.1)
    sizes[LIMITS.index("new version") + 1 :] *= left
    with closing(sqlite3.connect(folder / "podium.db")) as connection, connection as base:
        base.execute("UPDATE ticks SET events = ? WHERE tick = ?", (json.dumps([[event.kind, event.subject, event.detail]]), SERVES))
        base.execute("UPDATE decisions SET limits = ? WHERE tick = ?", (json.dumps(sizes.tolist()), LAST))


@pytest.mark.parametrize(("share", "words"), [(0.12, "they may use 12 % of the proven size"), (0.0, "they may use 0 % of the proven size")])
def test_a_decision_says_that_new_versions_may_use_less(share: float, words: str) -> None:
    assert words in " ".join(explain_decision(replace(PLAIN, inherited=share)))


@pytest.mark.parametrize("share", [None, 1.0])
def test_a_decision_says_nothing_of_versions_that_use_all_or_where_nothing_is_proven(share: float | None) -> None:
    assert explain_decision(replace(PLAIN, inherited=share)) == explain_decision(PLAIN)


@pytest.mark.parametrize(
    ("agreement", "left", "words"), [(0.93, 1.0, "serve at full size"), (-0.4, 0.12, "reduced to 12 % until their own record allows more")]
)
def test_models_and_the_decision_show_the_agreement_and_what_it_leaves(
    agreement: float, left: float, words: str, full_store: str, tmp_path: Path
) -> None:
    with store("full", full_store, tmp_path) as url:
        compared(tmp_path, agreement, left)
        shown = text(run("05_models.py", url))
        assert timeline.read_inherited_share(Reader(url)) == pytest.approx(left)
        result = decision.read_decision(Reader(url), LAST, SYMBOLS[0])
        assert result is not None
        assert decision_text.collect_facts(result).inherited == pytest.approx(left)
        assert dict(result.limits)["new version"] == pytest.approx(0.1 * left)
    assert words in shown
    assert f"{abs(agreement):.2f}" in shown
    assert "2,304 rows" in shown


def test_models_says_nothing_where_no_version_was_compared(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        assert timeline.read_agreements(Reader(url), [0, SERVES]) == {}
        assert "Agreement with the versions" not in text(run("05_models.py", url))


def test_a_backtest_lists_the_agreement_of_every_version_after_the_first() -> None:
    knobs = replace(KNOBS, first_training=250, retrain_every=100)
    result = run_backtest(
        settings(trading=knobs, models=("ridge", "online")), simulated(370, symbols=4), report_progress=lambda *_: None, clock=StoppedClock()
    )
    (agreement_row,) = json.loads(json.dumps(result["training"]))["agreements"]
    assert agreement_row["tick"] == 249 + 100 + KNOBS.deployment_lag_bars
    assert len(agreement_row["record"]) == len(HORIZONS)
    assert agreement_row["rows"] > 100
