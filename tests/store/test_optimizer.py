"""What Optimizer reads: the newest word of every rule, trials with the readings round them, what they came to; bounded whatever there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.domain.alerting import AlertInputs
from engine.domain.optimization import Effect, Firing, Trial
from engine.domain.rules import QUARANTINED
from engine.report.savings import MetricSaving, SavingsSummary
from engine.store.read import optimizer, resources
from engine.store.read import savings as read_savings
from engine.store.read.alert_facts import FactsReader
from engine.store.read.optimizer import TrialWindows
from engine.store.read.reader import Reader
from engine.store.write.optimizer import TRIAL_RUNNING
from engine.store.write.optimizer_repository import OptimizerRepository
from engine.store.write.writer import Writer
from pages.optimizer import savings
from tests.store.made import empty
from tests.store.made_trials import ACTIONS, HOSTILE, MB, METRIC, MINUTE, SECOND, at_work

NOW = 1_750_000_000 * SECOND


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reader, dict[str, int]]:
    url = empty(tmp_path_factory.mktemp("optimizer"))
    return Reader(url), at_work(url, NOW)


@pytest.fixture
def fresh(tmp_path: Path) -> tuple[Reader, Writer]:
    url = empty(tmp_path)
    writer = Writer(url)
    writer.sync_actions(ACTIONS, {action.name: "auto" for action in ACTIONS}, "auto")
    return Reader(url), writer


def run(effect: float | None, *, verdict: str = "helped", **changes: object) -> Trial:
    """A run of collect_garbage with an interval of 6 MB to each side; none for no effect."""
    low, high = (None, None) if effect is None else (effect - 6 * MB, effect + 6 * MB)
    effect_record = Effect(200 * MB, 190 * MB, float("nan") if effect is None else effect, low, high, 1_000_000, verdict)
    plain: dict[str, object] = {
        "at": NOW, "action": "collect_garbage", "trigger": "host_memory", "mode": "auto", "placebo": False, "metric": METRIC, "unit": "bytes",
        "effect": effect_record, "undone": False, "amount": 0.0, "amount_unit": "bytes", "detail": "", "by": "", "reason": "", "seconds": 0.1,
    }  # fmt: skip
    return Trial(**(plain | changes))  # type: ignore[arg-type]


def savings_of(fresh: tuple[Reader, Writer], *trials: Trial) -> SavingsSummary:
    for trial in trials:
        fresh[1].save_trial(trial)
    return read_savings.read_savings(fresh[0])


def only(summary: SavingsSummary) -> MetricSaving:
    assert len(summary.savings) == 1
    return summary.savings[0]


def test_the_newest_word_of_every_rule_is_told_with_the_value_now(made: tuple[Reader, dict[str, int]]) -> None:
    frame = optimizer.read_firings(made[0]).set_index("rule")
    assert frame["state"].to_dict() == {"disk_full": "fired", "host_memory": "cleared", "io_pressure": "no data"}
    assert 80 < frame["now"].to_dict()["disk_full"] < 92
    assert frame.loc["disk_full", "unit"] == "%"
    assert frame.loc["host_memory"].isna()["now"]  # no such reading in this store


def test_questions_are_those_that_ask_and_have_not_been_answered(fresh: tuple[Reader, Writer]) -> None:
    reader, writer = fresh
    for at, answer in ((NOW - 20 * MINUTE, "asks whether to run a"), (NOW - MINUTE, "asks whether to run b"), (NOW, "ann approved b"), (NOW, None)):
        writer.save_firing(Firing(at, "disk_full", "threshold", "host.disk_percent", 86.0, 85.0, "fired", answer))
    assert optimizer.read_questions(reader, NOW)["answer"].tolist() == ["asks whether to run b"]


def test_a_trial_under_way_is_told_until_it_has_ended(fresh: tuple[Reader, Writer]) -> None:
    reader, writer = fresh
    writer.save_trial(run(None, detail=TRIAL_RUNNING))
    writer.save_trial(run(-1.0 * MB))
    assert optimizer.read_running_trials(reader)["action"].tolist() == ["collect_garbage"]


def test_an_action_is_told_with_what_its_trials_say_together(made: tuple[Reader, dict[str, int]]) -> None:
    frame = optimizer.read_actions(made[0]).set_index("action")
    assert len(frame) == len(ACTIONS)
    row = frame.loc["collect_garbage"]
    assert (row["treated"], row["placebos"], row["by_hand"], row["judged_treated"], row["verdict"]) == (16, 8, 1, 16, "helped")
    assert row["effect"] == -21.4 * MB
    assert frame.loc["clear_caches"].isna()["effect"]
    assert frame.loc["resize_threads", "licence"] == "quarantined"
    assert (row["cost"], row["better"]) == ("low", -1)


def test_a_run_by_hand_is_told_with_its_own_window_and_those_it_was_compared_with(made: tuple[Reader, dict[str, int]]) -> None:
    reader, numbers = made
    details = optimizer.read_trial(reader, numbers["by hand"])
    assert details is not None
    assert details.windows is not None
    assert (details.windows.before, details.windows.after, len(details.windows.starts)) == (10.0, 10.0, 90)
    assert details.treated_window is not None
    seconds, values = details.treated_window
    assert (seconds[0], seconds[-1]) == pytest.approx((-10.0, 10.0), abs=1.0)
    assert values[seconds < 0].mean() - values[seconds > 1].mean() > 25 * MB
    assert 40 <= len(details.control_windows) <= optimizer.MAX_CONTROL_WINDOWS
    assert all(abs(values.max() - values.min()) < 20 * MB for _, values in details.control_windows)
    span = details.readings["at"].iloc[-1] - details.readings["at"].iloc[0]
    assert span <= (2 * optimizer.CONTEXT_SECONDS + 1) * SECOND
    assert details.readings["value"].between(100 * MB, 300 * MB).all()


def test_a_trial_whose_readings_are_gone_is_told_without_them(made: tuple[Reader, dict[str, int]]) -> None:
    details = optimizer.read_trial(made[0], 1)
    assert details is not None
    assert details.windows is None
    assert details.readings.empty
    assert (details.treated_window, details.control_windows) == (None, ())
    assert optimizer.read_trial(made[0], 9_999) is None


def test_the_pause_of_a_trial_lies_between_its_windows(fresh: tuple[Reader, Writer]) -> None:
    reader, writer = fresh
    number = writer.save_trial(run(-1.0 * MB, comparison='{"before": 5.0, "pause": 3.0, "after": 4.0, "starts": []}'))
    details = optimizer.read_trial(reader, number)
    assert details is not None
    assert details.windows == TrialWindows(5.0, 4.0, 3.0, ())


def test_savings_are_the_sum_of_proved_effects_harm_taken_off(fresh: tuple[Reader, Writer]) -> None:
    summary = savings_of(fresh, run(-10 * MB), run(-20 * MB), run(8 * MB, verdict="harmed"), run(-1 * MB, verdict="no measurable effect"))
    saving = only(summary)
    assert saving.proved is not None
    assert saving.measured is not None
    assert (round(saving.proved.amount / MB, 6), saving.proved.n, saving.no_effect) == (22.0, 3, 1)
    assert (round(saving.proved.low / MB, 3), round(saving.proved.high / MB, 3)) == (11.608, 32.392)  # 22 -+ 6 sqrt 3
    assert (round(saving.measured.amount / MB, 6), saving.measured.n) == (23.0, 4)
    assert (summary.families[0].name, summary.families[0].proved, summary.families[0].no_effect) == ("memory", saving.proved, 1)


def test_a_run_without_a_measurable_effect_is_no_saving(fresh: tuple[Reader, Writer]) -> None:
    """Neither where its verdict says so, nor where its interval holds 0; and a sum that may as well be 0 is none either."""
    summary = savings_of(fresh, run(-1.5 * MB, verdict="no measurable effect"), run(-2 * MB, verdict="harmed"))
    (saving,) = summary.savings
    assert (saving.proved, saving.no_effect, summary.families[0].proved) == (None, 2, None)
    (tile,) = [tile for tile in savings.build_savings_tiles(summary) if tile.label.startswith("Saved")]
    assert (tile.label, tile.value, tile.small) == ("Saved, memory", "no measurable effect", "n=0 proven, 2 no measurable effect")
    mixed = savings_of(fresh, run(-7 * MB), run(7 * MB, verdict="harmed"), run(-7 * MB))
    assert next(tile.value for tile in savings.build_savings_tiles(mixed) if tile.label == "Saved, memory") == "no measurable effect"


def test_what_has_no_interval_was_taken_back_or_is_a_placebo_is_no_saving(fresh: tuple[Reader, Writer]) -> None:
    summary = savings_of(
        fresh, run(-10 * MB), run(None, verdict="not enough data"), run(90 * MB, verdict="harmed", undone=True), run(-50 * MB, placebo=True)
    )
    saving = only(summary)
    assert saving.proved is not None
    assert (saving.proved.amount, saving.proved.n, saving.unmeasured, saving.undone) == (10 * MB, 1, 1, 1)
    assert (summary.overall.helped, summary.overall.harmed, summary.overall.unjudged, summary.placebos) == (1, 1, 1, 1)


def test_a_rise_is_a_gain_where_the_action_says_so_or_a_verdict_does_and_else_nothing_is_summed(fresh: tuple[Reader, Writer]) -> None:
    rising = savings_of(
        fresh,
        run(7e6, metric="engine.decisions_per_s", unit="1/s"),
        run(9e6, metric="engine.odd", unit="count", verdict="harmed"),
    )
    by_metric = {saving.metric: saving for saving in rising.savings}
    assert by_metric["engine.decisions_per_s"].proved is not None
    assert by_metric["engine.decisions_per_s"].proved.amount == 7e6
    assert (by_metric["engine.odd"].proved, by_metric["engine.odd"].unknown_direction) == (None, 1)


def test_rates_are_told_by_action_and_by_trigger_with_intervals_from_five_judged_on(fresh: tuple[Reader, Writer]) -> None:
    many = [run(-10 * MB) for _ in range(6)] + [run(1 * MB, verdict="no measurable effect", trigger="nightly")]
    summary = savings_of(fresh, *many)
    assert (summary.overall.judged, summary.overall.share) == (7, 6 / 7)
    assert summary.overall.band is not None
    assert [(saving.name, saving.helped, saving.judged) for saving in summary.by_trigger] == [("host_memory", 6, 6), ("nightly", 0, 1)]
    assert summary.by_trigger[1].band is None


def test_the_placebo_record_sets_doing_nothing_beside_the_run_and_leaves_runs_by_hand_out(fresh: tuple[Reader, Writer]) -> None:
    summary = savings_of(fresh, run(-10 * MB), run(None, placebo=True), run(-10 * MB, mode="manual", trigger="by hand"))
    (saving,) = summary.controls
    assert (saving.control.n, saving.treated.n) == (1, 1)
    assert saving.control.median == -10 * MB
    assert saving.control.band is None


def test_runs_by_hand_are_in_no_sum_and_no_rate_and_stand_apart(fresh: tuple[Reader, Writer]) -> None:
    by_coin = (run(-10 * MB), run(8 * MB, verdict="harmed"))
    others = (run(-90 * MB), run(70 * MB, verdict="harmed"), run(None, verdict="not enough data"))
    by_hand = tuple(replace(saving, mode="manual", trigger="by hand", amount=3.0 * MB) for saving in others)
    alone = savings_of(fresh, *by_coin)
    summary = savings_of(fresh, *by_hand)
    assert (summary.trials, summary.savings, summary.families, summary.overall) == (alone.trials, alone.savings, alone.families, alone.overall)
    assert (summary.by_action, summary.by_trigger, summary.controls) == (alone.by_action, alone.by_trigger, alone.controls)
    assert alone.manual == ()
    (saving,) = summary.manual
    assert (saving.action, saving.metric, saving.n, saving.better, saving.usual, saving.worse, saving.unknown) == (
        "collect_garbage",
        METRIC,
        3,
        1,
        0,
        1,
        1,
    )
    assert (saving.change.n, saving.change.median, saving.direct) == (3, -10 * MB, (("bytes", 9.0 * MB),))


def test_runs_by_hand_raise_no_alert_and_are_marked_without_a_claim(fresh: tuple[Reader, Writer], tmp_path: Path) -> None:
    reader, writer = fresh
    writer.save_trial(run(9 * MB, verdict="harmed", mode="manual", trigger="by hand"))
    facts = FactsReader(f"sqlite:///{tmp_path}/podium.db")
    assert facts.read(AlertInputs(now=NOW)).harmed == ()
    shown = resources.read_events(reader, NOW - SECOND, NOW + SECOND)
    assert shown["detail"].tolist() == ["collect garbage by hand: worse than usual"]
    writer.save_trial(run(9 * MB, verdict="harmed"))
    assert facts.read(AlertInputs(now=NOW)).harmed == ("collect_garbage harmed",)
    OptimizerRepository(writer).set_licence("collect_garbage", QUARANTINED, "set by ada: it is not wanted", NOW)
    assert facts.read(AlertInputs(now=NOW)).harmed == ("collect_garbage harmed",), "a licence that a person took away is no alert"
    OptimizerRepository(writer).set_licence("collect_garbage", QUARANTINED, "harmed; 12 windows", NOW)
    assert facts.read(AlertInputs(now=NOW)).harmed == ("collect_garbage harmed", "collect_garbage is quarantined")
    facts.close()


def test_nothing_yet_is_nothing_and_not_zero(fresh: tuple[Reader, Writer]) -> None:
    summary = savings_of(fresh)
    assert (summary.savings, summary.families, summary.controls, summary.trials) == ((), (), (), 0)
    assert (summary.overall.share, summary.overall.band) == (None, None)


def test_hostile_words_come_back_as_they_are(tmp_path: Path) -> None:
    url = empty(tmp_path)
    numbers = at_work(url, NOW, hostile=True)
    details = optimizer.read_trial(Reader(url), numbers["by hand"])
    assert details is not None
    assert details.row["reason"] == HOSTILE
    assert optimizer.read_firings(Reader(url)).set_index("rule").loc["disk_full", "answer"] == HOSTILE
