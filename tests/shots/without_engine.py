"""The dashboard on a store whose engine does not run: `PODIUM_HOME=FOLDER python -m tests.shots.without_engine PORT`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from engine.service.supervisor import Supervisor

ROOT = Path(__file__).parents[2]


class NoSupervisor(Supervisor):
    """Starts nothing, so that the store stays as it is."""

    def start(self) -> None:
        return

    def stop(self, seconds: float) -> bool:
        return True


if __name__ == "__main__":
    sys.modules["engine.service.supervisor"].Supervisor = NoSupervisor  # type: ignore[attr-defined]
    sys.argv = ["streamlit", "run", str(ROOT / "app.py"), "--server.port", sys.argv[1], "--server.address", "127.0.0.1", "--server.headless", "true"]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)
