"""Recipes: everything that determines how a version of a model is trained, apart from the data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from engine.domain.record import Record

VOTES = "votes."  # prefix of columns that are the other models' predictions, such as votes.ridge_1 for the horizon of one bar


@dataclass(frozen=True, slots=True)
class Recipe(Record):
    """How a model is trained. Two recipes are the same where their `id` is, whatever their parents."""

    model: str  # kind of model: the name of a plug-in, which need not be the place on the model axis where it serves
    parameters: tuple[tuple[str, float], ...] = ()  # by name, sorted; those that are not named have the defaults of the kind
    columns: tuple[str, ...] = ()  # trained on, in the order of the catalog; () for all
    window_bars: int = 0  # bars of training; 0 for the setting
    since: int = 0  # tick of the first row of training, from which the window grows; 0 for no such limit
    parent: str = ""  # id of the recipe that it was derived from, "" for a default recipe

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits over the model, its parameters, columns and training window."""
        content = json.dumps((self.model, self.parameters, self.columns, self.window_bars, self.since), separators=(",", ":"))
        return hashlib.blake2b(content.encode(), digest_size=6).hexdigest()

    @property
    def is_default(self) -> bool:
        """Whether it is what the kind of model is trained with unless something else is proved better."""
        return not (self.parameters or self.columns or self.window_bars or self.since)


DEFAULT_RECIPE = Recipe("")  # of whichever kind of model the place is named after


def recipe_to_json(recipe: Recipe) -> str:
    """The recipe as compact JSON, for the store and for events."""
    fields = {
        "model": recipe.model,
        "parameters": dict(recipe.parameters),
        "columns": recipe.columns,
        "window_bars": recipe.window_bars,
        "since": recipe.since,
        "parent": recipe.parent,
    }
    return json.dumps(fields, separators=(",", ":"))


def recipe_from_json(text: str) -> Recipe:
    """The recipe from its JSON. Raises ValueError, in one line, for other text."""
    try:
        fields: dict[str, Any] = json.loads(text)
        parameters = tuple(sorted((str(name), float(value)) for name, value in fields["parameters"].items()))
        columns = tuple(str(column) for column in fields["columns"])
        return Recipe(str(fields["model"]), parameters, columns, int(fields["window_bars"]), int(fields["since"]), str(fields["parent"]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"this is no recipe: {' '.join(str(error).split())}: {text[:80]!r}") from error
