"""The command line: what cannot be done is one line on stderr with the value and the remedy, exit 64; nobody sees a traceback."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pandas as pd
import pytest

from engine.__main__ import main
from engine.cli.export import escape_formulas
from engine.service.feeds import open_configured_feed
from engine.service.supervisor import Supervisor
from engine.service.training import select_models
from engine.settings import Settings
from engine.store.inbox import Inbox
from engine.store.read.reader import Reader
from tests.store.made import filled

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose engine has decided 40 ticks and stopped."""
    folder = tmp_path_factory.mktemp("home")
    plain = Settings(home=str(folder), database_url=f"sqlite:///{folder}/podium.db", warmup_bars=0)
    told = Settings(
        home=plain.home, database_url=plain.database_url, symbols=open_configured_feed(plain).info.symbols[:2], models=(select_models()[0].name,)
    )
    host = Supervisor(told, ticks=40)
    host.open()
    host.start()
    assert host.ended.wait(300)
    assert host.stop(300)
    return folder


@pytest.fixture
def home(kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PODIUM_HOME", str(kept))
    monkeypatch.chdir(tmp_path)
    return kept


def test_every_command_of_the_contract_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    told = capsys.readouterr().out
    for name in ("run", "backtest", "replay", "export", "command", "status", "doctor", "record", "report", "backup"):
        assert f"    {name} " in told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "give a command"),
        ("bactest x", "did you mean backtest?"),
        ("--nope", "unrecognized arguments: --nope"),
        ("copy-store sqlite:///a sqlite:///b", "copy-store is not there yet: the name is reserved for a later version"),
        ("token create ann --scope write", "'write' is not a scope: give read, command, push or command:NAME"),
        ("user add ann --role root", "'root' is not a role: give viewer, operator or admin"),
        ("run --exchange kraken", "the live feed needs symbols: give --symbols"),
        ("serve --feed live --exchange krakn --symbols BTC/USD", "ccxt has no exchange 'krakn': did you mean kraken?"),
        ("run --feed push", "the push feed needs symbols: give --symbols A,B"),
        (
            "run --feed push --symbols A,B --interval 1m",
            "run has no server that bars could be posted to: start the push feed by `python -m engine serve",
        ),
        ("record out --feed push --symbols A", "record has no server that bars could be posted to"),
        ("backtest simulated --changes 3000:flop", "--changes: 'flop' is not a change of the simulated market: did you mean flip?"),
        ("backtest simulated --changes 10:flip,10:none", "--changes: the change at bar 10 follows the change at bar 10: give bars that rise"),
        ("backtest simulated --changes 10:other --symbol-count 1", "the change 10:other relates a symbol to the others: simulate at least 2 symbols"),
        ("backtest . --changes 10:flip", "--changes is for the simulated market"),
        ("run --feed recorded --path . --changes 10:flip", "--changes is for the simulated market"),
        ("backtest simulated --evolution on", "--evolution is 'on': give off, refresh or full"),
        ("run --evolution on", "--evolution is 'on': give off, refresh or full"),
        ("report --day 2024-01-01", "the store has no rows of 2024-01-01: it has ticks from "),
        ("report --day 2024-13-01", "--day '2024-13-01' is not a day: write it as 2024-01-31, yesterday or today"),
        ("report --day 2999-01-01", "--day 2999-01-01 is in the future: give a day up to today"),
        ("report --day 1969-12-31", "is before 1970"),
        ("report --out day.pdf", "--out day.pdf: give a file that ends in .html or .md"),
        ("report --out /nowhere/day.md", "the folder /nowhere is not there"),
        ("run --ticks 0", "'0' is not a whole number from 1"),
        ("run --ticks ten", "'ten' is not a whole number"),
        ("run --feed live", "the live feed needs an exchange: give --exchange NAME"),
        ("run --feed recorded", "--path DIR"),
        ("run --path /nowhere", "'/nowhere' is not a folder"),
        ("run --symbols A,A", "names 'A' twice"),
        ("run --tick 5", "unrecognized arguments: --tick"),
        ("backtest", "the following arguments are required"),
        ("backtest /nowhere", "'/nowhere' is not a folder"),
        ("backtest . --signal 0", "for the simulated market"),
        ("backtest simulated --signal 2", "'2' is not a number from 0 to 0.5"),
        ("backtest simulated --signal nan", "'nan' is not a number"),
        ("backtest simulated --bars -5", "--bars"),
        ("backtest simulated --interval 5x", "'5x' is not a duration"),
        ("backtest simulated --from 2024-13-01", "is not a time"),
        ("backtest simulated --from 2024-02-01 --to 2024-01-01", "not later"),
        ("backtest simulated --to 2023-01-01", "its first closes at 2024-01-01 00:01:00 UTC"),
        ("backtest simulated --to 9999-01-01", "from 1970 to 2261"),
        ("backtest simulated --symbols NOPE --bars 5", "has no symbol 'NOPE'"),
        ("replay minus", "'minus' is not a whole number"),
        ("replay 99999", "tick 99999 is not in the store"),
        ("replay 1 --store sqlite:////nowhere/x.db", "there is no store at /nowhere/x.db"),
        ("replay 1 --store nonsense", "'nonsense' is not the address of a store"),
        ("backup", "the following arguments are required: FILE"),
        ("backup /nowhere/copy.db", "/nowhere/copy.db cannot be written (No such file or directory)"),
        ("backup copy.db --store sqlite:////nowhere/x.db", "there is no store at /nowhere/x.db"),
        ("export nonsense", "there is no view 'nonsense'"),
        ("export declined --since 2h", "has no time"),
        ("export decisions --format xml", "invalid choice: 'xml'"),
        ("export decisions --format parquet", "give --out FILE"),
        ("export decisions --out /nowhere/x.csv", "the folder /nowhere is not there"),
        ("export equity --symbol A", "has no symbols"),
        ("export skill --since 2h", "has no time"),
        ("command dance", "there is no command 'dance'"),
        ("command pauze", "did you mean pause?"),
        ("command set", "set needs signal=X"),
        ("command set volume=1", "set takes no argument 'volume': it takes signal"),
        ("command optimize action", "'action' is not key=value"),
        ("command pause now=1", "pause takes no argument 'now': it takes none"),
        ("status --store postgresql://h/db", "postgresql"),
    ],
)
def test_a_wrong_use_is_one_line_and_exit_64(home: Path, capsys: pytest.CaptureFixture[str], line: str, told: str) -> None:
    code = main(line.split())
    out, err = capsys.readouterr()
    assert code == 64, out + err
    assert told in err
    assert err.count("\n") == 1
    assert err.startswith("podium: ")
    assert out == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lot = -1", "lot is -1: make it a number of at least 0"),
        ("spot = 1", "spot is 1: make it true or false"),
        ("borrow_rate = 12.0", "borrow_rate is 12.0: make it a number from 0 to 10, a fraction per year: 0.05 is 5 %"),
        ("funding_rate = [0.0001]", "a series over time is not supported"),
        ("min_notional_usd = 5", "there is no 'min_notional_usd': it is min_notional"),
        ("fee_bps = 2\nmaker_fee_bps = 3", "maker_fee_bps is 3, above fee_bps of 2: swap them"),
    ],
)
def test_trading_rules_that_cannot_be_meant_are_one_line_and_exit_64(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    del home
    folder = tmp_path / "recorded"
    (folder / "A").mkdir(parents=True)
    (folder / "A" / "bars.csv").write_text("ts,open,high,low,close,volume\n2024-01-01T00:00Z,1,1,1,1,1\n2024-01-01T00:01Z,1,1,1,1,1\n")
    (folder / "recording.toml").write_text(text)
    assert main(["backtest", str(folder)]) == 64
    out, err = capsys.readouterr()
    assert told in err
    assert err.count("\n") == 1
    assert err.startswith("podium: ")
    assert out == ""


def test_hostile_arguments_change_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in home.rglob("*"))
    for words in (
        ["export", "decisions; DROP TABLE ticks"],
        ["export", "decisions", "--symbol", "' OR 1=1 --", "--format", "json"],
        ["replay", "1; rm -rf /"],
        ["export", "../../etc/passwd"],
        ["command", "optimize", "action="],
    ):
        main(words)
    assert main(["export", "equity", "--limit", "1", "--format", "json"]) == 0
    assert '"tick":39' in capsys.readouterr().out
    assert sorted(path.name for path in home.rglob("*")) == before


def test_a_stored_tick_replays_identical(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "39"]) == 0
    assert "identical" in capsys.readouterr().out


def test_a_backup_is_a_store_of_its_own_and_takes_the_place_of_nothing(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", "copy.db"]) == 0
    told = capsys.readouterr()
    assert (told.out.startswith("copied to copy.db: "), len(told.out.splitlines()), told.err) == (True, 1, "")
    assert main(["replay", "20", "--store", f"sqlite:///{tmp_path}/copy.db"]) == 0
    before = (tmp_path / "copy.db").read_bytes()
    assert main(["backup", "copy.db"]) == 64
    assert "copy.db is there already" in capsys.readouterr().err
    assert (tmp_path / "copy.db").read_bytes() == before


def test_export_writes_the_same_rows_in_every_format(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("d.csv", "d.json", "d.parquet"):
        assert main(["export", "v_decisions", "--out", str(tmp_path / name)]) == 0
    frames = [pd.read_csv(tmp_path / "d.csv"), pd.read_json(tmp_path / "d.json"), pd.read_parquet(tmp_path / "d.parquet")]
    assert [len(frame) for frame in frames] == [80, 80, 80]
    assert [list(frame["tick"]) for frame in frames] == [list(frames[0]["tick"])] * 3
    assert list(tmp_path.glob(".*")) == []
    assert main(["export", "decisions", "--limit", "3"]) == 0
    assert capsys.readouterr().out.count("\n") == 4


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t=", "\r="])
def test_a_spreadsheet_runs_nothing_out_of_an_exported_text_and_numbers_stay_numbers(begin: str, tmp_path: Path) -> None:
    symbols = (f"{begin}HYPERLINK(A1)", "BTC")
    url = filled(tmp_path, ticks=3, symbols=symbols)
    out = tmp_path / "d.csv"
    assert main(["export", "decisions", "--store", url, "--out", str(out)]) == 0
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["symbol"] for row in rows} == {f"'{symbols[0]}", "BTC"}
    frame = Reader(url).view("decisions")
    for name in frame.select_dtypes("number"):
        assert [float(row[name] or "nan") for row in rows] == pytest.approx(frame[name].tolist(), nan_ok=True)


def test_no_text_begins_as_a_formula_does() -> None:
    texts = ["=1", "\uff1d1", "-", "'=", "a=1", "", None, "1"]
    told = escape_formulas(pd.DataFrame({"text": pd.Series(texts, dtype=object), "number": [-1.5] * len(texts)}))
    assert told["text"].fillna("none").tolist() == ["'=1", "'\uff1d1", "'-", "'=", "a=1", "", "none", "1"]
    assert told["number"].tolist() == [-1.5] * len(texts)


def test_status_tells_a_stopped_engine_with_exit_2(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "down"
    assert told["reasons"][0] == "no engine runs on this store"
    assert told["last_tick"] == 39
    assert main(["status"]) == 2
    assert "clean rate" in capsys.readouterr().out


def test_status_without_a_store_is_down(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--store", f"sqlite:///{tmp_path}/none.db"]) == 2
    assert capsys.readouterr().out.startswith("down: there is no store at")


def test_status_of_a_damaged_store_is_one_line(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.db").write_bytes(b"not a database at all" * 100)
    assert main(["status", "--store", f"sqlite:///{tmp_path}/bad.db"]) == 2
    told = capsys.readouterr().out
    assert told.startswith("down: the store")
    assert told.count("\n") == 1


def test_a_command_nobody_obeys_is_told_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["command", "pause", "--wait", "0.2", "--by", "ann", "--reason", "a test"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["status"] == "queued"
    assert "it is carried out as soon as an engine runs" in err


def test_doctor_goes_through_the_machine_line_by_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    told = capsys.readouterr().out
    assert "Python 3." in told
    assert "packages of requirements.txt are there" in told
    assert "charts: their browser library is there" in told
    assert all(line.startswith(("ok ", "note ", "wrong ")) for line in told.splitlines())


def test_doctor_says_what_is_wrong_with_the_settings(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PODIUM_FED", "x")
    assert main(["doctor", "--quiet"]) == 1
    assert "did you mean PODIUM_FEED?" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["run --ticks 1", "serve --port 18599"])
def test_a_folder_that_cannot_be_written_is_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "file"))
    assert main(line.split()) == 64
    assert f"the data folder {tmp_path / 'file'} cannot be written" in capsys.readouterr().err


def test_serve_refuses_an_address_that_others_can_reach(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--address", "0.0.0.0"]) == 64
    assert "no login yet" in capsys.readouterr().err


def test_a_short_backtest_gives_the_contracts_object_and_the_same_digest_twice(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["backtest", "simulated", "--bars", "60", "--symbol-count", "2", "--seed", "3", "--no-training", "--json"]
    assert main(line) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(line) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == first["digest"]
    assert set(first) >= {
        "recording", "symbols", "ticks", "decisions", "wall_seconds", "decisions_per_second", "digest", "phase_ms", "tick_ms", "actions", "fallbacks",
        "clean_rate", "binding_gates", "skill", "calibration", "volatility", "micro", "portfolio", "declined", "training", "peak_rss_mb",
    }  # fmt: skip
    assert (first["ticks"], first["decisions"]) == (60, 120)
    assert main([*line[:-1]]) == 0
    assert "decisions by the gate that declined them" in capsys.readouterr().out


def ran(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PODIUM_HOME": str(home)}
    return subprocess.run([sys.executable, "-m", "engine", *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False)


def test_an_error_nobody_foresaw_is_one_line_and_its_traceback_is_in_the_log(tmp_path: Path) -> None:
    code = "import sys; from engine.__main__ import report_crash; sys.excepthook = report_crash; [][1]"
    env = {**os.environ, "PODIUM_HOME": str(tmp_path)}
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert told.returncode == 70
    assert told.stderr.count("\n") == 1
    assert "IndexError" in (tmp_path / "logs" / "podium.log").read_text(encoding="utf-8")


def test_a_reader_that_goes_away_is_no_error(home: Path, tmp_path: Path) -> None:
    line = f"{sys.executable} -m engine export decisions | head -1"
    env = {**os.environ, "PODIUM_HOME": str(home)}
    told = subprocess.run(["bash", "-c", line], cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert told.stdout.startswith("tick,at,symbol")
    assert told.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_after_the_tick_in_hand(tmp_path: Path, number: signal.Signals) -> None:
    env = {**os.environ, "PODIUM_HOME": str(tmp_path), "PODIUM_WARMUP_BARS": "0", "PODIUM_TICK_INTERVAL_SECONDS": "0.05"}
    with subprocess.Popen([sys.executable, "-m", "engine", "run"], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "Ctrl-C stops it" in process.stderr.readline()
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(300) == 0
    assert rest.startswith("podium: stopped after")
    assert rest.count("\n") == 1


def test_a_run_of_an_action_is_printed_with_its_verdict_before_anything_it_did(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(kept / "podium.db", tmp_path / "podium.db")
    url, stop = f"sqlite:///{tmp_path / 'podium.db'}", Event()
    result = {"verdict": "no measurable effect", "action": "collect_garbage", "status": "measured", "detail": "freed 1.5 MB"}

    def obey() -> None:
        inbox = Inbox(url, None)
        while not stop.wait(0.02):
            taken = inbox.claim(1)
            if taken is not None:
                inbox.finish(taken.id, True, result, 2)
        inbox.close()

    engine = Thread(target=obey)
    engine.start()
    try:
        assert main(["command", "optimize", "action=collect_garbage", "--wait", "300", "--store", url]) == 0
    finally:
        stop.set()
        engine.join()
    out, err = capsys.readouterr()
    assert list(json.loads(out))[:3] == ["id", "name", "verdict"]
    assert (json.loads(out)["verdict"], json.loads(out)["status"]) == ("no measurable effect", "done")
    assert out.index("no measurable effect") < out.index("freed 1.5 MB")
    assert err.strip() == "podium: collect_garbage: no measurable effect"


def test_an_evidence_bundle_is_entered_in_the_audit_trail(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "30", "--bundle", str(tmp_path / "evidence.zip")]) == 0
    last = Reader(f"sqlite:///{home}/podium.db").view("audit").iloc[-1]
    assert (last["kind"], last["subject"], last["after"]) == ("export", "evidence bundle", '{"tick":30}')
