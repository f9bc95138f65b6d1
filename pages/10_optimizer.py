"""Optimizer: what fires now, what it would do and why, what it did, and the measured effect."""

from __future__ import annotations

from pages.optimizer.view import show_optimizer

show_optimizer()
