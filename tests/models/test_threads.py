"""A fit has the same bits on a machine with any number of processors, also where its library is loaded by the fit."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import hashlib
import numpy as np
from threadpoolctl import threadpool_limits
from engine.domain.model import TrainingSet
from engine.models import prototypes
draw = np.random.default_rng(5)
x = draw.standard_normal((4_000, 12)).astype(np.float32)
training = TrainingSet(tuple("abcdefghijkl"), (1,), x, draw.standard_normal((4_000, 1)), np.arange(4_000), 4_000)
with threadpool_limits(1):
    print(hashlib.sha256(prototypes.fit(training, 3)).hexdigest())
"""


def test_clusters_do_not_depend_on_the_number_of_threads() -> None:
    digests = set()
    for threads in ("1", "4"):
        settings = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=settings)
        digests.add(done.stdout.strip())
    assert len(digests) == 1
