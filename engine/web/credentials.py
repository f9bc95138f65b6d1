"""What somebody came in by, for answers that last: they end with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.domain.access import Visitor


@dataclass(frozen=True, slots=True)
class Credential:
    """A token or a cookie, and the look whether it still holds."""

    key: str = field(repr=False)  # the same for everybody who came in by it
    find: Callable[[], Visitor | None]  # raises StoreError
