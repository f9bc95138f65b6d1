"""Runs the job of ticks of a service for as many ticks as a test needs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import sleep

from engine.service.service import EngineService


def run_service_until(service: EngineService, ticks: int) -> None:
    """Let the job of ticks run until so many are decided, and stop."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(service.run_ticks)
        while service.ticks_decided < ticks and not running.done():
            sleep(0.001)
        service._stop.set()
        running.result(300.0)
    service._stop.clear()
