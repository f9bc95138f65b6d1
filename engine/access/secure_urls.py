"""Which addresses of other servers may carry secrets."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_encrypted(url: str) -> bool:
    """Whether an address is https, or http on this machine, where nobody listens in."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "https":
            return bool(parts.hostname)
        return parts.scheme == "http" and (parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback)
    except ValueError:
        return False
