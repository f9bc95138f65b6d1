"""Resources: the machine and the engine's own work on one time axis."""

from __future__ import annotations

from pages.resources.view import show_resources

show_resources()
