"""Kills, at random moments and without warning, a process that saves ticks in a loop; run as a program by the test.

With KEEP_BYTES it also prunes what 350 ticks have filled. A moment is a time of work, in seconds of the process' own CPU: the same on a busy machine.

Usage: python -m tests.store.killing URL KILLS SEED [KEEP_BYTES]
"""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np
import psutil

from engine.store.retention import RetentionPolicy
from engine.store.write.writer import Writer
from tests.store import made


def save_until_killed(url: str, keep: RetentionPolicy, ready: int) -> None:
    writer = Writer(url, keep=keep)
    last = writer.last_tick()
    market = made.Market(made.names(10), session=1, first_tick=0 if last is None else last + 1)
    if keep.bytes is not None:
        writer.prune(made.WALL, keep)
    writer.save(market.tick())
    os.write(ready, b".")
    while True:
        writer.save(market.tick())


def await_work(child: int, seconds: float) -> None:
    """Waits until the process has used so much more CPU time."""
    process = psutil.Process(child)
    begun = sum(process.cpu_times()[:2])
    while sum(process.cpu_times()[:2]) - begun < seconds and process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.001)


def main(url: str, kills: int, seed: int, keep: RetentionPolicy) -> None:
    random = np.random.default_rng(seed)
    if keep.bytes is not None:
        writer = Writer(url)
        for tick in made.Market(made.names(10)).ticks(350):
            writer.save(tick)
        writer.close()
    for place in range(kills):
        hears, tells = os.pipe()
        child = os.fork()
        if child == 0:
            save_until_killed(url, keep, tells)
        os.close(tells)
        if keep.bytes is None or place == kills - 1:  # while pruning, the moments before the first tick count too, but for once
            os.read(hears, 1)
        await_work(child, float(random.uniform(0.005, 0.080) if keep.bytes is not None else random.uniform(0.0, 0.080)))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(hears)
        if not os.WIFSIGNALED(status):
            sys.exit(f"the writer ended by itself with {status}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), RetentionPolicy(bytes=int(sys.argv[4]) if len(sys.argv) > 4 else None))
