"""Processes that race for a lease; the test runs this module as a program. Prints how many acquired it, one line per round.

Usage: python -m tests.service.racing URL ROUNDS PROCESSES
"""

from __future__ import annotations

import os
import sys

from engine.service.lease import Lease

NOW = 1_750_000_000 * 10**9


def race(url: str, processes: int) -> int:
    """All wait for the start, all try to take, and all live until each has tried."""
    start, go = os.pipe()
    reading_end, tell = os.pipe()
    end, done = os.pipe()
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            lease = Lease(url)
            os.close(go)
            os.close(done)
            os.read(start, 1)  # until the other end is closed
            os.write(tell, b"1" if lease.acquire(NOW, 0.0) else b"0")
            os.read(end, 1)
            lease.release()
            os._exit(0)
        children.append(child)
    os.close(go)
    answer = b""
    while len(answer) < processes:
        answer += os.read(reading_end, processes)
    os.close(done)
    for child in children:
        os.waitpid(child, 0)
    for pipe in (start, reading_end, tell, end):
        os.close(pipe)
    return answer.count(b"1")


if __name__ == "__main__":
    for _ in range(int(sys.argv[2])):
        print(race(sys.argv[1], int(sys.argv[3])))
