"""Resilience: circuit breakers, the failure log, remedies by component, and repair of stored files."""
