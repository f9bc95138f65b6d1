"""Drills: tests of the kill switch, the stop and the alert path that do not touch real positions."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import numpy as np

from engine import units
from engine.alerting.delivery import Dispatcher, Sender
from engine.alerting.messages import compose_drill
from engine.alerting.sender_process import Notification
from engine.domain.alerting import Drill, DrillCheck
from engine.domain.decision import Outcome
from engine.domain.market import Inputs
from engine.domain.model import PLUGIN_ERRORS, Catalog
from engine.domain.ports import Clock
from engine.domain.state import State
from engine.files import temporary_files
from engine.orchestrator import decide
from engine.phases import decision
from engine.run import PhaseRunner, axis_lengths
from engine.service.logging import LOG
from engine.store.connection import Store
from engine.store.database import url_from_path
from engine.store.errors import StoreError
from engine.store.write import alerts

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, STOP_SECONDS, ARRIVAL_SECONDS, POLL_SECONDS = 90.0, 20.0, 60.0, 0.2
TICKS = 600  # of the throw-away engine
NICE = 10
TOLERANCE = 1e-9
_GIVES_WAY = (
    f"import runpy, sys; from engine.service import process_memory; process_memory.lower_priority({NICE}); "
    "sys.argv = ['engine', *sys.argv[1:]]; runpy.run_module('engine', run_name='__main__')"
)


Decide = Callable[[Inputs, State, Catalog, PhaseRunner], Outcome]


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """What the newest tick was decided from."""

    inputs: Inputs
    state: State  # before it
    catalog: Catalog


class StopEvent(Protocol):
    def wait(self, timeout: float | None = None) -> bool: ...

    def is_set(self) -> bool: ...


def run_drill(steps: Mapping[str, Callable[[], tuple[bool, str]]], clock: Clock, by: str) -> Drill:
    """Run the steps in turn, each timed; a step that raises has failed and stops no other."""
    at, begun = clock.now(), clock.tick()
    proofs = []
    for name, step in steps.items():
        start = clock.tick()
        try:
            passed, detail = step()
        except (*PLUGIN_ERRORS, StoreError, sqlite3.Error, subprocess.SubprocessError) as error:
            LOG.warning("the drill of the %s broke: %s", name, error)
            passed, detail = False, f"it broke: {type(error).__name__}: {' '.join(str(error).split())}"[:300]
        proofs.append(DrillCheck(name, passed, detail, clock.tick() - start))
    return Drill(at, all(proof.passed for proof in proofs), clock.tick() - begun, tuple(proofs), by)


def drill_kill_switch(moment: DecisionContext | None, deciding: Decide = decide) -> tuple[bool, str]:
    """Decide the newest inputs again with each switch thrown, by the real gates, and check that nothing would be opened."""
    if moment is None:
        return False, "no tick has been decided yet"
    inputs = moment.inputs
    plain = _decided(moment, inputs, deciding)
    paused = _decided(moment, _with(inputs, paused=True), deciding)
    flat = _decided(moment, _with(inputs, paused=False, flatten=True), deciding)
    if paused.orders or _opens(paused, inputs) or not _shut(paused, "not paused"):
        return False, f"paused, it would still give {len(paused.orders)} orders"
    if _opens(flat, inputs) or not _shut(flat, "not flattened"):
        return False, "flattened, it would still open a position"
    requested, passed = _request_all(moment)
    if not requested or any(passed.values()):
        leaks = ", ".join(f"{name} lets {count} through" for name, count in passed.items())
        return False, f"of {requested} requested positions, every other gate waived, {leaks}"
    return True, (
        f"tick {inputs.tick:,} decided again gives {units.format_count(len(plain.orders), 'order')}, none while paused, and "
        f"{len(flat.orders)} while flattening, none of which opens a position; with every other gate waived, neither switch opens any of "
        f"{units.format_count(requested, 'requested position')}"
    )


def drill_stop(clock: Clock, halted: StopEvent, home: str) -> tuple[bool, str]:
    """Start a throw-away engine on the simulated market in a temporary folder of PODIUM_HOME, stop it as a server is stopped, and check what it
    left."""
    folder = temporary_files.create_folder(home, "drill")
    try:
        return _stop_engine_in(folder.path, clock, halted)
    finally:
        folder.delete()


def _stop_engine_in(home: Path, clock: Clock, halted: StopEvent) -> tuple[bool, str]:
    argv = [sys.executable, "-c", _GIVES_WAY, "run", "--feed", "simulated", "--ticks", str(TICKS)]
    child = subprocess.Popen(
        argv, cwd=home, env=_environment(home), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        if not _ticking(home / "podium.db", child, clock, halted):
            return False, f"the throw-away engine decided nothing within {units.format_setting(START_SECONDS, 's')}"
        begun = clock.tick()
        child.send_signal(signal.SIGTERM)
        code = child.wait(STOP_SECONDS)
        took = clock.tick() - begun
    except subprocess.TimeoutExpired:
        return False, f"it was still running {units.format_setting(STOP_SECONDS, 's')} after the stop"
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    return _check_remains(home / "podium.db", code, took)


def drill_alert_path(deliveries: Dispatcher, targets: tuple[str, ...], store: Store, sender: Sender, clock: Clock,
               halted: StopEvent) -> tuple[bool, str]:  # fmt: skip
    """Send a message marked as a drill to every target; to a receiver on this machine where no target is configured."""
    if not targets:
        return _loopback(sender)
    with store.read() as connection:
        number = alerts.choose_drill_number(connection)
    message = compose_drill(number, clock.now())
    with store.write() as connection:
        alerts.queue_message(connection, message, targets, clock.now())
    begun = clock.tick()
    while True:
        deliveries.send_due()
        with store.read() as connection:
            waiting, sent, error = alerts.count_deliveries(connection, -number)
        if not waiting:
            return sent > 0, f"{sent} of {len(targets)} targets accepted the message" if sent else "no target accepted the message"
        if clock.tick() - begun > ARRIVAL_SECONDS or halted.wait(1.0):
            return False, f"{waiting} of {len(targets)} targets accepted no message: {error or 'no answer'}"


def _loopback(sender: Sender) -> tuple[bool, str]:
    received: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server, ThreadPoolExecutor(1, thread_name_prefix="drill") as pool:
        server.timeout = 20.0
        served = pool.submit(server.handle_request)
        (error,) = sender.send(f"json://127.0.0.1:{server.server_port}/drill", [Notification("Podium drill", "nothing is wrong", "info")])
        served.result()
    arrived = bool(received) and json.loads(received[0]).get("title") == "Podium drill"
    if error is not None or not arrived:
        return False, f"no target is configured, and a receiver on this machine got nothing: {error or 'no answer'}"
    return True, "no target is configured, so a receiver on this machine accepted the message; set PODIUM_ALERT_URLS to reach a person"


def _decided(moment: DecisionContext, inputs: Inputs, deciding: Decide = decide) -> Outcome:
    return deciding(inputs, moment.state, moment.catalog, PhaseRunner(axis_lengths(inputs, moment.catalog), clock=lambda: 0.0))


def _with(inputs: Inputs, *, paused: bool, flatten: bool = False) -> Inputs:
    return replace(inputs, config=replace(inputs.config, paused=paused, flatten=flatten))


def _request_all(moment: DecisionContext) -> tuple[int, dict[str, int]]:
    """Positions opened when the largest is requested in every symbol and every gate is waived, and by switch, when all gates but it are waived."""
    inputs = _with(moment.inputs, paused=False)
    outcome = _decided(moment, inputs)
    names = outcome.decisions.gates.names
    held = outcome.sizes.current
    largest = held + np.where(held < 0, -1.0, 1.0) * inputs.config.max_position
    sizes = replace(outcome.sizes, unconstrained=largest, target=largest)

    def opened(thrown: Inputs, waived: tuple[str, ...]) -> int:
        decisions = decision.decide_actions(sizes, outcome.liquidity, outcome.predictions, outcome.market_state, thrown, (), waived=waived)
        return int((np.abs(decisions.target) > np.abs(held) + TOLERANCE).sum())

    thrown = {"not paused": _with(inputs, paused=True), "not flattened": _with(inputs, paused=False, flatten=True)}
    return opened(inputs, names), {gate: opened(switched, tuple(name for name in names if name != gate)) for gate, switched in thrown.items()}


def _opens(outcome: Outcome, inputs: Inputs) -> bool:
    """Whether the orders would leave a position that is larger than the current one, or on the other side, in any symbol."""
    held = inputs.account.positions
    after = held.copy()
    for order in outcome.orders:
        after[order.symbol] += order.units
    tolerance = TOLERANCE * np.maximum(np.abs(held), 1.0)
    return bool(((np.abs(after) > np.abs(held) + tolerance) | ((after * held < 0) & (np.abs(after) > tolerance))).any())


def _shut(outcome: Outcome, gate: str) -> bool:
    """Whether the gate was shut for every symbol."""
    gates = outcome.decisions.gates
    return not gates.passed[gates.names.index(gate)].any()


def _ticking(store: Path, child: subprocess.Popen[bytes], clock: Clock, halted: StopEvent) -> bool:
    begun = clock.tick()
    while clock.tick() - begun < START_SECONDS and child.poll() is None and not halted.wait(POLL_SECONDS):
        if store.exists() and _query(store, "SELECT count(*) FROM ticks", 0) > 1:
            return True
    return False


def _check_remains(store: Path, code: int, took: float) -> tuple[bool, str]:
    ticks, last = _query(store, "SELECT count(*) FROM ticks", 0), _query(store, "SELECT max(tick) FROM ticks", -1)
    whole = _query(store, "SELECT count(DISTINCT tick) FROM decisions", -1)
    held, running = _query(store, "SELECT count(*) FROM lease", 1), _query(store, "SELECT count(*) FROM components WHERE state <> 'down'", 1)
    if code != 0:
        return False, f"it ended with code {code}"
    if held or running:
        return False, f"it left the lease ({held}) or components that report to be running ({running})"
    if not ticks == last + 1 == whole:
        return False, f"it left {ticks} ticks, the last of them number {last}, {whole} with decisions"
    return True, f"a throw-away engine ended {units.format_duration(took)} after the stop with {ticks} complete ticks, and released its store"


def _query(store: Path, sql: str, missing: int) -> int:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(store))}?mode=ro", uri=True, timeout=2.0)) as connection:
            row = connection.execute(sql).fetchone()
    except sqlite3.Error:
        return missing
    return missing if row is None or row[0] is None else int(row[0])


def _environment(home: Path) -> dict[str, str]:
    """None of the real settings: a market, a folder and a store of its own, and no alert targets."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
    settings = {
        "HOME": str(home), "DATABASE_URL": url_from_path(home / "podium.db"), "FEED": "simulated", "SIM_SYMBOLS": "2", "WARMUP_BARS": "0",
        "TICK_INTERVAL_SECONDS": "0.1", "THREADS": "0", "MODELS": "ridge",
    }  # fmt: skip
    return inherited | {"PYTHONPATH": str(ROOT)} | {f"PODIUM_{name}": value for name, value in settings.items()}
