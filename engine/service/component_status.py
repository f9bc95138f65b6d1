"""Keeps the table of components and the alerts that come of it: written when something changes, and now and then as a sign of life."""

from __future__ import annotations

from threading import Lock
from typing import Protocol

from engine.domain.ports import Clock
from engine.service.logging import LOG

COMPONENTS = ("engine", "feed", "trainer", "store", "probes", "optimizer", "alerts")
FAULTY = frozenset({"degraded", "down"})


class ComponentStore(Protocol):
    """The part of the store's writer that the board uses."""

    def set_component(self, name: str, state: str, error: str | None, now: int) -> None: ...

    def raise_alert(self, rule: str, severity: str, message: str, now: int) -> None: ...

    def resolve_alert(self, rule: str, now: int) -> None: ...


class ComponentStatus:
    """How every component is. What could not be written is written at the next beat."""

    def __init__(self, pen: ComponentStore, clock: Clock) -> None:
        self._pen = pen
        self._clock = clock
        self._states: dict[str, tuple[str, str | None]] = dict.fromkeys(COMPONENTS, ("starting", None))
        self._wanted = dict.fromkeys(COMPONENTS, False)  # whether its state is what somebody wanted
        self._failing: dict[str, dict[str, str]] = {component: {} for component in COMPONENTS}
        self._alerted: dict[str, tuple[str, str | None] | None] = dict.fromkeys(
            COMPONENTS, ("unknown", None)
        )  # what its open alert says, None: no alert
        self._lock = Lock()

    def state(self, component: str) -> str:
        return self._states[component][0]

    def on_success(self, component: str, job: str) -> None:
        """A job that had failed goes well again: the component is ok once none of its jobs fails."""
        failing = self._failing[component]
        if failing.pop(job, None) is None:
            return
        left = next(iter(failing.values()), None)
        self.set_state(component, "degraded" if left else "ok", left)

    def on_failure(self, component: str, job: str, error: str) -> None:
        """It goes on, but a job of it failed just now."""
        self._failing[component][job] = error
        self.set_state(component, "degraded", error)

    def report_part(self, component: str, part: str, trouble: str | None) -> None:
        """A part of it fails, or does not; the others are what they are."""
        if trouble is None:
            self.on_success(component, part)
        else:
            self.on_failure(component, part, trouble)

    def mark_started(self, component: str) -> None:
        """It has started; what fails of it is told by its jobs."""
        if self._states[component][0] == "starting":
            self.set_state(component, "ok")

    def set_state(self, component: str, state: str, error: str | None = None, *, alert: bool = True) -> None:
        """Sets a component's state; a fault opens its alert, ok resolves it. Nothing is written where nothing changed.

        `alert` False: it is as somebody wanted it to be, so nobody is alarmed.
        """
        with self._lock:
            before = self._states[component]
            if before == (state, error):
                return
            self._states[component] = (state, error)
            self._wanted[component] = not alert
            if state in FAULTY:
                LOG.warning("%s is %s: %s", component, state, error)
            self._write(component)

    def write_all(self) -> None:
        """Writes every component as it is, and the alerts that could not be written before."""
        with self._lock:
            for component in self._states:
                self._write(component)

    def _write(self, component: str) -> None:
        state, error = self._states[component]
        now = self._clock.now()
        self._pen.set_component(component, state, error, now)
        is_well = state == "ok" or self._wanted[component]
        if state in FAULTY and not is_well and self._alerted[component] != (state, error):
            severity = "critical" if component in {"engine", "store"} else "warning"
            self._pen.raise_alert(f"{component} failing", severity, f"{component}: {error}", now)
            self._alerted[component] = (state, error)
        elif is_well and self._alerted[component] is not None:
            self._pen.resolve_alert(f"{component} failing", now)
            self._alerted[component] = None

    def mark_stopped(self) -> None:
        """Every component is down because the engine was stopped: no fault, so no alert."""
        with self._lock:
            now = self._clock.now()
            for component in self._states:
                self._states[component] = ("down", None)
                self._pen.set_component(component, "down", None, now)
