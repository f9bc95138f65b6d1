"""The optimizer's side of the store's writer."""

from __future__ import annotations

from collections.abc import Mapping

from engine.domain.optimization import ActionResult, Firing, Judgement, Trial
from engine.store.write import optimizer
from engine.store.write.writer import Writer


class OptimizerRepository:
    """Each call is a transaction and raises StoreError in one line."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def tune(self) -> ActionResult:
        """Compact the store."""
        return self._writer.tune()

    def save_trial(self, trial: Trial) -> int:
        """Store a trial; return its number."""
        return self._writer.save_trial(trial)

    def save_firing(self, firing: Firing) -> int:
        """Store a rule's change of state; return its number."""
        return self._writer.save_firing(firing)

    def finish_trial(self, number: int, trial: Trial) -> None:
        """Store the result of a trial."""
        with self._writer.write() as connection:
            optimizer.finish_trial(connection, number, trial)

    def open_session(self, modes: Mapping[str, str]) -> int:
        """Prepare for a start: close interrupted trials, grant initial licences, store the modes. Return the number of closed trials."""
        with self._writer.write() as connection:
            optimizer.grant_initial_licences(connection)
            optimizer.save_active_modes(connection, modes)
            return optimizer.close_interrupted_trials(connection)

    def save_answer(self, number: int, text: str) -> None:
        """Store the response to a firing."""
        with self._writer.write() as connection:
            optimizer.save_answer(connection, number, text)

    def save_judgement(self, action: str, metric: str, unit: str, at: int, judgement: Judgement) -> None:
        """Store the judgement of an action on a metric in place of the previous one."""
        with self._writer.write() as connection:
            optimizer.save_judgement(connection, action, metric, unit, at, judgement)

    def set_licence(self, action: str, licence: str, why: str, at: int) -> None:
        """Set an action's licence with its reason."""
        with self._writer.write() as connection:
            optimizer.set_licence(connection, action, licence, why, at)

    def set_mode(self, action: str, mode: str) -> None:
        """Set an action's mode so that it survives a restart."""
        with self._writer.write() as connection:
            optimizer.set_mode(connection, action, mode)

    def save_rule(self, name: str, rule: Mapping[str, str], at: int, by: str, reason: str) -> None:
        """Store a rule that was changed on the page or the command line."""
        with self._writer.write() as connection:
            optimizer.save_rule(connection, name, rule, at, by, reason)

    def delete_rule(self, name: str) -> bool:
        """Return a rule to podium.toml or its default; False where it was not changed."""
        with self._writer.write() as connection:
            return optimizer.delete_rule(connection, name)
