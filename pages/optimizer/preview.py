"""What a rule would have done on stored history, found in a process of its own, so that neither the engine nor the page waits on it.

Run as a program it reads {name, words, at, values} from its input and prints {times, span, samples}.
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
LOWER = 10  # nice: everything else goes first


def run_preview(rule: Rule, at: Ints, values: Floats) -> RulePreview:
    """When the rule would have fired. Raises OSError in one line where there was no answer."""
    asked = {"name": rule.name, "words": serialise_rule(rule), "at": at, "values": values}
    try:
        told = subprocess.run(
            [sys.executable, "-m", "pages.optimizer.preview"], input=orjson.dumps(asked, option=orjson.OPT_SERIALIZE_NUMPY), cwd=ROOT,
            capture_output=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise OSError(f"the preview was ended after {SECONDS} s without an answer") from None
    if told.returncode != 0:
        said = " ".join(told.stderr.decode(errors="replace").split())[-200:]
        raise OSError(f"the preview gave no answer: {said or 'nothing was said'}")
    found = orjson.loads(told.stdout)
    return RulePreview(len(found["times"]), np.array(found["times"], dtype=np.int64), found["span"], found["samples"])


def _main() -> None:
    if hasattr(os, "nice"):  # Windows has no such steps
        os.nice(LOWER)
    asked = orjson.loads(sys.stdin.buffer.read())
    words = asked["words"]
    rule = parse_rule(asked["name"], words, None, tuple(words["actions"].split(",")))
    values = np.array(asked["values"], dtype=np.float64)  # null becomes NaN
    told = preview_rule(rule, np.array(asked["at"], dtype=np.int64), values)
    sys.stdout.buffer.write(orjson.dumps({"times": told.times.tolist(), "span": told.span, "samples": told.samples}))


if __name__ == "__main__":
    _main()
