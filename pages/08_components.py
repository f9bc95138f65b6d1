"""Components: the state of every part of the engine, its speed, its fallbacks, and faults of the data."""

from __future__ import annotations

from pages.components.view import show_components

show_components()
