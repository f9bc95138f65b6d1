"""The state of every component and the alerts about them: written when something changes, and at intervals as a sign of life."""

from __future__ import annotations

from threading import Lock
from typing import Protocol

from engine.domain.ports import Clock
from engine.service.logging import LOG

COMPONENTS = ("engine", "feed", "trainer", "store", "probes", "optimizer", "alerts")
FAULTY = frozenset({"degraded", "down"})


class ComponentStore(Protocol):
    """The part of the store's writer that stores components and their alerts."""

    def set_component(self, name: str, state: str, error: str | None, now: int) -> None: ...

    def raise_alert(self, rule: str, severity: str, message: str, now: int) -> None: ...

    def resolve_alert(self, rule: str, now: int) -> None: ...


class ComponentStatus:
    """The state of every component. The next `write_all` writes what the store refused."""

    def __init__(self, store: ComponentStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._states: dict[str, tuple[str, str | None]] = dict.fromkeys(COMPONENTS, ("starting", None))
        self._is_intended = dict.fromkeys(COMPONENTS, False)  # whether a person chose its state
        self._failing: dict[str, dict[str, str]] = {component: {} for component in COMPONENTS}
        self._alerted: dict[str, tuple[str, str | None] | None] = dict.fromkeys(COMPONENTS, ("unknown", None))  # the open alert's, None: no alert
        self._lock = Lock()

    def state(self, component: str) -> str:
        return self._states[component][0]

    def on_success(self, component: str, job: str) -> None:
        """Record that a job succeeds again; the component is ok once none of its jobs fails."""
        failing = self._failing[component]
        if failing.pop(job, None) is None:
            return
        left = next(iter(failing.values()), None)
        self.set_state(component, "degraded" if left else "ok", left)

    def on_failure(self, component: str, job: str, error: str) -> None:
        """Record that a job failed: the component is degraded."""
        self._failing[component][job] = error
        self.set_state(component, "degraded", error)

    def report_part(self, component: str, part: str, trouble: str | None) -> None:
        """Record whether a part of a component fails, apart from its other parts."""
        if trouble is None:
            self.on_success(component, part)
        else:
            self.on_failure(component, part, trouble)

    def mark_started(self, component: str) -> None:
        """Record that a component has started; its failures are reported by its jobs."""
        if self._states[component][0] == "starting":
            self.set_state(component, "ok")

    def set_state(self, component: str, state: str, error: str | None = None, *, alert: bool = True) -> None:
        """Set a component's state; a fault raises its alert, ok resolves it. Nothing is written where nothing changed.

        `alert` False: a person chose this state, so no alert is raised.
        """
        with self._lock:
            before = self._states[component]
            if before[0] == "starting" and before[1] is not None and state == "ok":
                error = error or ""  # what the start waited for was no error
            if before == (state, error):
                return
            self._states[component] = (state, error)
            self._is_intended[component] = not alert
            if state in FAULTY:
                LOG.warning("%s is %s: %s", component, state, error)
            self._write(component)

    def write_all(self) -> None:
        """Write the state of every component, and the alerts that the store refused."""
        with self._lock:
            for component in self._states:
                self._write(component)

    def _write(self, component: str) -> None:
        state, error = self._states[component]
        now = self._clock.now()
        self._store.set_component(component, state, error, now)
        is_well = state == "ok" or self._is_intended[component]
        if state in FAULTY and not is_well and self._alerted[component] != (state, error):
            severity = "critical" if component in {"engine", "store"} else "warning"
            self._store.raise_alert(f"{component} failing", severity, f"{component}: {error}", now)
            self._alerted[component] = (state, error)
        elif is_well and self._alerted[component] is not None:
            self._store.resolve_alert(f"{component} failing", now)
            self._alerted[component] = None

    def mark_stopped(self) -> None:
        """Set every component to down without an alert: the engine was stopped on purpose."""
        with self._lock:
            now = self._clock.now()
            for component in self._states:
                self._states[component] = ("down", None)
                self._store.set_component(component, "down", None, now)
