"""Models: what each model forecasts, how good it is and where, how far to rely on it, and its versions."""

from __future__ import annotations

from pages.models.view import show_models

show_models()
