"""Alerts: open and past alerts, silences, delivery targets, and what the last drill proved."""

from __future__ import annotations

from pages.alerts.view import show_alerts

show_alerts()
