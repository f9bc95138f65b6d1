"""A store of rules, modes and licences in memory, for the optimizer of a plant."""

from __future__ import annotations

from tests.optimizer.plant import Plant


class Pen:
    """Keeps what commands change."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.kept: dict[str, dict[str, str]] = {}
        self.mode: dict[str, str] = {}

    def save_answer(self, number: int, text: str) -> None:
        self.plant.save_answer(number, text)

    def set_licence(self, action: str, licence: str, why: str, at: int) -> None:
        self.plant.set_licence(action, licence, why, at)

    def set_mode(self, action: str, mode: str) -> None:
        self.mode[action] = mode

    def save_rule(self, name: str, told: object, at: int, by: str, reason: str) -> None:
        assert isinstance(told, dict)
        self.kept[name] = told
        self.plant.rules = lambda: self.kept  # type: ignore[method-assign]

    def delete_rule(self, name: str) -> bool:
        return self.kept.pop(name, None) is not None
