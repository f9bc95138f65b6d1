"""The library LightGBM, loaded without the optional libraries that it would load with itself."""

from __future__ import annotations

from engine.libraries import OPTIONAL_FOR_LIGHTGBM, hide_libraries

with hide_libraries(OPTIONAL_FOR_LIGHTGBM):
    import lightgbm as library

__all__ = ["library"]
