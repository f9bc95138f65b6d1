"""An in-memory store of rules, modes and licences for the optimizer of a plant."""

from __future__ import annotations

from tests.optimizer.plant import Plant


class Pen:
    """Keeps what commands change."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.rules: dict[str, dict[str, str]] = {}
        self.mode: dict[str, str] = {}

    def save_answer(self, number: int, text: str) -> None:
        self.plant.save_answer(number, text)

    def set_licence(self, action: str, licence: str, why: str, at: int) -> None:
        self.plant.set_licence(action, licence, why, at)

    def set_mode(self, action: str, mode: str) -> None:
        self.mode[action] = mode

    def save_rule(self, name: str, words: object, at: int, by: str, reason: str) -> None:
        assert isinstance(words, dict)
        self.rules[name] = words
        self.plant.rules = lambda: self.rules  # type: ignore[method-assign]

    def delete_rule(self, name: str) -> bool:
        return self.rules.pop(name, None) is not None
