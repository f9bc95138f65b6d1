"""A store in which every name and every text tries to be more than text, in HTML, in Markdown and in Plotly's own tags."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from engine.store import backtest_files
from engine.store.backtest_files import StoredBacktest
from tests.store.made import SECOND, filled

HERE = "http://127.0.0.1:9"  # nothing listens there
TEXT = """ {n}</script></div>{n}{n}# HEADING{n}{n}![a]({at}/markdown.png) [go]({at}/markdown){n}{n}<img src="{at}/image.png"
onerror="fetch('{at}/handler')">
<a href="{at}/link">go</a><script src="{at}/script.js"></script><iframe src="{at}/frame"></iframe><svg onload="fetch('{at}/svg')"></svg>
<style>@import "{at}/style.css"; body {{ background: url({at}/css.png) }}</style><sup>sup</sup>{n}{n}    code{n}{n}**bold** `code` $x^2$ :red[red]
:material/home: &lt;u&gt; %{{x}} """

PLAIN = {  # by table: the columns of free text and of names; a name is changed in the same way wherever it stands
    "decisions": ("binding_gate", "regime", "execution"),
    "skill": ("model", "regime"),
    "declined": ("gate",),
    "components": ("component", "last_error"),
    "commands": ("by", "reason", "note"),
    "trials": ("action", "trigger", "metric", "unit", "amount_unit", "detail", "by", "reason"),
    "actions": ("action", "cures", "about", "why", "cost"),
    "triggers": ("rule", "metric", "answer"),
    "alerts": ("rule", "message", "acked_by"),
    "silences": ("rule", "by", "reason"),
    "recoveries": ("component", "fault", "how"),
    "deliveries": ("target", "message", "error"),
    "incidents": ("kind", "detail"),
    "ticks": ("spread_source", "verdict"),
    "artifacts": ("model", "version", "origin"),
    "evolutions": ("trigger", "detail", "strategy", "model", "version", "parent"),
    "findings": ("dimension", "condition", "measure", "unit"),
    "drift": ("subject", "column", "place"),
    "sessions": ("label",),
    "counters": ("name",),
    "audit": ("who", "origin", "kind", "subject", "why", "before", "after"),
}
JSON = {"sessions": ("models", "regimes", "limits", "gates"), "ticks": ("degraded", "spans"), "commands": ("result",), "rules": ("data",)}
ADDED: Mapping[str, Sequence[str]] = {
    "silences": ("at, until, rule, by, reason", "{now}, {later}, 'data stale', 'ada', 'quiet'"),
    "recoveries": ("at, component, fault, how, tries", "{now}, 'feed', 'gone', 'fetched again', 3"),
    "deliveries": ("alert, at, kind, target, message, status, tries, error", "2, {now}, 'opened', 'json://h', 'm', 'waiting', 2, 'refused'"),
    "rules": ("name, data, changed_at, by, reason", "'memory_growth', '{{\"hold\": \"10m\"}}', {now}, 'ada', 'to see'"),
    "commands": (
        'at, name, args, "by", reason, status, result',
        """{now}, 'backtest', '{{"market": "/m", "symbols": "ANY"}}', 'ada', 'r', 'failed', '{{"error": "e"}}'""",
    ),
    "drills": (
        "at, passed, seconds, detail",
        """{now}, 0, 1.0, '{{"proofs": [{{"name": "DETAIL", "passed": false, "seconds": 1.0, "detail": "DETAIL"}}], "by": "DETAIL"}}'""",
    ),
}  # fmt: skip


def hostile(at: str = HERE) -> str:
    """The text; `at` is where whatever it gets loaded would be asked for."""
    return TEXT.format(at=at, n="\n")


def hostile_store(folder: Path, at: str = HERE) -> str:
    """A store filled with it; gives its address."""
    text = hostile(at)
    made = filled(folder / "made", ticks=62, symbols=(f"AAA{text}", f"BBB{text}"))
    path = folder / "podium.db"
    shutil.copyfile(made.removeprefix("sqlite:///"), path)
    with closing(sqlite3.connect(path)) as store, store:
        now = int(store.execute("SELECT max(wall) FROM ticks").fetchone()[0])
        store.execute("DROP TRIGGER audit_unchanged")  # it refuses what follows
        for table, (columns, values) in ADDED.items():
            store.execute(f"INSERT INTO {table} ({columns}) VALUES ({values.format(now=now, later=now + 10**6 * SECOND)})")
        for table, names in PLAIN.items():
            for name in names:
                store.execute(f'UPDATE {table} SET "{name}" = "{name}" || ?', (text,))
        for table, names in JSON.items():
            for name in names:
                for row, value in store.execute(f'SELECT rowid, "{name}" FROM {table} WHERE "{name}" IS NOT NULL').fetchall():
                    store.execute(f'UPDATE {table} SET "{name}" = ? WHERE rowid = ?', (json.dumps(_each_text(json.loads(value), text)), row))
        for table, name, old in (("commands", "args", "ANY"), ("commands", "args", "/m"), ("drills", "detail", "DETAIL")):
            store.execute(f"UPDATE {table} SET {name} = replace({name}, ?, ?)", (old, json.dumps(old + text)[1:-1]))
    for number, name in enumerate((text.replace("/", "|")[-150:], " ".join(text.replace("/", "|").split())[-150:])):
        symbol = folder / "imports" / f"{number}{name}" / f"AAA{name}"
        symbol.mkdir(parents=True)
        (symbol / "bars.csv").write_text("ts,open,high,low,close,volume\n1704067200000,1,2,1,2,3\n1704067260000,1,2,1,2,3\n")
    shelved = folder / "backtests"
    shelved.mkdir()
    for number in (1, 2):
        backtest_files.save_backtest(shelved, backtest(number, text))
    return f"sqlite:///{path}"


def backtest(number: int, text: str) -> StoredBacktest:
    """A backtest that was asked for in such words."""
    figures = {"r2": 0.01, "low": -0.01, "high": 0.03, "n": 900, "n_effective": 300.0}
    declined = {"mean_bps": 1.0, "low": -1.0, "high": 3.0, "n": 40}
    report = {
        "decisions": 900, "skill": {name: figures | {"by_horizon": {"1": figures}} for name in ("ensemble", f"ridge{text}")},
        "binding_gates": {f"cost{text}": 0.4}, "regret": {f"cost{text}": declined}, "equity": [[SECOND, 1.0, 1.0], [2 * SECOND, 1.1, 1.0]],
    }  # fmt: skip
    arguments = {"market": f"/data{text}", "symbols": f"AAA{text}", "signal": text, "seed": text, "training": "yes"}
    return StoredBacktest(f"20260101-00000{number}-{number}", f"ada{text}", f"to see{text}", 1_767_225_600 * SECOND, SECOND, arguments, report)


def _each_text(value: object, text: str) -> object:
    """The same with the text after every text in it, but for the words that are no names."""
    if isinstance(value, str):
        return value if value in {"<=", ">=", ""} else value + text
    if isinstance(value, list):
        return [_each_text(part, text) for part in value]
    return {key: _each_text(part, text) for key, part in value.items()} if isinstance(value, dict) else value
