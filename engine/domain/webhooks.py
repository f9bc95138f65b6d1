"""Webhooks: programs of others that are sent decisions and alerts, signed."""

from __future__ import annotations

from dataclasses import dataclass, field

EVENT_KINDS = ("decisions", "alerts", "trials")
TARGET = "webhook "  # how the target of a delivery begins that goes to a webhook
SOURCES = ("secret_env", "secret_file", "secret_credential")  # where a secret is read from; it is never a setting itself


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver. The secret is read where it is needed and held nowhere; the address may contain another one."""

    name: str
    url: str = field(repr=False)
    source: str  # of SOURCES
    place: str  # name of the variable or credential, or path of the file
    events: tuple[str, ...] = ("decisions", "alerts")  # of EVENT_KINDS

    @property
    def target(self) -> str:
        """The label of its deliveries."""
        return f"{TARGET}{self.name}"


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """What is sent; the same number and body at every try."""

    id: str
    body: str | None  # JSON; None where retention has deleted what it is about
