"""Alerting: rules, alert states and messages as pure functions; their evaluation, delivery and drills."""
