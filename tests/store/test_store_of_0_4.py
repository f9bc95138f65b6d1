"""A store written by 0.4 shows its ticks under the names of today, and a new session begins; its numbers stay as they are, bit for bit."""

from __future__ import annotations

import json
import lzma
import sqlite3
from pathlib import Path

import pytest

from engine.domain.market import Account, MarketSnapshot
from engine.domain.state import State
from engine.domain.tick import TrainingRow
from engine.domain.trading_config import TradingConfig
from engine.phases.gates import GATE_NAMES
from engine.plugins import discover_plugins
from engine.service import training
from engine.store import codec, database
from engine.store.errors import NotStored
from engine.store.read.history import TickHistory
from engine.store.read.reader import Reader
from engine.store.views import list_views

RECORDS = (State, Account, TradingConfig, MarketSnapshot, TrainingRow)
STILL_READ = (Account, MarketSnapshot, TrainingRow)
OLD_NAMES = ("models heard", "known territory", "sound phases", "sane book", "edge over cost", "worth trading", "room in limits")
PACKED = "SELECT tick, account FROM ticks", "SELECT tick, data FROM {snapshots}", "SELECT id, data FROM artifacts"


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store as 0.4 wrote it: 95 ticks of two symbols with three models, and a command of every common kind."""
    path = tmp_path_factory.mktemp("before") / "podium.db"
    path.write_bytes(lzma.decompress((Path(__file__).parent / "store_0_4.db.xz").read_bytes()))
    return path


@pytest.fixture(scope="module")
def url(before: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same store, opened by today's version."""
    path = tmp_path_factory.mktemp("after") / "podium.db"
    path.write_bytes(before.read_bytes())
    database.prepare(f"sqlite:///{path}")
    return f"sqlite:///{path}"


def ask(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def after(url: str, query: str) -> list[tuple[object, ...]]:
    return ask(database.path_from_url(url), query)


def test_every_view_can_be_read_and_none_has_an_old_name(url: str) -> None:
    reader = Reader(url)
    for view in (name for name in list_views() if name != "v_commands"):  # a command stays as it was typed
        frame = reader.view(view)
        text = frame.to_csv()
        assert not [name for name in (*OLD_NAMES, "fourier-", "honest") if name in text.replace("random_fourier_features-", "")], view
    assert list(reader.view("v_equity").columns) == ["tick", "at", "equity", "benchmark", "drawdown"]
    gates = reader.view("v_gates")
    assert tuple(gates[gates["tick"] == 90]["gate"].unique()) == GATE_NAMES
    assert set(reader.view("v_votes")["model"]) == {"random_fourier_features", "kmeans_prototypes", "ridge"}
    assert set(reader.view("v_decisions")["binding_gate"].dropna()) <= set(GATE_NAMES)


def test_numbers_and_packed_records_stay_as_they_are(before: Path, url: str) -> None:
    figures = "SELECT tick, symbol, action, target, position, confidence, edge_bps, cost_bps, {}, forecast, votes, micro FROM decisions"
    assert ask(before, figures.format("flip_bps")) == after(url, figures.format("edge_to_flip_bps"))
    assert ask(before, "SELECT tick, equity, naive, mood FROM ticks") == after(url, "SELECT tick, equity, benchmark, market_state FROM ticks")
    assert ask(before, "SELECT tick, digest, phase_digests FROM ticks") == after(url, "SELECT tick, digest, phase_digests FROM ticks")
    for query in PACKED:
        assert ask(before, query.format(snapshots="slices")) == after(url, query.format(snapshots="market_snapshots"))
    assert ask(before, "SELECT * FROM knobs") == after(url, "SELECT * FROM trading_configs")


def test_counters_silences_and_settings_have_the_names_of_today(url: str) -> None:
    bound = {str(name): value for name, value in after(url, "SELECT name, value FROM counters WHERE kind = 'bound'")}
    assert bound["active models"] == 102.0
    assert set(bound) <= set(GATE_NAMES)
    assert after(url, "SELECT rule FROM silences") == [("clean rate low",)]
    ((text,),) = after(url, "SELECT settings FROM sessions")
    settings = json.loads(str(text))
    assert (settings["warmup_bars"], settings["retention_days"], settings["impact_coefficient"]) == (68, 30.0, 0.1)
    assert settings["models"] == ["random_fourier_features", "kmeans_prototypes", "ridge"]
    assert (settings["trading"]["deployment_lag_bars"], settings["trading"]["shrinkage_rows"]) == (4, 4000.0)


def test_decisions_are_of_an_earlier_layout_and_models_are_read(url: str) -> None:
    """State and configuration have been laid out anew since: ticks are shown, not decided again."""
    history = TickHistory(url)
    with pytest.raises(NotStored, match="was written by another version of Podium"):
        history.tick(94)
    ((_, tick),) = history.checkpoints()
    with pytest.raises(NotStored, match="was written by another version of Podium"):
        history.read_checkpoint(tick, {})
    (row,) = after(url, "SELECT serving FROM ticks WHERE tick = 94")
    served = [training.load_model(history.artifact(digest, 94)).version for digest in json.loads(str(row[0])) if digest]
    assert served == ["random_fourier_features-49", "kmeans_prototypes-49", "ridge-49"]
    history.close()


def test_the_session_ends_for_its_layout_is_another(url: str) -> None:
    session = TickHistory(url).latest_session()
    assert session is not None
    identity = json.loads(session.identity)
    families = discover_plugins("engine.features", "FAMILY")
    assert identity["columns"] == [f"{family.name}.{column}" for family in families for column in family.columns]
    assert set(identity["models"]) <= {model.name for model in training.select_models()}
    assert identity["layout"] != codec.digest_layout(*RECORDS)


def test_the_marks_of_0_4_that_are_read_are_those_of_todays_records() -> None:
    """Fails when a record is renamed or laid out anew; then its entry goes, and the session of a store ends."""
    assert set(codec._RENAMED.values()) == {codec._short(codec._of_record(record).mark) for record in RECORDS if record in STILL_READ}
