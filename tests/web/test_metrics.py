"""Prometheus' own promtool reads what /metrics says; counters only grow, labels are escaped, and a store that is gone is an answer."""

from __future__ import annotations

import math
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.domain.decision import Phase
from engine.domain.evolution import EvolutionReport
from engine.domain.live import StreamStatus
from engine.domain.optimization import Effect, Reading
from engine.store.database import path_from_url
from engine.store.retention import DAY, RetentionPolicy
from engine.store.write.optimizer import TRIAL_RUNNING
from engine.store.write.optimizer_repository import OptimizerRepository
from engine.store.write.writer import Writer
from engine.web.families import name_reading
from tests.store import made
from tests.store.made_evolution import row
from tests.web.asked import Asked, Clock

ROOT = Path(__file__).parent.parent.parent
LAST = made.WALL + 240 * 2 * made.SECOND  # when made.filled ends
HOSTILE = 'x"} 1\n# TYPE up counter\nup{a="\\'


def promtool() -> str:
    """Prometheus' own checker; without it the test skips in one line, which with CI=true is a failure."""
    found = shutil.which("promtool") or shutil.which("promtool", path=str(ROOT / ".venv" / "bin"))
    if found is None:
        pytest.skip("promtool is not here: `make promtool` brings it (it asks the network once), or install the package prometheus")
    return found


def told(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, by name and labels."""
    families = text_string_to_metric_families(text.decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def value(text: bytes, name: str, **labels: str) -> float:
    return told(text)[name, tuple(sorted(labels.items()))]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made.filled(tmp_path_factory.mktemp("metrics"))


@pytest.fixture
def scrape(filled: str) -> bytes:
    return Asked(filled, Clock(LAST)).get("/metrics").body


def check(text: bytes) -> str:
    done = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return (done.stdout + done.stderr).decode()


def test_promtool_finds_nothing_to_say(scrape: bytes) -> None:
    assert check(scrape) == ""


def test_promtool_finds_nothing_to_say_without_a_store_either(tmp_path: Path) -> None:
    assert check(Asked(f"sqlite:///{tmp_path}/none.db").get("/metrics").body) == ""
    assert check(Asked(made.empty(tmp_path)).get("/metrics").body) == ""


def test_hostile_names_stay_inside_their_labels(tmp_path: Path) -> None:
    url = made.filled(tmp_path, 25, (HOSTILE, "B"))
    with closing(Writer(url)) as writer:
        writer.set_component(HOSTILE, "ok", None, LAST)
        stream = StreamStatus(HOSTILE, "book", "stale", LAST, 7, 0.5, 1, 2, 0, 0, 3, 20.0, None, "no message", LAST)
        writer.save_streams([stream, replace(stream, stream="trades", state="ok")])
        writer.save_readings([Reading(made.WALL, HOSTILE, HOSTILE, 1.0, HOSTILE), Reading(made.WALL, "host", "a_total", 1.0, "count")])
    text = Asked(url, Clock(made.WALL)).get("/metrics").body
    check(text)
    assert math.isfinite(value(text, "podium_position_ratio", symbol=HOSTILE))
    assert value(text, "podium_component_state", component=HOSTILE, state="ok") == 1.0
    assert (value(text, "podium_stream_up", symbol=HOSTILE, stream="book"), value(text, "podium_stream_up", symbol=HOSTILE, stream="trades")) == (
        0,
        1,
    )
    assert value(text, "podium_stream_latency_seconds", symbol=HOSTILE, stream="book", percentile="50") == 0.02
    assert value(text, "podium_stream_filled_bars_total", symbol=HOSTILE, stream="book") == 3.0
    assert all(name.startswith("podium_") for name, _ in told(text))


def test_the_figures_are_those_of_the_store(filled: str, scrape: bytes) -> None:
    with closing(sqlite3.connect(path_from_url(filled))) as store:
        actions = dict(store.execute("SELECT action, count(*) FROM decisions GROUP BY action").fetchall())
        gates = dict(store.execute("SELECT binding_gate, count(*) FROM decisions WHERE binding_gate IS NOT NULL GROUP BY 1").fetchall())
        seconds, equity = store.execute("SELECT sum(ms) / 1000, (SELECT equity FROM ticks ORDER BY tick DESC LIMIT 1) FROM ticks").fetchone()
        quick = store.execute("SELECT count(*) FROM ticks WHERE ms <= 2.5").fetchone()[0]
        fee = store.execute("SELECT sum(size * price * fee_bps / 1e4) FROM fills WHERE size > 0").fetchone()[0]
    assert {action: value(scrape, "podium_decisions_total", action=action) for action in actions} == actions
    assert {gate: value(scrape, "podium_binding_gate_decisions_total", gate=gate) for gate in gates} == gates
    assert value(scrape, "podium_ticks_total") == value(scrape, "podium_tick_duration_seconds_count") == 240
    assert value(scrape, "podium_tick_duration_seconds_sum") == pytest.approx(seconds)
    assert value(scrape, "podium_tick_duration_seconds_bucket", le="0.0025") == quick
    assert value(scrape, "podium_equity") == pytest.approx(equity)
    assert value(scrape, "podium_costs_total", kind="fee") == pytest.approx(fee)
    assert value(scrape, "podium_phase_fallbacks_total", phase="validation") == value(scrape, "podium_degraded_ticks_total") == 4
    assert value(scrape, "podium_clean_decision_ratio") == pytest.approx(216 / 220)
    assert value(scrape, "podium_last_tick_age_seconds") == pytest.approx(2.0)
    assert value(scrape, "podium_alerts_open", severity="warning") == 1
    assert value(scrape, "podium_component_state", component="trainer", state="degraded") == 1
    assert value(scrape, "podium_optimizer_trials_total", action="tune_database", verdict="helped", placebo="false") == 1
    assert value(scrape, "podium_reading_process_rss_bytes") == pytest.approx(2e8, rel=0.1)
    assert value(scrape, "podium_skill_r2", scope="ensemble", model="ensemble", horizon_bars="1") == pytest.approx(0.004)
    assert value(scrape, "podium_commands_queued") == 1
    assert value(scrape, "podium_up") == 0  # no engine holds this store


def test_contests_that_run_have_their_evidence_and_changes_are_counted_by_state(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    writer, market = Writer(url), made.Market(made.SYMBOLS)
    made.begin(writer, market)
    rows = (row(1, evidence=7.5, threshold=40.0), row(2, "promoted", decided=3), row(3, evidence=None, threshold=None, model="lightgbm"))
    writer.save(replace(market.tick(), evolution=EvolutionReport(rows)))
    writer.close()
    samples = told(Asked(url, Clock(LAST)).get("/metrics").body)
    found = {
        (name, dict(labels).get("number") or dict(labels).get("state")): value for (name, labels), value in samples.items() if "evolution" in name
    }
    assert found == {
        ("podium_evolutions", "racing"): 2.0,
        ("podium_evolutions", "promoted"): 1.0,
        ("podium_evolution_contests", None): 2.0,
        ("podium_evolution_e_value", "1"): 7.5,
        ("podium_evolution_e_value_threshold", "1"): 40.0,
    }


def test_savings_are_the_sums_of_measured_effects_with_their_interval_and_follow_new_trials(tmp_path: Path) -> None:
    url = made.filled(tmp_path, 25)
    asked = Asked(url, Clock(LAST))
    key = {"metric": "process.rss_bytes", "unit": "bytes"}
    proved = replace(made.trial(LAST, "helped"), effect=Effect(2e8, 1.9e8, -1e7, -1.5e7, -5e6, 31, "helped"))
    with closing(Writer(url)) as writer:
        for _ in range(2):
            writer.save_trial(proved)
    first = asked.get("/metrics").body
    assert value(first, "podium_optimizer_saved", **key) == pytest.approx(2e7)
    assert value(first, "podium_optimizer_saved_bound", **key, bound="low") < 2e7 < value(first, "podium_optimizer_saved_bound", **key, bound="high")
    with closing(Writer(url)) as writer:
        writer.save_trial(proved)
        writer.save_trial(made.trial(LAST))  # no measurable effect
    asked.clock.seconds = 5.0
    again = asked.get("/metrics").body
    assert value(again, "podium_optimizer_saved", **key) == pytest.approx(3e7)
    assert value(again, "podium_optimizer_saved_runs", **key) == 3


def test_counters_and_only_counters_end_in_total_and_stand_in_base_units(scrape: bytes) -> None:
    for family in text_string_to_metric_families(scrape.decode()):
        assert (family.type == "counter") == any(sample.name.endswith("_total") for sample in family.samples), family.name
        assert not re.search(r"_(ms|percent|bps|pct)(_|$)", family.name), family.name
        assert family.documentation.endswith("."), family.name


@pytest.mark.parametrize(
    ("reading", "expected", "factor"),
    [
        (("host", "cpu_percent", "%"), "podium_reading_host_cpu_ratio", 0.01),
        (("engine", "tick_p99_ms", "ms"), "podium_reading_engine_tick_p99_seconds", 0.001),
        (("host", "disk_read_bytes_per_s", "bytes/s"), "podium_reading_host_disk_read_bytes_per_second", 1.0),
        (("gpu", "temperature", "C"), "podium_reading_gpu_temperature_celsius", 1.0),
        (("gpu0", "power", "W"), "podium_reading_gpu0_power_watts", 1.0),
        (("host", "things_total", "count"), "podium_reading_host_things_totals", 1.0),
        (("a b", "É}", "count"), "podium_reading_a_b__", 1.0),
    ],
)
def test_a_reading_has_a_name_of_its_own_in_base_units(reading: tuple[str, str, str], expected: str, factor: float) -> None:
    assert name_reading(*reading) == (expected, factor)


def test_counters_never_go_back_when_history_is_dropped_and_grow_with_what_comes(tmp_path: Path) -> None:
    url = made.filled(tmp_path, 260)
    clock = Clock(LAST)
    before = told(Asked(url, clock).get("/metrics").body)
    with closing(Writer(url)) as writer:
        dropped = writer.prune(LAST + 2 * DAY, RetentionPolicy(days=1.0))
        assert dropped.ticks >= 100
        after = told(Asked(url, clock).get("/metrics").body)
        counted = [key for key in before if key[0].endswith(("_total", "_bucket", "_count", "_sum"))]
        assert len(counted) > 30
        assert [key for key in counted if after[key] < before[key]] == []
        market = made.Market(first_tick=260)
        writer.save(market.tick(degraded=(Phase.RISK,), wall=LAST + 2 * DAY))
    later = told(Asked(url, clock).get("/metrics").body)
    assert later["podium_ticks_total", ()] == before["podium_ticks_total", ()] + 1
    assert sum(later["podium_decisions_total", (("action", one),)] for one in ("buy", "sell", "hold")) == 261 * 4
    assert later["podium_phase_fallbacks_total", (("phase", "risk"),)] == 1


def test_a_tick_that_is_saved_again_is_counted_once(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    with closing(Writer(url)) as writer:
        market = made.Market()
        made.begin(writer, market)
        tick = market.tick()
        writer.save(tick)
        writer.save(tick)
    text = Asked(url).get("/metrics").body
    assert sum(value(text, "podium_decisions_total", action=one) for one in ("buy", "sell", "hold")) == 4


def test_a_trial_counts_once_and_when_it_has_ended(tmp_path: Path) -> None:
    url = made.empty(tmp_path)

    def counted() -> dict[str, float]:
        samples = told(Asked(url).get("/metrics").body)
        return {dict(labels)["verdict"]: n for (name, labels), n in samples.items() if name == "podium_optimizer_trials_total"}

    with closing(Writer(url)) as writer:
        pen = OptimizerRepository(writer)
        begun = replace(made.trial(verdict="not enough data"), detail=TRIAL_RUNNING)
        first = writer.save_trial(begun)
        writer.save_trial(begun)
        assert counted() == {}
        pen.finish_trial(first, made.trial(verdict="helped"))
        assert counted() == {"helped": 1}
        assert pen.open_session({}) == 1  # as a start after a kill: the other one is closed
        assert counted() == {"helped": 1, "not enough data": 1}


def test_runs_by_hand_are_counted_apart_and_in_no_sum(tmp_path: Path) -> None:
    url = made.filled(tmp_path, 25)
    before = told(Asked(url, Clock(LAST)).get("/metrics").body)
    with closing(Writer(url)) as writer:
        writer.save_trial(made.by_hand(made.trial(LAST, "harmed")))
    text = Asked(url, Clock(LAST)).get("/metrics").body
    assert value(text, "podium_optimizer_runs_by_hand_total", action="collect_garbage", comparison="worse than usual") == 1
    check(text)
    same = ("podium_optimizer_trials_total", "podium_optimizer_saved", "podium_optimizer_saved_bound", "podium_optimizer_saved_runs")
    assert {key: n for key, n in told(text).items() if key[0] in same} == {key: n for key, n in before.items() if key[0] in same}


def test_old_readings_are_not_told_as_new_ones(filled: str) -> None:
    text = Asked(filled, Clock(LAST + 3 * made.MINUTE)).get("/metrics").body
    assert b"podium_reading_" not in text
    assert b"podium_readings_timestamp_seconds" not in text


def test_the_store_is_read_at_most_once_a_second(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    clock = Clock()
    asked = Asked(url, clock)
    first = asked.get("/metrics").body
    with closing(Writer(url)) as writer:
        market = made.Market()
        made.begin(writer, market)
        writer.save(market.tick())
    clock.seconds = 0.9
    assert asked.get("/metrics").body == first
    clock.seconds = 1.1
    assert value(asked.get("/metrics").body, "podium_ticks_total") == 1


@pytest.mark.parametrize("fault", ["missing", "damaged", "locked", "not set up"])
def test_a_store_that_cannot_be_read_is_told_and_the_scrape_succeeds(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "podium.db"
    if fault == "damaged":
        path.write_bytes(b"this is no database " * 500)
    elif fault != "missing":
        with closing(sqlite3.connect(path)) as store:
            store.execute("CREATE TABLE ticks (tick)")
    with closing(sqlite3.connect(path if fault == "locked" else tmp_path / "other.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answer = Asked(f"sqlite:///{path}").get("/metrics")
    assert answer.code == 200
    assert told(answer.body) == {("podium_store_readable", ()): 0.0, ("podium_up", ()): 0.0}


def test_the_answer_is_of_the_type_that_prometheus_asks_for(filled: str) -> None:
    answer = Asked(filled).get("/metrics")
    assert answer.head["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert Asked(filled).get("/metrics", method="HEAD").code == 200
