"""Forecasts of a block of bars: a version predicts them in one call, which is used where a tick has the very features that were expected."""

from __future__ import annotations

from contextlib import suppress

from engine.domain.model import PLUGIN_ERRORS, ServingModel
from engine.domain.record import Floats

Key = tuple[str, str, str]  # place, version and digest of a version: versions of other columns may have the same bytes


class BlockPredictions:
    """The features of the bars of a block, and the forecasts of the versions that predict one of them."""

    def __init__(self) -> None:
        self._features: Floats | None = None
        self._places: dict[bytes, int] = {}  # of the bars, by the bits of their features
        self._forecasts: dict[Key, tuple[int, Floats | None]] = {}  # the first bar, and (B, H, S) from it on

    def set_features(self, features: Floats | None) -> None:
        """Replace the block by one with these (B, S, F) features; None for a block that is not predicted at once."""
        self._features, self._forecasts = features, {}
        self._places = {} if features is None else {bar.tobytes(): place for place, bar in enumerate(features)}

    def find(self, served: ServingModel, x: Floats) -> Floats | None:
        """(H, S) forecasts of a version from (S, F) features, which have the bits of its own call; None where it has to predict by itself."""
        place = self._places.get(x.tobytes()) if self._places and served.model.takes_blocks else None
        if place is None:
            return None
        first, forecasts = self._forecasts.get(_identify(served)) or self._predict(served, place)
        return None if forecasts is None or place < first else forecasts[place - first]

    def _predict(self, served: ServingModel, first: int) -> tuple[int, Floats | None]:
        """The forecasts of a version from a bar of the block on."""
        assert self._features is not None
        forecasts: Floats | None = None
        with suppress(*PLUGIN_ERRORS):  # the tick calls it again, and reports the error
            made = served.predict(self._features[first:])
            forecasts = made if made.ndim == 3 and len(made) == len(self._features) - first else None
        self._forecasts[_identify(served)] = first, forecasts
        return first, forecasts


def _identify(served: ServingModel) -> Key:
    return served.place, served.version, served.digest
