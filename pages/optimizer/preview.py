"""Preview a rule on stored readings in a separate low-priority process, so that neither the engine nor other pages wait.

Run as a program it reads {name, fields, at, values} from its input and prints {times, span, samples}.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson

from engine.domain.record import Floats, Ints
from engine.domain.rules import Rule, RulePreview
from engine.optimizer.preview import preview_rule
from engine.optimizer.rule_schema import parse_rule, serialise_rule

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
NICENESS = 10


def run_preview(rule: Rule, at: Ints, values: Floats) -> RulePreview:
    """Return when the rule would have fired; raises OSError with one line if there is no result."""
    request = {"name": rule.name, "fields": serialise_rule(rule), "at": at, "values": values}
    try:
        process = subprocess.run(
            [sys.executable, "-m", "pages.optimizer.preview"], input=orjson.dumps(request, option=orjson.OPT_SERIALIZE_NUMPY), cwd=ROOT,
            capture_output=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise OSError(f"the preview was stopped after {SECONDS} s without a result") from None
    if process.returncode != 0:
        error = " ".join(process.stderr.decode(errors="replace").split())[-200:]
        raise OSError(f"the preview gave no result: {error or 'no error message'}")
    result = orjson.loads(process.stdout)
    return RulePreview(len(result["times"]), np.array(result["times"], dtype=np.int64), result["span"], result["samples"])


def _main() -> None:
    if hasattr(os, "nice"):  # absent on Windows
        os.nice(NICENESS)
    request = orjson.loads(sys.stdin.buffer.read())
    fields = request["fields"]
    rule = parse_rule(request["name"], fields, None, tuple(fields["actions"].split(",")))
    values = np.array(request["values"], dtype=np.float64)  # null becomes NaN
    preview = preview_rule(rule, np.array(request["at"], dtype=np.int64), values)
    sys.stdout.buffer.write(orjson.dumps({"times": preview.times.tolist(), "span": preview.span, "samples": preview.samples}))


if __name__ == "__main__":
    _main()
