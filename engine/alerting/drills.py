"""Drills: proves that the kill switch, the stop and the alert path work, without touching what is really traded."""

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

from engine.alerting.delivery import DeliveryTransactions, Dispatcher, Sender
from engine.alerting.messages import compose_drill
from engine.alerting.sender_process import Notification
from engine.domain.alerting import Drill, DrillCheck
from engine.domain.decision import Outcome
from engine.domain.market import Inputs
from engine.domain.model import Catalog
from engine.domain.ports import Clock
from engine.domain.state import State
from engine.files import temporary_files
from engine.orchestrator import decide
from engine.phases import decision
from engine.resilience.circuit_breaker import PLUGIN_ERRORS
from engine.run import PhaseRunner, axis_lengths
from engine.service.logging import LOG
from engine.store.database import url_from_path
from engine.store.errors import StoreError
from engine.store.write import alerts

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, STOP_SECONDS, ARRIVAL_SECONDS, POLL_SECONDS = 90.0, 20.0, 60.0, 0.2
TICKS = 600  # after which the throw-away engine ends by itself
NICE = 10
TOLERANCE = 1e-9
_GIVES_WAY = (
    f"import runpy, sys; from engine.shell import steady; steady.give_way({NICE}); "
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
    """Takes the steps in turn, each timed; one that breaks has failed and stops no other."""
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
    return Drill(at, all(one.passed for one in proofs), clock.tick() - begun, tuple(proofs), by)


def drill_kill_switch(moment: DecisionContext | None, deciding: Decide = decide) -> tuple[bool, str]:
    """Decides the newest inputs again with each switch thrown, by the real gates, and looks for anything that would be opened."""
    if moment is None:
        return False, "no tick has been decided yet that could be decided again"
    inputs = moment.inputs
    plain = _decided(moment, inputs, deciding)
    paused = _decided(moment, _with(inputs, paused=True), deciding)
    flat = _decided(moment, _with(inputs, paused=False, flatten=True), deciding)
    if paused.orders or _opens(paused, inputs) or not _shut(paused, "not paused"):
        return False, f"paused, it would still give {len(paused.orders)} orders"
    if _opens(flat, inputs) or not _shut(flat, "not flattened"):
        return False, "flattened, it would still open a position"
    wished, let_through = _wished(moment)
    if not wished or any(let_through.values()):
        said = ", ".join(f"{name} lets {count} through" for name, count in let_through.items())
        return False, f"of a wish for {wished} positions, every other gate waived, {said}"
    return True, (
        f"decided tick {inputs.tick} again: {len(plain.orders)} orders as it was, {len(paused.orders)} paused, {len(flat.orders)} flattened, "
        f"none of which opens anything; of a wish for {wished} positions, every other gate waived, neither switch lets one through"
    )


def drill_stop(clock: Clock, halted: StopEvent, home: str) -> tuple[bool, str]:
    """Starts a throw-away engine on the simulated market in a temporary folder of PODIUM_HOME, stops it as a server is stopped, and looks at
    what it left."""
    folder = temporary_files.create_folder(home, "drill")
    try:
        return _stop_engine_in(folder.path, clock, halted)
    finally:
        folder.delete()


def _stop_engine_in(home: Path, clock: Clock, halted: StopEvent) -> tuple[bool, str]:
    words = [sys.executable, "-c", _GIVES_WAY, "run", "--feed", "simulated", "--ticks", str(TICKS)]
    child = subprocess.Popen(
        words, cwd=home, env=_environment(home), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        if not _ticking(home / "podium.db", child, clock, halted):
            return False, f"the throw-away engine decided nothing within {START_SECONDS:g} s"
        begun = clock.tick()
        child.send_signal(signal.SIGTERM)
        code = child.wait(STOP_SECONDS)
        took = clock.tick() - begun
    except subprocess.TimeoutExpired:
        return False, f"it was still running {STOP_SECONDS:g} s after it was told to stop"
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    return _left(home / "podium.db", code, took)


def drill_alert_path(deliveries: Dispatcher, targets: tuple[str, ...], ledger: DeliveryTransactions, sender: Sender, clock: Clock,
               halted: StopEvent) -> tuple[bool, str]:  # fmt: skip
    """Sends a message that says it is a drill to every target; to a receiver on this machine where none is set."""
    if not targets:
        return _loopback(sender)
    with ledger.read() as connection:
        number = alerts.choose_drill_number(connection)
    message = compose_drill(number, clock.now())
    with ledger.write() as connection:
        alerts.queue_message(connection, message, targets, clock.now())
    begun = clock.tick()
    while True:
        deliveries.send_due()
        with ledger.read() as connection:
            waiting, sent, error = alerts.count_deliveries(connection, -number)
        if not waiting:
            return sent > 0, f"{sent} of {len(targets)} targets took the message" if sent else "no target took the message"
        if clock.tick() - begun > ARRIVAL_SECONDS or halted.wait(1.0):
            return False, f"{waiting} of {len(targets)} targets took no message: {error or 'no answer'}"


def _loopback(sender: Sender) -> tuple[bool, str]:
    got: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Says nothing on the terminal."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server, ThreadPoolExecutor(1, thread_name_prefix="drill") as beside:
        server.timeout = 20.0
        heard = beside.submit(server.handle_request)
        (error,) = sender.send(f"json://127.0.0.1:{server.server_port}/drill", [Notification("Podium drill", "nothing is wrong", "info")])
        heard.result()
    arrived = bool(got) and json.loads(got[0]).get("title") == "Podium drill"
    if error is not None or not arrived:
        return False, f"no target is set, and a receiver on this machine got nothing: {error or 'no answer'}"
    return True, "no target is set, so a receiver on this machine took the message; set PODIUM_ALERT_URLS to reach a person"


def _decided(moment: DecisionContext, inputs: Inputs, deciding: Decide = decide) -> Outcome:
    return deciding(inputs, moment.state, moment.catalog, PhaseRunner(axis_lengths(inputs, moment.catalog), clock=lambda: 0.0))


def _with(inputs: Inputs, *, paused: bool, flatten: bool = False) -> Inputs:
    return replace(inputs, config=replace(inputs.config, paused=paused, flatten=flatten))


def _wished(moment: DecisionContext) -> tuple[int, dict[str, int]]:
    """How many positions a wish for the largest in every symbol opens when every gate is waived, and with all but one switch waived."""
    inputs = _with(moment.inputs, paused=False)
    found = _decided(moment, inputs)
    names = found.decisions.gates.names
    held = found.sizes.current
    most = held + np.where(held < 0, -1.0, 1.0) * inputs.config.max_position
    wish = replace(found.sizes, unconstrained=most, target=most)

    def opened(thrown: Inputs, waived: tuple[str, ...]) -> int:
        settled = decision.decide_actions(wish, found.liquidity, found.predictions, found.market_state, thrown, (), waived=waived)
        return int((np.abs(settled.target) > np.abs(held) + TOLERANCE).sum())

    thrown = {"not paused": _with(inputs, paused=True), "not flattened": _with(inputs, paused=False, flatten=True)}
    return opened(inputs, names), {gate: opened(told, tuple(name for name in names if name != gate)) for gate, told in thrown.items()}


def _opens(outcome: Outcome, inputs: Inputs) -> bool:
    """Whether the orders would leave a larger position than there is, on either side, of any symbol."""
    held = inputs.account.positions
    after = held.copy()
    for order in outcome.orders:
        after[order.symbol] += order.units
    slack = TOLERANCE * np.maximum(np.abs(held), 1.0)
    return bool(((np.abs(after) > np.abs(held) + slack) | ((after * held < 0) & (np.abs(after) > slack))).any())


def _shut(outcome: Outcome, gate: str) -> bool:
    """Whether the gate was shut for every symbol."""
    gates = outcome.decisions.gates
    return not gates.passed[gates.names.index(gate)].any()


def _ticking(store: Path, child: subprocess.Popen[bytes], clock: Clock, halted: StopEvent) -> bool:
    begun = clock.tick()
    while clock.tick() - begun < START_SECONDS and child.poll() is None and not halted.wait(POLL_SECONDS):
        if store.exists() and _asked(store, "SELECT count(*) FROM ticks", 0) > 1:
            return True
    return False


def _left(store: Path, code: int, took: float) -> tuple[bool, str]:
    ticks, last = _asked(store, "SELECT count(*) FROM ticks", 0), _asked(store, "SELECT max(tick) FROM ticks", -1)
    whole = _asked(store, "SELECT count(DISTINCT tick) FROM decisions", -1)
    held, running = _asked(store, "SELECT count(*) FROM lease", 1), _asked(store, "SELECT count(*) FROM components WHERE state <> 'down'", 1)
    if code != 0:
        return False, f"it ended with code {code}"
    if held or running:
        return False, f"it left the store held ({held}) or parts that say they run ({running})"
    if not ticks == last + 1 == whole:
        return False, f"it left {ticks} ticks, the last numbered {last}, {whole} of them with decisions"
    return True, f"a throw-away engine was told to stop, ended {took:.1f} s later after {ticks} whole ticks, and let its store go"


def _asked(store: Path, sql: str, missing: int) -> int:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(store))}?mode=ro", uri=True, timeout=2.0)) as connection:
            row = connection.execute(sql).fetchone()
    except sqlite3.Error:
        return missing
    return missing if row is None or row[0] is None else int(row[0])


def _environment(home: Path) -> dict[str, str]:
    """Nothing of what is really set: a market, a folder and a store of its own, and nobody to tell."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
    ours = {
        "HOME": str(home), "DATABASE_URL": url_from_path(home / "podium.db"), "FEED": "simulated", "SIM_SYMBOLS": "2", "WARMUP_BARS": "0",
        "TICK_INTERVAL_SECONDS": "0.1", "THREADS": "0", "MODELS": "ridge",
    }  # fmt: skip
    return plain | {"PYTHONPATH": str(ROOT)} | {f"PODIUM_{name}": value for name, value in ours.items()}
