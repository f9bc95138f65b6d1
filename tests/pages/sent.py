"""What live charts and tables on a page were sent."""

from __future__ import annotations

import json
from typing import Any

from pages.ui import wire


def sent_value(data: str) -> Any:
    """The figure, or the rows of tags and texts, of a component's data."""
    payload = wire.find_payload(json.loads(data)["digest"])
    assert payload is not None, "no session shows it any more"
    return payload.value


def joined(rows: list[list[str]]) -> str:
    """The markup of a table's rows."""
    return "".join(text for row in rows for text in row)
